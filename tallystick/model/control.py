"""What the control plane holds: decisions, approvals, budgets and holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tallystick.model.canonical import digest
from tallystick.model.errors import BadInput
from tallystick.model.identity import Shown
from tallystick.model.quorum import lacking

CALL_FIELDS: Final = (
    "run",
    "step",
    "agent",
    "workflow",
    "tool",
    "tool_digest",
)  # what names a call in entries


# What an approval is given on: a call whose values stand on another word is another call. What the run has read
# meanwhile besides is not part of it, or no approval would outlive a call made beside it.
FACTS_APPROVED: Final = ("authority", "untrusted", "asked", "links", "leaks", "again")


class Answer(StrEnum):
    """What a decision says. ``not evaluated``: no policy covers the call and its effect is none or read."""

    ALLOW = "allow"
    DENY = "deny"
    HOLD = "hold"
    NOT_EVALUATED = "not evaluated"


class PolicyState(StrEnum):
    """How the policy set in force came to be."""

    ENFORCED = "enforced"
    PERMISSIVE = "permissive"  # asked for: decisions are made and recorded, nothing is refused
    UNCONFIGURED = "unconfigured"
    LOAD_FAILED = "load failed"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One proposed tool call, as the guard sees it. ``arguments`` are bound to parameter names and JSON-ready."""

    run: str
    step: str
    agent: str
    tool: str
    tool_digest: str
    arguments: Mapping[str, Any]
    workflow: str | None = None
    seq: int = 0
    undoes: str | None = None  # the effect that this call takes back
    key: str | None = None  # the idempotency key of the call that this one repeats
    token: Shown | None = field(
        default=None, repr=False, compare=False
    )  # on whose authority, where it is shown
    editable: bool = False  # whoever makes it can run it with other arguments


@dataclass(frozen=True, slots=True)
class Decision:
    """Allow, deny or hold, with the policy set that made it.

    ``reasons`` are for people (rule names, positions); ``because`` is the rule's authored sentence, the only detail
    that a model may read. ``group`` says who may approve a held call.
    """

    id: str
    answer: Answer
    policy_digest: str
    policy_state: PolicyState
    reasons: tuple[str, ...] = ()
    because: str | None = None
    group: str | None = None
    approval: str | None = None
    hold: str | None = None  # id of the money hold taken for the call


class ApprovalState(StrEnum):
    """Where an approval stands. ``consumed``: its one use is spent."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CONSUMED = "consumed"
    EDITED = "edited"  # somebody proposed other arguments: that is another question


@dataclass(frozen=True, slots=True)
class Given:
    """One person's yes to a question that asks several. ``at`` is nanoseconds since the epoch.

    ``groups`` are those asked that they may speak for; empty where one group is asked.
    """

    by: str
    at: int
    note: str | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's answer to one held action; ``binding`` is the digest of exactly what was asked.

    ``quorum`` people must say yes; ``given`` are those who did before the last one, who is ``by``. ``groups`` says how
    many of each group, where several are asked: ``group`` then names them all. ``apart`` may not approve
    (see ``govern.approvals.stands_apart``). ``asks`` is what the rule wants to be told: then a note is needed.
    ``rules`` held the call; ``facts`` are what was known of its values (``Facts.as_json``). ``edits`` are the values
    that were proposed instead, where the call is ``editable``.
    """

    id: str
    state: ApprovalState
    decision: str
    run: str
    agent: str
    tool: str
    arguments: Mapping[str, Any]
    binding: str
    group: str
    because: str | None
    requested: int
    expires: int
    answered: int | None = None
    by: str | None = None
    note: str | None = None
    quorum: int = 1
    given: tuple[Given, ...] = ()
    apart: tuple[str, ...] = ()
    asks: str | None = None
    rules: tuple[str, ...] = ()
    facts: Mapping[str, Any] | None = None
    editable: bool = False
    edits: Mapping[str, Any] | None = None
    groups: Mapping[str, int] | None = None

    @property
    def missing(self) -> int:
        """How many people must still say yes."""
        return self.quorum - len(self.given) if self.state is ApprovalState.WAITING else 0

    @property
    def asked(self) -> Mapping[str, int]:
        """How many people of each group are asked."""
        return self.groups or {self.group: self.quorum}

    def lacking(self) -> tuple[str, ...]:
        """The groups of which somebody must still say yes."""
        if self.state is not ApprovalState.WAITING:
            return ()
        return lacking(self.asked, [one.groups or (self.group,) for one in self.given])


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a person said once of later calls: a value of an argument is right, or a class of data may flow to a tool.

    ``kind``: value | class; ``name``: the argument, or the class. It holds in one ``run``, or for one ``agent``, until
    a time (nanoseconds since the epoch). ``value``: None where it is a class, or was erased. ``approval`` is the one
    that it was said with.
    """

    id: str
    kind: str
    approval: str
    tool: str
    name: str
    until: int
    by: str
    at: int
    run: str | None = None
    agent: str | None = None
    value: Any = None


def approval_binding(
    decided: Mapping[str, Any], effect: str | None, group: str, expires: int | str, *, quorum: int = 1,
    apart: Sequence[str] = (), groups: Mapping[str, int] | None = None,
) -> str:  # fmt: skip
    """The digest of exactly what an approval is asked for: the call, what is known of its values, and the rules.

    ``decided`` is the body of the decision that asks (written or about to be), ``effect`` the effect of the tool's
    declaration, ``expires`` nanoseconds since the epoch, ``quorum``, ``groups`` and ``apart`` who must approve and
    who may not.
    Raises KeyError for a body that is no decision's.
    """
    bound = {name: decided[name] for name in CALL_FIELDS} | {
        "effect": effect, "call": decided["call"], "policy": decided["policy_digest"], "group": group,
        "expires_ns": str(expires),
    }  # fmt: skip
    facts = decided.get("facts")
    if facts is not None:  # older decisions had none
        bound["facts"] = {name: facts[name] for name in FACTS_APPROVED}
    if decided.get("chain") is not None:
        bound["chain"] = decided["chain"]
    if quorum != 1:
        bound["quorum"] = quorum
    if apart:
        bound["apart"] = list(apart)
    if groups:
        bound["groups"] = dict(groups)
    return digest(bound)


EVERYTHING: Final = "all"
SWITCHED: Final = ("agent", "tool", "workflow")


@dataclass(frozen=True, slots=True)
class Switch:
    """A stop that a person threw: nothing of its scope is done until it is released.

    ``scope`` is "agent:NAME", "tool:NAME", "workflow:NAME" or "all"; ``seq`` is the entry that threw it, ``at``
    nanoseconds since the epoch.
    """

    scope: str
    because: str
    by: str
    at: int
    seq: int

    @property
    def ends_runs(self) -> bool:
        """Whether a run that meets it is over; a stopped tool is only refused."""
        return not self.scope.startswith("tool:")


def switch_scope(text: str) -> str:
    """The scope of a switch as it is written down. Raises BadInput for what is none."""
    kind, _, name = text.partition(":")
    if text == EVERYTHING or (kind in SWITCHED and name.strip() == name and name):
        return text
    raise BadInput(
        f"{text!r} is nothing that can be stopped", hint="agent:NAME, tool:NAME, workflow:NAME or all"
    )


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on a scope ("run:*", "run:ID", "agent:refunds", "workflow:…", "tool:…"), in nano-dollars.

    Invariant: available = limit - spent - held, and for a hard budget available never falls below zero
    by a call that was admitted.
    """

    name: str
    scope: str
    limit_nano: int
    mode: str = "hard"
    spent_nano: int = 0
    held_nano: int = 0


class EffectState(StrEnum):
    """Where a consequential call stands. ``started``: it runs, or its process died, and then it is in doubt."""

    STARTED = "started"
    DID_NOT_HAPPEN = "did not happen"
    IN_DOUBT = "in doubt"
    LANDED = "landed"


@dataclass(frozen=True, slots=True)
class Deed:
    """One consequential call that was let through, and what became of it.

    ``process`` is the process that ran it ("host/boot/pid/start"; "": not recorded), ``key`` its idempotency key,
    ``hold`` the money held for it, ``undoes`` the effect that it took back. ``started``, ``ended`` and ``settled``
    are nanoseconds since the epoch; ``by`` and ``because`` say who settled what was in doubt.
    """

    effect: str
    decision: str
    run: str
    agent: str
    tool: str
    state: EffectState
    started: int
    recovery: str = "operator"
    process: str = ""
    key: str | None = None
    hold: str | None = None
    undoes: str | None = None
    ended: int | None = None
    settled: int | None = None
    by: str | None = None
    because: str | None = None
