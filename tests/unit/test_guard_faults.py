"""A fault at any stage of the path ends in a denial for an effect, and the journal says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from guard_house import LOOK, REFUND, House
from guard_remade import Record, problems

from tallystick.app.acting import authorize as path
from tallystick.app.acting import guard as guarding
from tallystick.app.acting.guard import DENIED
from tallystick.model.control import Answer, PolicyState
from tallystick.model.errors import StoreFault, StoreFull, Unreachable
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.people import unnamed
from tallystick.model.step import Effect

WRITE = ToolDeclaration("refund", Effect.WRITE, arguments={"id": "string", "amount": "decimal"})
BUILT = [name for name, stage in path.STAGES if stage is not None]
TROUBLES = (
    RuntimeError("boom"),
    StoreFault("the disk is gone"),
    RecursionError(),
    MemoryError(),
    KeyError("x"),
)


def broken(monkeypatch: pytest.MonkeyPatch, name: str, trouble: Exception) -> None:
    """Make one stage fail, as it would from within."""

    def fail(*_: Any) -> None:
        raise trouble

    stages = tuple((one, fail if one == name else stage) for one, stage in path.STAGES)
    monkeypatch.setattr(path, "STAGES", stages)


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("nth", range(len(TROUBLES)))
def test_an_effect_is_refused_and_it_is_written_down(
    monkeypatch: pytest.MonkeyPatch, name: str, nth: int
) -> None:
    house = House()
    trouble = TROUBLES[nth]
    with monkeypatch.context() as patch:
        broken(patch, name, trouble)
        verdict = house.ask(REFUND, id="1", amount="5")
    assert (verdict.allowed, verdict.text, verdict.decision.answer) == (False, DENIED, Answer.DENY)
    body = house.body("decision.made")
    assert (body["stage"], body["answer"]) == ("fault", "deny")
    assert body["reasons"] == [f"the guard failed at {name}: {type(trouble).__name__}"]
    assert "effect.started" not in house.kinds()
    assert problems(Record(house.control)) == []
    assert house.ask(REFUND, id="1", amount="5").allowed  # it was a fault of the moment


@pytest.mark.parametrize("name", BUILT)
def test_a_read_hears_of_the_fault(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whoever asked has a rule of its own for it (tests of the SDK)."""
    house = House()
    broken(monkeypatch, name, RuntimeError("boom"))
    with pytest.raises(RuntimeError, match="boom"):
        house.ask(LOOK, id="1")


@pytest.mark.parametrize("name", BUILT)
def test_code_cannot_talk_an_effect_down(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Declared irreversible by the project, called a read by the code: a fault does not let it through."""
    house = House()
    broken(monkeypatch, name, RuntimeError("boom"))
    assert not house.ask(ToolDeclaration("refund", Effect.READ), id="1", amount="5").allowed


@pytest.mark.parametrize("trouble", [StoreFault("gone"), StoreFull("full"), Unreachable("away")])
@pytest.mark.parametrize("tool", [REFUND, WRITE])
def test_what_cannot_be_journalled_does_not_run_and_is_written_later(
    trouble: Exception, tool: ToolDeclaration
) -> None:
    house = House(tools=(LOOK, tool))
    house.control.broken = trouble
    verdict = house.ask(tool, id="1", amount="5")
    assert not verdict.allowed
    assert house.control.journal == []
    house.control.broken = None
    assert "effect.started" not in house.kinds()
    body = house.body("decision.made")
    assert (body["stage"], body["answer"], body["hold"]) == ("fault", "deny", None)
    assert problems(Record(house.control)) == []


def test_a_fault_while_it_waits_for_a_person_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def then_break(house: House, _ns: int) -> None:
        for waiting in house.control.approvals(state="waiting"):
            from tallystick.app.acting.approvals import answer

            answer(
                house.control, house.clock, house.ids, waiting.id, "approved", by=unnamed("ada"), note="fine"
            )
            broken(monkeypatch, "policy", RuntimeError("boom"))

    house = House(waiter=then_break)
    assert not house.ask(REFUND, id="1", amount="400").allowed
    assert house.body("decision.made")["stage"] in ("fault", "binding")
    assert "effect.started" not in house.kinds()


def test_a_set_that_never_loaded_says_why() -> None:
    house = House(text="permit (principal, action, resource) when { context.nothing };")
    verdict = house.ask(REFUND, id="1", amount="5")
    assert (verdict.allowed, verdict.decision.policy_state) == (False, PolicyState.LOAD_FAILED)


def test_every_stage_is_among_them() -> None:
    calls: list[Callable[..., Any]] = [stage for _, stage in path.STAGES if stage is not None]
    assert len(calls) == len(BUILT) >= 8
    assert guarding.authorize is path.authorize
