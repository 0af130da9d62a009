"""Several writers of one control.db at once: of a first use, a label and an alias there is one winner each."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "contract"))
from registry_samples import declared, definition, moved, shown

from tallystick.adapters.clock import SystemClock
from tallystick.adapters.ids import TimeIds
from tallystick.adapters.sqlite import SqliteControl
from tallystick.app.registry import registrar
from tallystick.model.errors import Conflict
from tallystick.model.registry import Card
from tallystick.registry.declarations import AgentDeclaration, Declarations

WRITERS, ROUNDS = 4, 12


def test_one_writer_wins(tmp_path):
    path, start = tmp_path / "control.db", Barrier(WRITERS)
    first = SqliteControl(path, clock=SystemClock(), ids=TimeIds())
    base = [declared(f"agent-{n}") for n in range(ROUNDS)]
    first.append(base)

    def write(writer: int) -> list[tuple[int, str]]:
        store, won = SqliteControl(path, clock=SystemClock(), ids=TimeIds()), []
        for turn in range(ROUNDS):
            drafts = {
                "first use": shown(definition(f"by {writer}", f"tool-{turn}")),
                "label": declared("desk", label=f"{turn}", by=f"{writer}", n=writer),
                "alias": moved(base[turn].body["digest"], None, "production", f"agent-{turn}"),
            }
            start.wait()
            for what, draft in drafts.items():
                try:
                    store.append([draft])
                    won.append((turn, what))
                except Conflict:
                    pass  # another one was there before
        store.close()
        return won

    with ThreadPoolExecutor(WRITERS) as pool:
        won = [one for found in pool.map(write, range(WRITERS)) for one in found]
    assert sorted(won) == sorted(
        (turn, what) for turn in range(ROUNDS) for what in ("alias", "first use", "label")
    )
    assert len(first.shown()) == len(first.aliases()) == len(first.versions("agent", "desk")) == ROUNDS
    assert first.verify() == first.registry_revision() == 4 * ROUNDS
    first.close()


def test_of_plans_made_from_one_registry_one_is_carried_out(tmp_path):
    path, start = tmp_path / "control.db", Barrier(WRITERS)
    first = SqliteControl(path, clock=SystemClock(), ids=TimeIds())

    def carry_out(writer: int) -> int:
        store, won = SqliteControl(path, clock=SystemClock(), ids=TimeIds()), 0
        for turn in range(ROUNDS):
            agents = [
                AgentDeclaration(f"agent-{turn}-{n}", version="1", card=Card(owner=f"{writer}"))
                for n in range(20)
            ]
            start.wait()
            made = registrar.plan(store, Declarations(tuple(agents)))
            start.wait()
            with suppress(Conflict):  # another one was there before
                won += len(registrar.carry_out(store, made, actor=f"{writer}")) > 0
        store.close()
        return won

    with ThreadPoolExecutor(WRITERS) as pool:
        won = sum(pool.map(carry_out, range(WRITERS)))
    assert (won, first.head()[0]) == (ROUNDS, 20 * ROUNDS)
    assert {len({one.card.owner for one in first.declared() if one.name.startswith(f"agent-{turn}-")})
            for turn in range(ROUNDS)} == {1}  # fmt: skip
    first.close()
