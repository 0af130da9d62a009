"""After an erasure evidence verifies by both verifiers, says what is erased, and the journal holds."""

from __future__ import annotations

import json
import os

import pytest
from evidence_house import KEY, World, check, desk_story, lines_of, of_kind
from second_verifier import verify

from tallystick.app.keeping.erasure import Eraser
from tallystick.model.errors import BadInput, UnknownThing


def eraser(world: World) -> Eraser:
    return Eraser(world.traces, world.control, os.urandom)


def test_evidence_of_an_erased_run_verifies_and_says_what_is_erased() -> None:
    world = World()
    run = world.play(desk_story, budget="1.00")
    before = list(of_kind(lines_of(world.evidence()), "record"))
    done = eraser(world).erase(
        eraser(world).runs_of(None, run[:12]), by="ada", because="request 7", subject="jane@x"
    )
    assert done.done
    assert done.openings > 5
    assert done.records == done.steps == len(before)
    data = world.evidence()
    report = check(data)
    assert report.findings == ()
    assert verify(data, [KEY.text]) == {}
    assert "order 7" not in data.decode()
    assert "jane@x" not in data.decode()
    records = list(of_kind(lines_of(data), "record"))
    assert len(records) == len(before)
    assert {record.get("withheld") for record in records} == {"erased"}
    assert world.control.verify() > 0
    assert world.control.rebuild()["changed"] == 0
    entry = world.control.entries(kind="content.erased")[-1]
    assert entry.body["because"] == "request 7"
    assert "jane@x" not in json.dumps(dict(entry.body))
    assert all(
        approval.arguments == {} or "40" not in str(approval.arguments)
        for approval in world.control.approvals()
    )


def test_a_dry_run_changes_nothing() -> None:
    world = World()
    run = world.play(desk_story, budget="1.00")
    head = world.control.head()
    plan = eraser(world).plan((run,))
    assert not plan.done
    assert plan.openings > 5
    assert world.control.head() == head
    assert eraser(world).erase((run,), by="ada", because="x").openings >= plan.openings - len(plan.runs)


def test_what_is_asked_wrongly_is_refused() -> None:
    world = World()
    run = world.play(desk_story, budget="1.00")
    for given in ((None, None), ("jane", run)):
        with pytest.raises(BadInput):
            eraser(world).runs_of(*given)
    with pytest.raises(UnknownThing):
        eraser(world).runs_of("nobody", None)
    with pytest.raises(BadInput):
        eraser(world).erase((run,), by="ada", because="  ")
