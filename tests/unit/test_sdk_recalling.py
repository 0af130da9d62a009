"""Ends of runs are sent again until the store itself vouches for them (sdk/recalling.py)."""

from __future__ import annotations

from tallystick.api import ingest
from tallystick.model.attributes import RUN_ROOT
from tallystick.model.span import Source, Span
from tallystick.sdk.recalling import COMMITTED, EXPORTS, Recalled

SOURCE = Source()


def span(number: int, *, root: bool = False, ended: int | None = 2) -> Span:
    attributes = {RUN_ROOT: True} if root else {}
    return Span("1" * 32, f"{number:016x}", None, "step", 1, ended, SOURCE, attributes=attributes)


def test_only_ends_of_runs_are_sent_again_and_only_so_often() -> None:
    recalled = Recalled()
    end = span(1, root=True)
    recalled.sent([end, span(2), span(3, root=True, ended=None)], committed=False)
    for _ in range(EXPORTS):
        assert recalled.ends() == [end]
        recalled.sent([], committed=False)
    assert recalled.ends() == []


def test_nothing_is_sent_again_to_a_store_that_vouches() -> None:
    recalled = Recalled()
    recalled.sent([span(1, root=True)], committed=False)
    recalled.sent([span(2, root=True)], committed=True)
    assert recalled.ends() == []
    assert not recalled.forget()


def test_what_is_remembered_is_bounded() -> None:
    recalled = Recalled()
    for _ in range(EXPORTS):
        recalled.sent([span(number, root=True) for number in range(3_000)], committed=False)
    assert len(recalled.ends()) == 1_024
    assert recalled.forget()


def test_both_sides_spell_the_header_alike() -> None:
    assert COMMITTED.encode() == ingest.COMMITTED
