"""Effects, in every control store: what became of each, and that doubt ends once."""

from __future__ import annotations

from typing import Any

import pytest

from tallystick.model.control import EffectState
from tallystick.model.errors import BadInput, Conflict, UnknownThing
from tallystick.model.journal import Draft
from tallystick.ports import ControlStore


def start(control: ControlStore, name: str = "eff_1", run: str = "r1", **more: Any) -> None:
    body = {
        "effect": name,
        "decision": f"dec_{name}",
        "run": run,
        "tool": "pay",
        "call": "c",
        "binding": None,
        **more,
    }
    control.append([Draft("effect.started", name, body, run=run, actor="desk")])


def end(control: ControlStore, outcome: str, name: str = "eff_1", effect: str | None = "write") -> None:
    body = {
        "effect": name, "decision": f"dec_{name}", "run": "r1", "tool": "pay", "effect_class": effect,
        "outcome": outcome, "error": None, "result": None, "at": "1", "loop": None,
    }  # fmt: skip
    control.append([Draft("effect.ended", name, body, run="r1", actor="desk")])


def settle(
    control: ControlStore, outcome: str = "landed", name: str = "eff_1", because: str = "seen"
) -> None:
    body = {
        "effect": name, "decision": f"dec_{name}", "run": "r1", "tool": "pay", "outcome": outcome, "by": "ann",
        "because": because,
    }  # fmt: skip
    control.append([Draft("effect.settled", name, body, run="r1", actor="ann")])


def test_an_effect_is_in_doubt_until_somebody_settles_it(control: ControlStore) -> None:
    start(control, recovery="idempotent", key="k1", process="h/b/1/2", hold="hld_1", undoes="eff_0")
    (found,) = control.effects(unsettled=True)
    assert (found.state, found.agent, found.tool) == (EffectState.STARTED, "desk", "pay")
    assert (found.recovery, found.key, found.process) == ("idempotent", "k1", "h/b/1/2")
    assert (found.hold, found.undoes) == ("hld_1", "eff_0")
    end(control, "in doubt")
    assert control.effect("eff").state is EffectState.IN_DOUBT
    settle(control)
    found = control.effect("eff_1")
    assert (found.state, found.by, found.because) == (EffectState.LANDED, "ann", "seen")
    assert control.effects(unsettled=True) == []
    assert [one.effect for one in control.effects(run="r1", tool="pay")] == ["eff_1"]
    assert control.effects(run="r2") == []
    control.verify()
    assert control.rebuild()["changed"] == 0


def test_what_is_settled_is_settled_once(control: ControlStore) -> None:
    start(control)
    end(control, "landed")
    with pytest.raises(Conflict):
        settle(control, "did not happen")
    with pytest.raises(UnknownThing):
        settle(control, name="eff_2")
    assert control.effect("eff_1").state is EffectState.LANDED


@pytest.mark.parametrize(("outcome", "because"), [("in doubt", "x"), ("gone", "x"), ("landed", " ")])
def test_what_settles_nothing_is_refused(control: ControlStore, outcome: str, because: str) -> None:
    start(control)
    with pytest.raises(BadInput):
        settle(control, outcome, because=because)
    assert control.effects(unsettled=True) != []


def test_what_its_own_process_says_later_stands_and_its_doubt_does_not(control: ControlStore) -> None:
    for name, later, state in (
        ("eff_1", "in doubt", "landed"),
        ("eff_2", "did not happen", "did not happen"),
    ):
        start(control, name)
        settle(control, name=name)
        end(control, later, name)
        assert control.effect(name).state == state


def test_calls_without_consequence_are_no_effects(control: ControlStore) -> None:
    end(control, "landed", effect="read")
    assert control.effects() == []
    with pytest.raises(UnknownThing):
        control.effect("eff_1")
    with pytest.raises(UnknownThing):
        control.effect("")
