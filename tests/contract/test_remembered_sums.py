"""Sums that were remembered say what a store says that never summed before."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_samples import START, pair

from tallystick.adapters.sqlite import SqliteTraces, remembering
from tallystick.adapters.sqlite.spending import SPEND_KEYS
from tallystick.model.query import EVERYTHING
from tallystick.model.step import Kind

NOW = START + 10**15


def sums(traces: SqliteTraces) -> list[object]:
    found: list[object] = [list(traces.spend(by, EVERYTHING, now=NOW)) for by in SPEND_KEYS]
    return [*found, *(list(traces.sightings(kind)) for kind in ("agent", "tool", "model", "workflow"))]


def run(number: int, *, late: bool = False, conversation: str | None = None) -> list[object]:
    """A run of an agent with one or two calls of tools; ``late``: what came after that."""
    agent = None if number % 5 == 0 else f"agent-{number % 3}"
    root = pair(number, 100 * number, agent=agent, conversation=conversation, cost_nano=number, started=START + number,
                facts={"root": True, "status": "ok"})  # fmt: skip
    calls = [
        pair(
            number,
            100 * number + place,
            100 * number,
            kind=Kind.TOOL,
            tool=f"tool-{place}",
            started=START + place,
        )
        for place in ((3, 4) if late else (1, 2))
    ]
    return calls if late else [root, *calls]


def test_they_follow_every_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "BLOCK", 2)
    path = tmp_path / "traces.db"
    traces, other = SqliteTraces(path), SqliteTraces(path)  # the other one writes, as a second process does

    def check() -> None:
        fresh = SqliteTraces(path)
        assert sums(traces) == sums(fresh)
        fresh.close()

    check()
    for number in range(1, 8):
        (traces if number % 2 else other).write(run(number), at=START)
        check()
    for number in (1, 6):
        other.write(run(number, late=True), at=START)
        check()
    other.write(run(8, conversation="one"), at=START)
    other.write(run(9, conversation="two"), at=START)
    check()
    link = pair(9, 950, 900, conversation="one")
    other.write([link], at=START)
    check()
    ended = [one.run for one in other.runs(EVERYTHING, now=NOW).runs]
    other.sealed(dict.fromkeys(ended, 10**9))
    other.attested({name: records for name, (records, _) in other.logs().items()})
    assert other.delete_runs(ended[-3:], now=NOW).runs
    check()
    traces.close()
    other.close()


def test_what_did_not_change_is_not_summed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "BLOCK", 2)
    traces = SqliteTraces(tmp_path / "traces.db")
    for number in range(1, 9):
        traces.write(run(number), at=START)
    sums(traces)
    asked: list[tuple[int, int]] = []
    with traces._database.reading() as connection:

        class Watched:
            def execute(self, sql: str, values: tuple[int, ...] = ()) -> object:
                if "BETWEEN" in sql:
                    asked.append(values)
                return connection.execute(sql, values)

        sql = "SELECT r.agent, count(*) FROM run r WHERE {where} GROUP BY 1"
        remembered = remembering.Remembered()
        remembered.ask(Watched(), sql)  # type: ignore[arg-type]
        assert len(asked) == 5
        remembered.ask(Watched(), sql)  # type: ignore[arg-type]
        assert len(asked) == 5
    traces.write(run(8, late=True), at=START)
    with traces._database.reading() as connection:
        remembered.ask(Watched(), sql)  # type: ignore[arg-type]
    assert asked[5:] == [(8, 9)]
    traces.close()
