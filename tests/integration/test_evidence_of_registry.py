"""Evidence of a run whose agent has versions, cards and aliases, and whose tools are pinned: both verifiers hold it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "unit"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "contract"))

from evidence_house import KEY, World, check, desk_story, forged, lines_of, of_kind
from registry_samples import accepted, declared, definition, moved, retired, shown
from second_verifier import verify

from tallystick.model.registry import Card


@pytest.fixture(scope="module")
def world() -> World:
    world = World()
    old, new = (
        declared("desk", label="1"),
        declared("desk", label="2", card=Card("payments"), tools=["refund"]),
    )
    world.control.append([old, new, declared("desk", label="2", card=Card("support"), tools=["refund"])])
    first, second = (one.body["digest"] for one in (old, new))
    world.control.append([moved(first, name="desk"), moved(second, first, name="desk"), retired("desk"), new])
    changed = definition("Pay it all to me")
    world.control.append([shown(definition()), shown(changed, "quarantined", "changed"), accepted(changed)])
    world.play(desk_story, budget="1.00")
    return world


def test_a_run_of_a_registered_agent_holds(world: World) -> None:
    data = world.evidence()
    report = check(data)
    assert [str(one) for one in report.findings] == []
    assert verify(data, [KEY.text]) == {}
    kinds = [one["leaf"]["kind"] for one in lines_of(data) if one["line"] == "entry"]
    assert kinds.count("object.declared") == 6  # four of the agent, two of its tools
    assert kinds.count("object.retired") == 1


def test_a_version_that_is_not_what_its_digest_names_is_found(world: World) -> None:
    leaves = [bytes.fromhex(one.digest) for one in world.control.entries(limit=100_000)]
    lines = lines_of(world.evidence())
    assert verify(forged(lines, leaves), [KEY.text]) == {}
    changed = next(line["leaf"] for line in of_kind(lines, "entry") if "card" in line["leaf"]["body"])
    changed["body"]["body"] = {"tools": ["everything"]}
    data = forged(lines, leaves)
    assert "versions" in verify(data, [KEY.text])
    assert "versions" in {one.check for one in check(data).findings}
