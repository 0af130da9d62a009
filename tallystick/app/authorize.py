"""Authorize: one proposed tool call through the stages of a decision, in the order in which they stand here.

Every door (the SDK, later the MCP gateway and the access API) comes through this list. A stage may settle the call,
then the rest is passed by. Two stages are places: what belongs there is not built yet, and nothing is done in its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from tallystick.app.outbox import Outbox
from tallystick.app.policies import PolicyBook
from tallystick.app.spend import Purse
from tallystick.cost.budget import scopes
from tallystick.cost.loops import LoopDetector, LoopFinding, Rung
from tallystick.govern.decide import Ruling, decide
from tallystick.govern.policy import PolicySet
from tallystick.govern.resource import judged_arguments
from tallystick.model.canonical import digest
from tallystick.model.control import Answer, PolicyState, ToolCall
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.journal import Draft
from tallystick.model.step import Effect
from tallystick.ports import Clock, Ids

EFFECTS: Final = (None, Effect.WRITE, Effect.IRREVERSIBLE)  # undeclared is worst case


@dataclass(slots=True)
class Act:
    """One call on its way through the stages, and what each stage found out.

    ``approved`` are the groups that have approved exactly this call. ``ruling`` is the answer of the policy stage;
    ``loop`` refuses or stops on its own. ``entries`` are journal entries that are written with the decision.
    """

    call: ToolCall
    given: ToolDeclaration
    approved: frozenset[str] = frozenset()
    tool: ToolDeclaration | None = None
    policies: PolicySet | None = None
    judged: Mapping[str, Any] | None = None
    loop: LoopFinding | None = None
    ruling: Ruling | None = None
    hold: str | None = None
    entries: tuple[Draft, ...] = ()
    settled: bool = False
    arguments: str | None = None  # digest of the arguments, computed when first asked for


@dataclass(frozen=True, slots=True)
class Authority:
    """What the stages decide with."""

    book: PolicyBook
    purse: Purse
    outbox: Outbox
    clock: Clock
    ids: Ids


def pin(act: Act, house: Authority, _detector: LoopDetector) -> None:
    """Is this the tool we know? The project's declaration counts; code may only make it stricter or complete it."""
    act.tool = house.book.pin(act.given)
    house.book.know([act.given])
    loaded = house.book.current()
    act.policies = loaded.policies
    if loaded.entry is not None:
        house.outbox.later([loaded.entry])


def loop(act: Act, house: Authority, detector: LoopDetector) -> None:
    """Does the run repeat itself? A refusal or a stop settles the call."""
    assert act.tool is not None
    act.loop = detector.before(
        act.call.tool, act.call.arguments, at=house.clock.now(), effect=act.tool.effect
    )
    if act.loop.rung >= Rung.REFUSED:
        act.ruling = Ruling(Answer.DENY, (f"loop {act.loop.rule}: {act.loop.reason}",))
        act.settled = True


def resource(act: Act, _house: Authority, _detector: LoopDetector) -> None:
    """What is it about? Places named by authority arguments are brought to one spelling for the rules."""
    assert act.tool is not None
    act.judged = judged_arguments(act.call.arguments, act.tool)


def policy(act: Act, _house: Authority, _detector: LoopDetector) -> None:
    """May it? Cedar answers; what is not allowed settles the call, unless the set is permissive."""
    assert act.tool is not None
    assert act.policies is not None
    seen = replace(act.call, arguments=act.judged if act.judged is not None else act.call.arguments)
    act.ruling = decide(act.policies, seen, act.tool, act.approved)
    refused = act.ruling.answer in (Answer.DENY, Answer.HOLD)
    act.settled = refused and act.policies.state is not PolicyState.PERMISSIVE


def budget(act: Act, house: Authority, _detector: LoopDetector) -> None:
    """Can it be paid? A priced tool's hold is taken with the decision, in one transaction."""
    assert act.tool is not None
    price = act.tool.price_nano
    if not price:
        return
    named = scopes(run=act.call.run, agent=act.call.agent, workflow=act.call.workflow, tool=act.call.tool)
    if house.purse.budgets(named):
        act.hold = house.ids.new("hld")
        act.entries += (house.purse.taken(act.hold, price, named, run=act.call.run, what=act.call.tool),)


StageFunction = Callable[[Act, Authority, LoopDetector], None]

# The order is the design's. None: a place that is kept, where nothing happens yet.
STAGES: Final[tuple[tuple[str, StageFunction | None], ...]] = (
    ("pin", pin),
    ("identity", None),  # whose token is it, and what has been delegated away?
    ("loop", loop),
    ("resource", resource),
    ("labels", None),  # where do the authority arguments come from?
    ("policy", policy),
    ("budget", budget),
)


def authorize(act: Act, house: Authority, detector: LoopDetector) -> Act:
    """Take a call through the stages until one settles it. Afterwards ``act.ruling`` is set."""
    for _name, stage in STAGES:
        if stage is not None:
            stage(act, house, detector)
        if act.settled:
            break
    assert act.ruling is not None
    return act


def binding(call: ToolCall, tool: ToolDeclaration, policies: PolicySet, *, group: str, expires: int) -> str:
    """The digest of exactly what an approval is asked for. Raises BadInput for arguments without canonical JSON."""
    return digest(
        {
            "run": call.run,
            "step": call.step,
            "agent": call.agent,
            "workflow": call.workflow,
            "tool": call.tool,
            "tool_digest": call.tool_digest or tool.digest,
            "effect": tool.effect.value if tool.effect else None,
            "arguments": dict(call.arguments),
            "policy": policies.digest,
            "group": group,
            "expires_ns": str(expires),
        }
    )


def arguments_digest(act: Act) -> str | None:
    """The digest of a call's arguments; None where they have no canonical JSON."""
    if act.arguments is None:
        with suppress(BadInput, RecursionError):
            act.arguments = digest(dict(act.call.arguments))
    return act.arguments
