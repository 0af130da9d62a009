"""A verifier written from the format page alone agrees with Tallystick's: what holds for one holds for the other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "unit"))

from evidence_forgeries import FORGERIES, statement_dropped
from evidence_house import KEY, Lines, World, forged, lines_of, resealed, told
from second_verifier import CHECKS, verify

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "evidence-1"
MINE = [(forge, check) for forge, check in FORGERIES if check in CHECKS]


def test_the_old_file_holds() -> None:
    key, earlier = ((GOLDEN / name).read_text("utf-8") for name in ("journal.pub", "earlier.checkpoint"))
    data = (GOLDEN / "run.evidence.jsonl").read_bytes()
    assert verify(data, [key], [earlier]) == {}
    assert "consistency" in verify(data, [key], [earlier.replace("\n3\n", "\n4\n")])
    assert "signature" in verify(data, [])


@pytest.mark.parametrize("redacted", [False, True])
def test_a_new_run_holds(redacted: bool) -> None:
    world, data = told()
    assert verify(world.evidence(redact=True) if redacted else data, [KEY.text]) == {}


def test_a_run_without_policy_holds() -> None:
    world = World(None)
    world.play(lambda desk: desk.refund("1", Decimal("4")))
    assert verify(world.evidence(), [KEY.text]) == {}


@pytest.mark.parametrize(("forge", "check"), MINE, ids=[forge.__name__ for forge, _ in MINE])
def test_a_forgery_is_found_by_the_same_check(forge: Callable[[Lines], None], check: str) -> None:
    lines = deepcopy(lines_of(told()[1]))
    forge(lines)
    assert check in verify(forged(lines), [KEY.text])


def test_a_forger_who_changes_nothing_is_not_found() -> None:
    assert verify(forged(lines_of(told()[1])), [KEY.text]) == {}


def test_a_dropped_statement_is_found() -> None:
    lines = lines_of(told()[1])
    statement_dropped(lines)
    assert "format" in verify(resealed(lines), [KEY.text])
