"""What a look-up costs must not grow with the journal: SQLite's own steps are counted, not seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from test_notary import World, name, pair

from tallystick.adapters.sqlite import SqliteControl
from tallystick.app.prove.checkpoints import journal_keys
from tallystick.app.reading.read import Reader
from tallystick.app.recording.pricing import CardNotice
from tallystick.model.journal import Draft
from tallystick.wiring.machine import rate_card

SMALL, LARGE = 500, 8_000
EVERY = 10  # of SQLite's steps are counted together
LONG = 1  # a run with as many entries as there are others


def grow(control: SqliteControl, count: int) -> None:
    """Entries of a live run and of others, so that neither its length nor the journal's is small."""
    made = [
        Draft("run.stopped", f"other-{number}", {
            "run": name(LONG), "by": "test", "reason": "", "detail": {},
        }, name(LONG if number % 2 else number))
        for number in range(count)
    ]  # fmt: skip
    for start in range(0, count, 500):
        control.append(made[start : start + 500])


@contextmanager
def steps_of(control: SqliteControl) -> Iterator[list[int]]:
    """Counts the steps of every question that is asked inside."""
    counted = [0]
    database: Any = control._database
    connect = database._connect

    def tick() -> int:
        counted[0] += EVERY
        return 0

    def watched() -> Any:
        connection = connect()
        connection.set_progress_handler(tick, EVERY)
        return connection

    database.close()
    database.closed, database._connect = False, watched
    try:
        yield counted
    finally:
        database._connect = connect


def cost(folder: Path, count: int, ask: Callable[[World], Any]) -> int:
    world = World(folder / str(count))
    CardNotice(world.control, rate_card()).give()
    world.write(pair(LONG, 1), pair(LONG, 2))
    world.notary.attest()
    grow(world.control, count)
    world.write(pair(2, 1))
    try:
        with steps_of(world.control) as counted:
            ask(world)
        return counted[0]
    finally:
        world.traces.close()
        world.control.close()


def recorded(world: World) -> None:
    assert Reader(world.traces, world.control, world.clock).recorded(name(LONG))["records"] == 2


def attest(world: World) -> None:
    assert world.notary.attest().runs == 1


def seal_again(world: World) -> None:
    assert world.notary.seal(name(LONG)).body["records"] == 2


def keys(world: World) -> None:
    assert journal_keys(world.control) == []


def card(world: World) -> None:
    size = world.control.head()[0]
    CardNotice(world.control, rate_card()).give()
    assert world.control.head()[0] == size


@pytest.mark.parametrize("ask", [recorded, attest, seal_again, keys, card])
def test_a_look_up_costs_the_same_in_a_large_journal(tmp_path: Path, ask: Callable[[World], Any]) -> None:
    small, large = cost(tmp_path, SMALL, ask), cost(tmp_path, LARGE, ask)
    assert large < 2 * small + 200, f"{small} steps of SQLite became {large} in a journal 16 times as long"
