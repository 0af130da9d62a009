"""The fuse box, deeds: the effect desk over open stores, and the calls that settle an effect or take it back.

Such a call is made by the process that has the code: it imports the module that declares the tools, and calls the tool
under the same rules as any agent does.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tallystick.model.control import Deed, EffectState
from tallystick.model.errors import BadInput, Conflict, TallystickError, UnknownThing
from tallystick.model.step import EffectOutcome

if TYPE_CHECKING:
    from tallystick.app.acting.effect_desk import Call, EffectDesk
    from tallystick.wiring.stores import Stores

R = TypeVar("R")


def effect_desk(stores: Stores) -> EffectDesk:
    """The effect desk over open stores."""
    from tallystick.adapters.process import alive
    from tallystick.app.acting.effect_desk import EffectDesk

    return EffectDesk(stores.control, alive)


def undo(stores: Stores, run: str, step: str, *, module: str) -> Mapping[str, Any]:
    """Take the effect of a step back: ``{"undoes", "tool", "arguments", "run", "answer", "effect"}``.

    ``effect`` is the effect of the call that takes it back, None where the rules did not let it through (``answer``
    says what its tool said then). Raises UnknownThing and Conflict for what cannot be taken back.
    """
    desk = effect_desk(stores)
    deed = desk.landed_at(run, step)
    shown = desk.effect(deed.effect)
    found = shown["undo"]
    if found["undone_by"] is not None:
        raise Conflict(
            f"effect {deed.effect} was taken back by {found['undone_by']}", hint="tally effects ls"
        )
    if shown["state"] == EffectState.DID_NOT_HAPPEN.value:
        raise Conflict(f"effect {deed.effect} did not happen: there is nothing to take back")
    if found["undo"] is None:
        raise UnknownThing(
            f"effect {deed.effect} cannot be taken back: {found['why']}", hint="declare undo on its tool"
        )
    from tallystick.sdk.deeds import Deed as Doing

    wanted = found["undo"]
    said, ran = _called(
        stores, module, deed, wanted["tool"], wanted["arguments"], Doing(wanted["tool"], undoes=deed.effect),
        goal=f"Take back {deed.tool} of run {deed.run}: {wanted['tool']}",
    )  # fmt: skip
    made = [one for one in stores.control.effects(run=ran, tool=wanted["tool"]) if one.undoes == deed.effect]
    return {
        "undoes": deed.effect, "tool": wanted["tool"], "arguments": wanted["arguments"], "run": ran, "answer": said,
        "effect": desk.effect(made[0].effect) if made else None,
    }  # fmt: skip


def reconcile(
    stores: Stores, effect: str | None, *, module: str, by: str, repeat: bool = False
) -> Mapping[str, Any]:
    """Settle effects in doubt by the reads that their tools declare.

    Gives ``{"effects": [effect], "left": [{effect, tool, why}]}``: those that are settled, and those that are not.

    With ``repeat`` those whose tools may be repeated are called again, with the key that they had.
    """
    desk = effect_desk(stores)
    waiting = desk.effects(in_doubt=True, limit=1_000)["effects"] if effect is None else [desk.effect(effect)]
    settled, left = [], []
    for row in waiting:
        call = desk.call(stores.control.effect(row["effect"]))
        try:
            outcome, because = _found_out(stores, module, call, repeat=repeat)
        except TallystickError as error:
            left.append({"effect": row["effect"], "tool": row["tool"], "why": error.message})
            continue
        if outcome is EffectOutcome.IN_DOUBT:
            left.append({"effect": row["effect"], "tool": row["tool"], "why": because})
        else:
            answer = outcome.value.replace(" ", "-")
            settled.append(desk.settle(row["effect"], answer, by=by, because=because))
    return {"effects": settled, "left": left}


def _found_out(stores: Stores, module: str, call: Call, *, repeat: bool) -> tuple[EffectOutcome, str]:
    from tallystick.sdk.deeds import Deed as Doing
    from tallystick.sdk.deeds import function_of, promise_named
    from tallystick.sdk.ensuring import ReadBack, outcome_by

    deed, tool = call.deed, call.tool
    if tool is None or call.why is not None:
        raise UnknownThing(call.why or "its declaration is not kept")
    _import(module)
    if deed.recovery in ("retry", "idempotent"):
        if not repeat:
            return EffectOutcome.IN_DOUBT, "it may be repeated: --repeat"
        _said, ran = _called(
            stores, module, deed, deed.tool, call.arguments, Doing(deed.tool, key=deed.key),
            goal=f"Repeat {deed.tool} of run {deed.run}",
        )  # fmt: skip
        made = [
            one for one in stores.control.effects(run=ran, tool=deed.tool) if one.state is EffectState.LANDED
        ]
        if made:
            return EffectOutcome.LANDED, f"the same call was made again and landed: {made[0].effect}"
        return EffectOutcome.IN_DOUBT, "the same call was made again and did not land"
    ask, declared = promise_named(deed.tool).reconcile, tool.reconcile
    if ask is None and declared is not None:
        read = function_of(declared.tool)
        if read is None:
            raise UnknownThing(f"{module} declares no tool {declared.tool}")
        ask = ReadBack(read, declared.arguments, declared.landed, declared.absent)
    if ask is None:
        return EffectOutcome.IN_DOUBT, "its tool declares no read that could tell: tally effects settle"
    asked = ask
    outcome, _ran = _in_a_run(
        stores, deed, f"Find out what became of {deed.tool} of run {deed.run}",
        lambda: outcome_by(asked, call.arguments),
    )  # fmt: skip
    return (
        outcome,
        "a read of its tool says so" if outcome is not EffectOutcome.IN_DOUBT else "the read cannot tell yet",
    )


def _called(
    stores: Stores,
    module: str,
    deed: Deed,
    tool: str,
    arguments: Mapping[str, Any],
    doing_what: Any,
    *,
    goal: str,
) -> tuple[Any, str]:
    """Call a tool of a module as a deed, in a run of its own, as the agent that made the first call.

    The person who asks for it gives the arguments their word: they stand in the run's goal.
    """
    from tallystick.sdk.deeds import doing, function_of
    from tallystick.sdk.values import bounded_json

    _import(module)
    function = function_of(tool)
    if function is None:
        raise UnknownThing(
            f"{module} declares no tool {tool}", hint="--module names the code that declares it"
        )

    def call() -> Any:
        with doing(doing_what):
            said = function(**arguments)
            return asyncio.run(_awaited(said)) if inspect.isawaitable(said) else said

    words = f"{goal} with {bounded_json(dict(arguments))}"
    return _in_a_run(stores, deed, words, call)


def _in_a_run(stores: Stores, deed: Deed, goal: str, work: Callable[[], R]) -> tuple[R, str]:
    from tallystick.sdk.running import run
    from tallystick.sdk.values import plain
    from tallystick.wiring.agent import init, shutdown

    init(agent=deed.agent, store=stores.path, instrument=False)
    try:
        with run(goal=goal, agent=deed.agent) as opened:
            try:
                found = work()
            except TallystickError:
                raise
            except Exception as error:  # the tool's own; what became of its effect is in the journal
                raise BadInput(f"{deed.tool}: {type(error).__name__}: {error}"[:300]) from error
        return (plain(found) if not isinstance(found, EffectOutcome) else found), opened.id or ""
    finally:
        shutdown()


async def _awaited(said: Any) -> Any:
    return await said


def _import(module: str) -> None:
    """Import the code of an agent as ``python -m`` would find it from here."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    name = module.removesuffix(".py").replace("/", ".") if Path(module).suffix == ".py" else module
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise BadInput(
            f"{module!r:.80} cannot be imported: {error}"[:300], hint="--module my_agent"
        ) from error
