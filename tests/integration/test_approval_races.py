"""Eight processes race to answer and to use approvals: each is used at most once, and never after its time."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from typing import Any

import pytest

from tallystick.adapters.clock import SystemClock
from tallystick.adapters.ids import TimeIds
from tallystick.adapters.sqlite import SqliteControl
from tallystick.app.acting.approvals import answer
from tallystick.model.errors import Conflict
from tallystick.model.journal import Draft
from tallystick.model.people import unnamed

RACERS, ROUNDS = 8, 6
HOUR = 3600 * 10**9


class Skewed:
    """A clock that is wrong by so many nanoseconds."""

    def __init__(self, by: int) -> None:
        self._by = by

    def now(self) -> int:
        return SystemClock().now() + self._by


def request(name: str, expires: int, quorum: int = 1) -> Draft:
    body = {"approval": name, "decision": "dec_1", "run": "r", "agent": "a", "tool": "pay", "arguments": {},
            "binding": "b", "group": "g", "because": None, "expires_ns": str(expires), "quorum": quorum}  # fmt: skip
    return Draft("approval.requested", name, body, run="r")


def consume(name: str) -> Draft:
    return Draft("approval.consumed", name, {"approval": name, "binding": "b"}, run="r")


def _race(path: Path, racer: int, start: Any, told: Any) -> None:
    clock = SystemClock()
    store, ids = SqliteControl(path, clock=clock, ids=TimeIds()), TimeIds()
    won = []
    start.wait(60)
    for turn in range(ROUNDS):
        name = f"apr_{turn}"
        for what in ("answered", "used", "used"):
            try:
                if what == "answered":
                    answer(store, clock, ids, name, "approved", unnamed(f"person {racer}"))
                else:
                    store.append([consume(name)])
                won.append((what, name))
            except Conflict:
                pass
    store.close()
    told.put((racer, won))


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
@pytest.mark.parametrize("quorum", [1, 3])
def test_eight_processes_race_and_each_approval_is_used_once(tmp_path: Path, quorum: int) -> None:
    path, clock = tmp_path / "control.db", SystemClock()
    store = SqliteControl(path, clock=clock, ids=TimeIds())
    store.append([request(f"apr_{turn}", clock.now() + HOUR, quorum) for turn in range(ROUNDS)])
    store.close()
    forked = multiprocessing.get_context("fork")
    start, told = forked.Barrier(RACERS), forked.Queue()
    racers = [forked.Process(target=_race, args=(path, number, start, told)) for number in range(RACERS)]
    for one in racers:
        one.start()
    won = [one for _ in racers for one in told.get(timeout=120)[1]]
    for one in racers:
        one.join(60)
    store = SqliteControl(path, clock=clock, ids=TimeIds())
    for turn in range(ROUNDS):
        assert won.count(("answered", f"apr_{turn}")) == quorum
        assert won.count(("used", f"apr_{turn}")) == 1
    people = [(one.by, *(other.by for other in one.given)) for one in store.approvals()]
    assert all(len(set(names)) == quorum for names in people)
    assert store.verify() == ROUNDS * (2 + quorum)
    assert store.rebuild()["changed"] == 0
    store.close()


@pytest.mark.parametrize("behind", [1, 300, 86_400])
def test_a_clock_that_is_behind_does_not_make_an_approval_last(tmp_path: Path, behind: int) -> None:
    path, clock = tmp_path / "control.db", SystemClock()
    store = SqliteControl(path, clock=clock, ids=TimeIds())
    expires = clock.now() + 100_000_000
    store.append([request("apr_1", expires)])
    answer(store, clock, TimeIds(), "apr_1", "approved", unnamed("ann"))
    while clock.now() < expires:
        pass
    store.append([request("apr_2", clock.now() + HOUR)])  # any entry tells what time it is
    late = SqliteControl(path, clock=Skewed(-behind * 10**9), ids=TimeIds())
    with pytest.raises(Conflict, match="past its time"):
        late.append([consume("apr_1")])
    late.close()
    store.close()


def test_what_was_used_stays_used_after_everything_is_made_anew(tmp_path: Path) -> None:
    clock = SystemClock()
    store = SqliteControl(tmp_path / "control.db", clock=clock, ids=TimeIds())
    store.append([request("apr_1", clock.now() + HOUR)])
    answer(store, clock, TimeIds(), "apr_1", "approved", unnamed("ann"))
    store.append([consume("apr_1")])
    store.rebuild()
    store.erase(range(1, 4))
    store.rebuild()
    with pytest.raises(Conflict, match="consumed"):
        store.append([consume("apr_1")])
    store.close()
