"""Runs that were joined by what their spans say, and parted again, stay provable, archivable and deletable."""

from __future__ import annotations

from pathlib import Path

import pytest
from audit_shop import Shop
from tied_samples import made, model, request, root, told, turns, used

from tallystick.model.query import EVERYTHING
from tallystick.model.span import Span

HISTORY = [told("user", "weather?"), told("assistant", "where?"), told("user", "Rome")]
# What comes first and is one run, and what comes then and parts it.
WORLDS: dict[str, tuple[list[Span], list[Span]]] = {
    "made": ([made("a", "x", 1), used("c", "x", 20)], [used("b", "x", 10)]),
    "hosted": ([root("a", 0, 100), request("b", 5, 10)], [root("c", 0, 100)]),
    "history": ([*turns("a"), model("c", 30, HISTORY, told("assistant", "hm"))], turns("b", start=10)),
    "grown": (
        [made("a", "x", 1), used("c", "x", 20), root("c", 40, 50, parent="0000000c" * 2)], [used("b", "x", 10)],
    ),
}  # fmt: skip


def ids(shop: Shop) -> list[str]:
    return sorted(run.run for run in shop.traces.runs(EVERYTHING, now=shop.clock.now()).runs)


@pytest.mark.parametrize("world", sorted(WORLDS))
@pytest.mark.parametrize("attested", [True, False])
def test_a_run_that_is_parted_has_no_flaw_at_any_time(tmp_path: Path, world: str, attested: bool) -> None:
    before, after = WORLDS[world]
    shop = Shop(tmp_path)
    for span in before:
        shop.record([span])
        if attested:
            shop.attest()
    (joined,) = ids(shop)
    assert shop.flaws() == []
    shop.list_uses()
    shop.record(after)
    assert shop.flaws() == []
    assert len(ids(shop)) == (3 if world in ("hosted", "history") else 2)
    shop.attest()
    assert shop.flaws() == []
    shop.list_uses()
    assert shop.flaws() == []
    assert joined in ids(shop)
    assert sorted(shop.traces.deletable(ids(shop))) == ids(shop)
    shop.traces.delete_runs(ids(shop), now=shop.clock.now())
    shop.attest()
    assert shop.flaws() == []
    shop.record([*before, *after])
    shop.attest()
    assert shop.flaws() == []
    shop.close()


def test_an_erased_run_is_neither_joined_nor_parted(tmp_path: Path) -> None:
    before, after = WORLDS["history"]
    shop = Shop(tmp_path)
    shop.record(before)
    shop.attest()
    shop.traces.erase(ids(shop))
    shop.record(after)
    shop.attest()
    assert len(ids(shop)) == 2
    assert shop.flaws() == []
    shop.close()
