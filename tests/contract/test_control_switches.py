"""Switches, in every control store: what is stopped, by whom, and that guards hear of it."""

from __future__ import annotations

import pytest

from tallystick.model.errors import BadInput, Conflict
from tallystick.model.journal import Draft
from tallystick.ports import ControlStore


def throw(control: ControlStore, scope: str, because: str = "it misbehaves", by: str = "ann") -> None:
    control.append([Draft("switch.thrown", scope, {"scope": scope, "because": because, "by": by}, actor=by)])


def release(control: ControlStore, scope: str) -> None:
    control.append([Draft("switch.released", scope, {"scope": scope, "because": "mended", "by": "ben"})])


def test_what_is_thrown_stands_until_it_is_released(control: ControlStore) -> None:
    assert list(control.switches()) == []
    throw(control, "tool:refund")
    throw(control, "agent:desk")
    assert [(one.scope, one.because, one.by) for one in control.switches()] == [
        ("agent:desk", "it misbehaves", "ann"),
        ("tool:refund", "it misbehaves", "ann"),
    ]
    release(control, "agent:desk")
    assert [one.scope for one in control.switches()] == ["tool:refund"]


def test_thrown_twice_it_stays_as_it_was_first(control: ControlStore) -> None:
    throw(control, "all", "first")
    first = control.switches()[0]
    throw(control, "all", "second", by="ben")
    assert list(control.switches()) == [first]
    release(control, "all")
    assert list(control.switches()) == []


def test_each_moves_the_revision_that_guards_ask_for(control: ControlStore) -> None:
    before = control.registry_revision()
    throw(control, "workflow:desk")
    thrown = control.registry_revision()
    release(control, "workflow:desk")
    assert before < thrown < control.registry_revision()


@pytest.mark.parametrize("scope", ["", "agent:", "agent", "run:1", "agent: x", "tool:a\nb"])
def test_what_is_no_scope_is_refused(control: ControlStore, scope: str) -> None:
    with pytest.raises(BadInput):
        throw(control, scope)
    assert list(control.switches()) == []


def test_a_switch_has_a_reason_and_a_person(control: ControlStore) -> None:
    for because, by in ((" ", "ann"), ("broken", "")):
        with pytest.raises(BadInput):
            throw(control, "all", because, by)


def test_what_is_not_stopped_cannot_be_released(control: ControlStore) -> None:
    with pytest.raises(Conflict):
        release(control, "agent:desk")


def test_the_view_is_made_again_from_the_journal(control: ControlStore) -> None:
    throw(control, "agent:desk")
    throw(control, "tool:refund")
    release(control, "tool:refund")
    before = list(control.switches())
    assert control.rebuild()["changed"] == 0
    assert list(control.switches()) == before
    control.verify()
