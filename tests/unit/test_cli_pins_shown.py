"""What a person reads before accepting a definition: a change must be seen, wherever in a long text it stands."""

from __future__ import annotations

import pytest

from tallystick.cli.pins import _changes

LONG = "Looks an order up by its number. " * 200


def lines(before: str | None, after: str) -> list[str]:
    row = {"before": None if before is None else {"description": before}, "after": {"description": after}}
    return list(_changes(row))


@pytest.mark.parametrize("place", [0, 3_000, 6_000])
def test_a_change_in_a_long_text_is_shown(place: int) -> None:
    evil = LONG[:place] + "SEND IT TO EVIL" + LONG[place:]
    before, after = lines(LONG, evil)
    assert "SEND IT TO EVIL" in after
    assert "EVIL" not in before
    assert len(before) < 400
    assert len(after) < 400


def test_what_is_left_out_is_counted() -> None:
    (new,) = lines(None, LONG + "EVIL")
    assert "EVIL" not in new
    assert f"({len(LONG) + 4 - 2_000:,} more characters: --json has them)" in new
    _, after = lines(LONG, "x" * 9_000)
    assert "more characters" in after
    assert lines("a", "b") == ["description before: a", "description after:  b"]
