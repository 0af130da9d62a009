"""Decided: what the journal keeps of a decision, and how the decision is made again from it.

The first half writes ``decision.made``; the second half reads it back. Between them stands the promise of the record:
from the entry, the openings of its commitments and the texts it names, anybody comes to the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

import msgspec

from tallystick.app.acting.act import WHOLE, Act
from tallystick.govern.decide import Ruling, decide
from tallystick.govern.policy import PolicySet
from tallystick.govern.resource import judged_arguments
from tallystick.model.canonical import digest
from tallystick.model.chain import chain_json
from tallystick.model.commitment import COMMITMENT_KEY, Opening
from tallystick.model.control import CALL_FIELDS, Answer, Approval, Decision, ToolCall, approval_binding
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration, declaration_from
from tallystick.model.journal import Draft
from tallystick.model.labels import UNKNOWN, Facts
from tallystick.model.masking import EARLIER_MASK, MASK, mask_text

LONGEST_NAME: Final = 256  # characters of a run, step, agent, workflow or tool in an entry
_MOST_REASONS: Final = 40
_LONGEST_REASONS: Final = 2_000  # characters of all of them together
_LONGEST_SENTENCE: Final = 1_000


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────


def must_be_nameable(call: ToolCall) -> None:
    """Raises BadInput where a call's names cannot stand in an entry: too long, or not Unicode."""
    together = f"{call.run}{call.step}{call.agent}{call.workflow}{call.tool}{call.tool_digest}"
    if len(together) <= LONGEST_NAME and together.isascii():
        return
    for name in (call.run, call.step, call.agent, call.workflow or "", call.tool, call.tool_digest):
        if len(name) > LONGEST_NAME:
            raise BadInput(f"the names of a call have at most {LONGEST_NAME} characters", name=name[:40])
        if not name.isascii():
            try:
                name.encode("utf-8")
            except UnicodeEncodeError as error:
                raise BadInput(f"{name[:40]!r} is not a name") from error


def called(act: Act, step: str | None = None) -> dict[str, Any]:
    """What was called, as every entry about the call names it: ``call`` is the digest of all the rest.

    ``step``: as it was called in another step.
    """
    call, exact = act.call, act.exact
    named = {
        "run": call.run, "step": step or call.step, "agent": call.agent, "workflow": call.workflow, "tool": call.tool,
        "tool_digest": _tool_digest(act),
    }  # fmt: skip
    given = None if exact is None else {name: content.commitment for name, content in exact.contents.items()}
    return {
        **named,
        "arguments": None if exact is None else dict(exact.contents),
        "call": digest({**named, "arguments": given}),
    }


def _tool_digest(act: Act) -> str:
    return act.call.tool_digest or (act.tool.digest if act.tool is not None else "")


def decision_entry(act: Act, decision: Decision) -> Draft:
    """The entry of one decision."""
    assert act.called is not None
    body = {
        "decision": decision.id, **act.called, "declaration": next(iter(act.declaration)), "at": str(act.at),
        "approved": sorted(act.approved), "policy_digest": decision.policy_digest,
        "policy_state": decision.policy_state.value,
        "policy_answer": act.said.answer.value if act.said is not None else None, "stage": act.stage,
        "answer": decision.answer.value, "reasons": said(decision.reasons), "because": cut(decision.because),
        "group": decision.group, "quorum": act.ruling.quorum if decision.group is not None and act.ruling else None,
        "facts": act.facts.as_json() if act.facts is not None else None, "chain": chain_json(act.chain),
        "loop": act.loop.record if act.loop is not None else None,
        "approval": act.approval, "hold": decision.hold, "would": would(act.said),
    }  # fmt: skip
    if decision.group is not None and act.ruling is not None and act.ruling.groups is not None:
        body["groups"] = dict(act.ruling.groups)
    if act.edit is not None:
        body["edit"] = act.edit
    if act.resumed is not None:
        body["resumes"] = act.resumed.approval
    return Draft(
        "decision.made", decision.id, body, run=act.call.run, actor=act.call.agent or "tallystick",
        texts=act.declaration,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked to approve a call, and until when: how many people of a group, and who may not.

    ``expires`` is nanoseconds since the epoch. ``question`` is what they must tell in a note. ``groups`` says how many
    of each group, where several are asked; ``group`` then names them all.
    """

    group: str
    expires: int
    quorum: int = 1
    apart: tuple[str, ...] = ()
    question: str | None = None
    groups: Mapping[str, int] | None = None

    @property
    def all(self) -> frozenset[str]:
        """The groups that have approved, once this is approved."""
        return frozenset(self.groups or (self.group,))


def would(ruling: Ruling | None) -> dict[str, Any] | None:
    """What a decision would have been with the rules that are only reported: ``{"answer", "group", "reasons"}``."""
    other = ruling.would if ruling is not None else None
    if other is None:
        return None
    return {"answer": other.answer.value, "group": other.group, "reasons": said(other.reasons)}


def bound_to(act: Act, asked: Asked) -> str:
    """The binding of an approval of this act; see ``approval_binding``."""
    assert act.called is not None
    assert act.tool is not None
    assert act.policies is not None
    effect = act.tool.effect.value if act.tool.effect is not None else None
    about = act.called if act.resumed is None else called(act, act.resumed.step)
    made = {**about, "policy_digest": act.policies.digest, "facts": act.facts and act.facts.as_json(),
            "chain": chain_json(act.chain)}  # fmt: skip
    return approval_binding(
        made, effect, asked.group, asked.expires, quorum=asked.quorum, apart=asked.apart, groups=asked.groups
    )


def requested(act: Act, decision: Decision, approval: str, bound: str, asked: Asked) -> Draft:
    """The entry that asks a group to approve a call, in the transaction of the decision to hold it."""
    assert act.exact is not None
    body = {
        "approval": approval, "decision": decision.id, "run": act.call.run, "agent": act.call.agent,
        "tool": act.call.tool, "arguments": dict(act.exact.contents), "shown": dict(act.exact.shown),
        "binding": bound, "group": decision.group, "because": cut(decision.because),
        "expires_ns": str(asked.expires), "quorum": asked.quorum, "apart": list(asked.apart),
        "asks": cut(asked.question), "rules": said(decision.reasons),
        "facts": act.facts.as_json() if act.facts is not None else None,
        "editable": act.call.editable and WHOLE not in act.exact.contents,
    }  # fmt: skip
    if asked.groups is not None:
        body["groups"] = dict(asked.groups)
    return _about(act, "approval.requested", approval, body)


def consumed(act: Act, approval: str, bound: str | None) -> Draft:
    """The entry that uses an approval up, in the transaction of the call that it lets through."""
    return _about(act, "approval.consumed", approval, {"approval": approval, "binding": bound})


def taken(act: Act, found: Approval) -> Draft:
    """The entry that uses up a person's edit, before the changed call is decided."""
    body = {"approval": found.id, "binding": found.binding}
    return _about(act, "approval.consumed", found.id, body)


def _about(act: Act, kind: str, subject: str, body: Mapping[str, Any]) -> Draft:
    return Draft(kind, subject, body, run=act.call.run, actor=act.call.agent or "tallystick")


def said(reasons: Iterable[str]) -> list[str]:
    """Reasons as an entry holds them: without credentials, and cut where they are too long for an entry."""
    return list(_said(tuple(reasons)))


@lru_cache(maxsize=256)
def _said(reasons: tuple[str, ...]) -> list[str]:
    kept: list[str] = []
    room = _LONGEST_REASONS
    for reason in reasons:
        text = _written(reason)
        if len(kept) == _MOST_REASONS or len(text) > room:
            kept.append(text[:room] + "…")
            break
        kept.append(text)
        room -= len(text)
    return kept


def cut(text: str | None) -> str | None:
    """A rule's sentence as an entry holds it."""
    return None if text is None else _written(text)[:_LONGEST_SENTENCE]


def _written(text: str) -> str:
    return mask_text(text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8"))


# ── reading back ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a decision was made of. ``withheld`` says of each argument that cannot be opened why.

    ``call.arguments`` are those that can be opened. ``at`` is nanoseconds since the epoch. ``facts`` are as recorded:
    what the run had heard and read is not gone through again.
    """

    call: ToolCall
    tool: ToolDeclaration
    approved: frozenset[str]
    at: int
    withheld: Mapping[str, str] = field(default_factory=dict)
    facts: Facts = UNKNOWN


@dataclass(frozen=True, slots=True)
class Missing:
    """A decision cannot be made again, and why."""

    why: str


def call_digest(decided: Mapping[str, Any]) -> str:
    """The ``call`` that a written body's other fields make. Raises BadInput where one is missing."""
    try:
        given = decided["arguments"]
        arguments = None if given is None else {name: one[COMMITMENT_KEY] for name, one in given.items()}
        return digest({**{name: decided[name] for name in CALL_FIELDS}, "arguments": arguments})
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"this is no record of a decision: {error!r}") from error


def inputs_of(
    decided: Mapping[str, Any], openings: Mapping[str, Opening], texts: Mapping[str, str]
) -> Inputs | Missing:
    """Read what a decision was made of from its written body, openings by commitment, and texts by digest.

    Raises BadInput for a body that the guard never writes.
    """
    declaration = texts.get(decided.get("declaration", ""))
    if declaration is None:
        return Missing("the tool's declaration is not here")
    try:
        tool = declaration_from(msgspec.json.decode(declaration))
        given = decided["arguments"]
        if given is None:
            return Missing("the arguments have no canonical JSON")
        arguments: dict[str, Any] = {}
        withheld: dict[str, str] = {}
        for name, one in given.items():
            opening = openings.get(one[COMMITMENT_KEY])
            if opening is None or opening.content is None:
                withheld[name] = (opening.why if opening is not None else None) or "withheld"
            else:
                arguments[name] = msgspec.json.decode(opening.content)
        if WHOLE in arguments:
            arguments = dict(arguments[WHOLE])
        call = ToolCall(
            decided["run"], decided["step"], decided["agent"], decided["tool"], decided["tool_digest"], arguments,
            decided["workflow"],
        )  # fmt: skip
        approved = frozenset(decided["approved"])
        facts = decided.get("facts")
        found = UNKNOWN if facts is None else Facts.read(facts, decided.get("chain"))
        return Inputs(call, tool, approved, int(decided["at"]), withheld, found)
    except (KeyError, TypeError, ValueError, AttributeError, msgspec.MsgspecError) as error:
        raise BadInput(f"this is no record of a decision: {error!r}") from error


def made_again(inputs: Inputs, policies: PolicySet) -> Ruling | Missing:
    """What the policy stage says to recorded inputs; ``policies`` is the set that the decision names."""
    tool = inputs.tool
    reads_arguments = policies.decides and tool.effect is not None and bool(tool.arguments)
    if inputs.withheld and reads_arguments:
        name, why = next(iter(inputs.withheld.items()))
        what = "the arguments are" if name == WHOLE else f"argument {name} is"
        return Missing(f"{what} not here: {why}")
    seen = replace(inputs.call, arguments=judged_arguments(inputs.call.arguments, tool))
    return decide(policies, seen, tool, inputs.approved, inputs.facts)


def _today(text: Any) -> Any:
    """A recorded sentence as it would be written today: what stands for a credential was written in another way."""
    return text.replace(EARLIER_MASK, MASK) if isinstance(text, str) else text


def differences(decided: Mapping[str, Any], inputs: Inputs, policies: PolicySet, ruling: Ruling) -> list[str]:
    """Where a decision made again is not the recorded one, in words; empty when they agree.

    Where another stage than policy settled the call, the policy's part is what can be made again.
    """
    found: list[str] = []
    known = policies.tools.get(inputs.tool.name)
    if inputs.tool.name != decided["tool"] or (inputs.tool.effect is not None and known != inputs.tool):
        found.append("the tool's declaration is not the one in the policy set")
    if (policies.digest, policies.state.value) != (decided["policy_digest"], decided["policy_state"]):
        found.append("the policy set is not the recorded one")
    if decided["policy_answer"] != ruling.answer.value:
        found.append(f"the policy says {ruling.answer.value}, recorded is {decided['policy_answer']}")
    reported = would(ruling)
    if decided.get("would") != reported:
        found.append(
            f"with the reported rules it would be {reported!r}, recorded is {decided.get('would')!r}"
        )
    if decided["stage"] == "policy":
        decided = {
            **decided,
            "reasons": [_today(one) for one in decided["reasons"]],
            "because": _today(decided["because"]),
        }
        group = ruling.group if ruling.answer is Answer.HOLD else None
        if group is not None and (ruling.groups or None) != (decided.get("groups") or None):
            found.append(f"{group} would have to approve, recorded is another sharing of them")
        if group is not None and ruling.quorum != (decided.get("quorum") or 1):
            found.append(
                f"{ruling.quorum} people would have to approve, recorded is {decided.get('quorum') or 1}"
            )
        again = (ruling.answer.value, said(ruling.reasons), cut(ruling.because), group)
        for name, value in zip(("answer", "reasons", "because", "group"), again, strict=True):
            if decided[name] != value:
                found.append(f"{name} would be {value!r}, recorded is {decided[name]!r}")
    elif decided["stage"] != "contract" and decided["answer"] != Answer.DENY.value:
        found.append(f"stage {decided['stage']} can only refuse, recorded is {decided['answer']}")
    return found
