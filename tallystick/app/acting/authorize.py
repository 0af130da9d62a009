"""Authorize: one proposed tool call through the stages of a decision, in the order in which they stand here.

Every door (the SDK, later the MCP gateway and the access API) comes through this list. A stage may settle the call,
then the rest is passed by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tallystick.app.acting.act import EFFECTS, Act, exact_arguments, redacted
from tallystick.app.acting.decided import called
from tallystick.app.acting.faults import refuse_for
from tallystick.app.acting.feed import NOTHING, Feed
from tallystick.app.acting.identity import Identities, Standing
from tallystick.app.acting.memory import RunMemory
from tallystick.app.acting.outbox import Outbox
from tallystick.app.acting.pins import INIT, Pins
from tallystick.app.acting.policies import PolicyBook
from tallystick.app.acting.spend import Purse
from tallystick.app.acting.switches import thrown, told
from tallystick.cost.budget import scopes
from tallystick.cost.loops import Rung
from tallystick.govern.decide import Ruling, decide
from tallystick.govern.identity import self_declared
from tallystick.govern.resource import judged_arguments
from tallystick.model.control import Answer, PolicyState
from tallystick.model.errors import BadInput
from tallystick.ports import Clock, Ids


@dataclass(frozen=True, slots=True)
class Authority:
    """What the stages decide with. ``feed`` and ``pins`` None: no registry is asked (a guard made by hand).

    ``pinned``: whether a definition that nobody accepted is refused, or only shown. ``identities``
    None: nobody is asked for a token.
    """

    book: PolicyBook
    purse: Purse
    outbox: Outbox
    clock: Clock
    ids: Ids
    feed: Feed | None = None
    pins: Pins | None = None
    pinned: bool = True
    identities: Identities | None = None


def pin(act: Act, house: Authority, _memory: RunMemory) -> None:
    """Is this the tool we know? The project's declaration counts; code may only make it stricter or complete it.

    A definition that waits for a person, or a tool that was retired, settles the call where policies are enforced.
    """
    heard = house.feed.heard() if house.feed is not None else NOTHING
    house.book.heed(heard)
    pinned, loaded = house.book.bring(act.given, act.call.agent)
    act.tool, act.declaration = pinned.tool, pinned.text
    act.policies = loaded.policies
    if loaded.entry is not None:
        house.outbox.later([loaded.entry])
    refused = house.pins.refusal(act.given, heard, act.call.agent or INIT) if house.pins is not None else None
    if not house.pinned:
        refused = None
    if heard.trouble is not None and pinned.tool.effect in EFFECTS:
        refused = heard.trouble
    if refused is not None and act.policies.state is PolicyState.ENFORCED:
        _write_down(act)
        act.ruling, act.settled = Ruling(Answer.DENY, (refused,)), True


def switch(act: Act, house: Authority, _memory: RunMemory) -> None:
    """Did a person stop it? That settles the call, whatever the state of the policies."""
    if house.feed is None:
        return
    call = act.call
    act.switch = thrown(house.feed.heard(), agent=call.agent, workflow=call.workflow, tool=call.tool)
    if act.switch is not None:
        _write_down(act)
        act.ruling, act.settled = Ruling(Answer.DENY, (told(act.switch),)), True


def identity(act: Act, house: Authority, memory: RunMemory) -> None:
    """Whose call is it, and for whom? What its token does not cover settles it, whatever the state of the policies."""
    assert act.tool is not None
    heard = house.feed.heard() if house.feed is not None else NOTHING
    if house.identities is None:
        act.standing = Standing(self_declared(act.call.agent))
        return
    act.standing = house.identities.stands(act.call, act.tool, act.at, heard, memory.labels)
    if act.standing.refused is not None:
        _write_down(act)
        act.ruling, act.settled = Ruling(Answer.DENY, (act.standing.refused,)), True
        return
    for scope, limit in act.standing.budgets:
        house.purse.limit(scope, limit)


def _write_down(act: Act) -> str | None:
    """Commit to the arguments of a call, and name it. What cannot be written down exactly is said."""
    problem = None
    try:
        act.exact = exact_arguments(act.call.arguments, act.salt, act.clean)
    except (BadInput, RecursionError) as error:
        problem = error.message if isinstance(error, BadInput) else "they are nested too deep"
    act.called = called(act)
    return problem


def arguments(act: Act, _house: Authority, _memory: RunMemory) -> None:
    """Can it be written down exactly? What nobody could check settles the call, unless all is let through."""
    assert act.policies is not None
    problem = _write_down(act)
    if problem is not None:
        act.ruling = Ruling(Answer.DENY, (f"the arguments cannot be written down: {problem}",))
        act.settled = act.policies.state is not PolicyState.PERMISSIVE


def loop(act: Act, _house: Authority, memory: RunMemory) -> None:
    """Does the run repeat itself? A refusal or a stop settles the call."""
    assert act.tool is not None
    act.loop = memory.watch.asked(act.call.tool, act.arguments, at=act.at, effect=act.tool.effect)
    finding = act.loop.finding
    if finding.rung >= Rung.REFUSED:
        act.ruling = Ruling(Answer.DENY, (f"loop {finding.rule}: {finding.reason}",))
        act.settled = True


def resource(act: Act, _house: Authority, _memory: RunMemory) -> None:
    """What is it about? Places named by authority arguments are brought to one spelling for the rules."""
    assert act.tool is not None
    act.judged = judged_arguments(act.arguments, act.tool)


def labels(act: Act, house: Authority, memory: RunMemory) -> None:
    """On whose word do its values stand? Nothing is settled here: rules read what is found."""
    assert act.tool is not None
    found = memory.labels.facts(act.tool, act.arguments, house.book.directories)
    act.facts = replace(found, chain=act.chain)


def policy(act: Act, _house: Authority, _memory: RunMemory) -> None:
    """May it? Cedar answers; what is not allowed settles the call, unless the set is permissive."""
    assert act.tool is not None
    assert act.policies is not None
    assert act.judged is not None
    assert act.facts is not None
    seen = replace(act.call, arguments=act.judged)
    act.said = act.ruling = decide(act.policies, seen, act.tool, act.approved, act.facts)
    if act.ruling.redact and act.exact is not None and act.called is not None:
        act.exact = redacted(act.exact, act.ruling.redact)
        act.called = {**act.called, "arguments": dict(act.exact.contents)}
    refused = act.ruling.answer in (Answer.DENY, Answer.HOLD)
    act.settled = refused and act.policies.state is not PolicyState.PERMISSIVE


def budget(act: Act, house: Authority, _memory: RunMemory) -> None:
    """Can it be paid? A priced tool's hold is taken with the decision, in one transaction."""
    assert act.tool is not None
    price = act.tool.price_nano
    if not price:
        return
    assert act.standing is not None
    named = scopes(run=act.call.run, agent=act.call.agent, workflow=act.call.workflow, tool=act.call.tool)
    named += tuple(scope for scope, _ in act.standing.budgets)
    if house.purse.budgets(named):
        act.hold = house.ids.new("hld")
        act.entries += (house.purse.taken(act.hold, price, named, run=act.call.run, what=act.call.tool),)


StageFunction = Callable[[Act, Authority, RunMemory], None]

# The order is the design's. None would be a place where nothing happens.
STAGES: Final[tuple[tuple[str, StageFunction | None], ...]] = (
    ("pin", pin),
    ("switch", switch),
    ("identity", identity),
    ("arguments", arguments),
    ("loop", loop),
    ("resource", resource),
    ("labels", labels),
    ("policy", policy),
    ("budget", budget),
)


def authorize(act: Act, house: Authority, memory: RunMemory) -> Act:
    """Take a call through the stages until one settles it. Afterwards ``act.ruling`` and ``act.stage`` say how.

    A stage that fails settles a call that has an effect: it is refused. Raises the fault for one that has none.
    """
    for name, stage in STAGES:
        try:
            if stage is not None:
                stage(act, house, memory)
        except Exception as fault:  # noqa: BLE001 - whatever a guard trips over must not let an effect pass
            act.entries += tuple(refuse_for(act, name, fault, house.book))
            break
        if act.settled:
            act.stage = name
            break
    assert act.ruling is not None
    return act
