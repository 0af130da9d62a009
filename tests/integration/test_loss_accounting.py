"""Every 7th export is dropped and the collector is killed at random: the verdicts name exactly the runs hit.

A run of our SDK is judged exactly: complete where all of it was committed; lossy, with the number, where steps are
missing; crashed where its end is. A foreign run is judged by its tree, as docs/explanation/completeness.md says: a lost
root or a lost parent is seen, a lost leaf is not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from loss_kit import FOREIGN_AGENT, SDK_AGENT, Road
from test_server_process import ROOT, Process

from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.model.query import EVERYTHING
from tallystick.model.run import Completeness, Run

HOUR = 3_600_000_000_000


@dataclass
class Truth:
    """What one run recorded: span -> parent (None: its root)."""

    made: dict[str, str | None] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)  # ended, in the store
    begun: set[str] = field(default_factory=set)  # in the store, their ends are not

    @property
    def root(self) -> str:
        return next(span for span, parent in self.made.items() if parent is None)

    @property
    def lost(self) -> set[str]:
        return self.made.keys() - self.stored


def truth(log: Path) -> dict[str, Truth]:
    found: dict[str, Truth] = {}
    for line in log.read_text().splitlines():
        run, _, span, parent = line.split()
        found.setdefault(run, Truth()).made[span] = None if parent == "-" else parent
    return found


def agent(
    code: str, folder: Path, name: str, road: Road, *numbers: int, **more: str
) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "TALLYSTICK_SERVER": road.url, "TALLYSTICK_STORE": str(folder / "agent"),
        "ENDPOINT": road.url, "OTEL_EXPORTER_OTLP_TIMEOUT": "3", **more,
    }  # fmt: skip
    arguments = [str(numbers[0]), str(folder / name), *map(str, numbers[1:])]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=environment, stderr=subprocess.DEVNULL
    )


def kill_now_and_then(
    folder: Path, roads: list[Road], agents: list[subprocess.Popen[bytes]], times: int
) -> int:
    """Serve a store over the roads until the agents are done; kill -9 the server ``times`` times. Gives the kills.

    At the end one more agent takes over what the killed one left in its spool.
    """
    kills = 0
    server = Process(folder / "store", {})
    lead(roads, server)
    try:
        while any(one.poll() is None for one in agents):
            if kills < times and roads[0].exports > 7 + 9 * kills:
                server.end(signal.SIGKILL)
                kills += 1
                server = Process(folder / "store", {})
                lead(roads, server)
            time.sleep(0.02)
        assert agent(SDK_AGENT, folder, "sdk.log", roads[0], 4, 1, 0).wait(60) == 0
    finally:
        server.end(signal.SIGTERM)
    return kills


def lead(roads: list[Road], server: Process) -> None:
    for road in roads:
        road.target = server.port


def judged(folder: Path, truths: dict[str, Truth]) -> dict[str, Run]:
    """The verdicts an hour later, when everything that is silent has been silent for long."""
    traces = SqliteTraces(folder / "store" / "traces.db")
    try:
        runs = {run.run: run for run in traces.runs(EVERYTHING, now=time.time_ns() + HOUR, limit=10_000).runs}
        for run in runs:
            for step in traces.steps(run):
                one = truths[run]
                (one.stored if step.ended is not None else one.begun).add(step.span)
        return runs
    finally:
        traces.close()


def expect_exact(run: Run | None, one: Truth) -> str:
    """A run of our SDK."""
    seen = bool(one.stored or one.begun)
    assert (run is not None) == seen
    if run is None:  # it had not ended when its agent was killed, or three exports in a row were lost
        return "unseen"
    if not one.lost:
        assert (run.completeness, run.missing) == (Completeness.COMPLETE, 0), run
    elif one.root in one.stored:
        assert (run.completeness, run.missing) == (Completeness.LOSSY, len(one.lost)), run
    elif one.root in one.begun or one.begun:
        assert (run.completeness, run.missing) == (Completeness.CRASHED, None), run
    else:
        assert run.completeness is Completeness.LOSSY, run
        assert 1 <= (run.missing or 0) <= len(one.lost), run
    return run.completeness.value


def expect_by_tree(run: Run | None, one: Truth) -> str:
    """A foreign run: what is known is its root, and the parents that others name."""
    assert (run is not None) == bool(one.stored)
    if run is None:
        return "unseen"
    named = {one.made[span] for span in one.stored} - {None}
    missing = named - one.stored
    whole = one.root in one.stored and not missing
    assert (run.completeness is Completeness.COMPLETE) == whole, (run, one)
    if not whole:
        assert run.completeness is Completeness.LOSSY
        assert run.missing == max(1, len(missing))
    return "leaf" if whole and one.lost else run.completeness.value


@pytest.mark.timeout(180)
def test_the_verdicts_name_exactly_the_runs_hit(tmp_path: Path) -> None:
    with Road() as road, Road() as other:
        agents = [
            agent(SDK_AGENT, tmp_path, "sdk.log", road, 1, 22, 20),
            agent(FOREIGN_AGENT, tmp_path, "foreign.log", other, 3, 22, 0),
        ]
        kills = kill_now_and_then(tmp_path, [road, other], agents, 1)
        assert [one.returncode for one in agents] == [9, 0]
        assert kills == 1
        ours, foreign = truth(tmp_path / "sdk.log"), truth(tmp_path / "foreign.log")
        runs = judged(tmp_path, {**ours, **foreign})
    exact = [expect_exact(runs.get(run), one) for run, one in ours.items()]
    by_tree = [expect_by_tree(runs.get(run), one) for run, one in foreign.items()]
    assert exact.count("unseen") <= 1, exact
    assert road.dropped
    assert other.dropped
    assert road.mute
    assert exact.count("complete") > 3, exact
    assert "lossy" in exact
    assert "crashed" in exact
    assert {"complete", "lossy"} <= set(by_tree)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_loss_is_named_for_minutes_on_end(tmp_path: Path) -> None:
    """Five minutes: two lost exports in a row, agents that die and come again, wrong clocks, roots sent twice."""
    until, seen, turn = time.monotonic() + float(os.environ.get("TALLYSTICK_SOAK_S", "300")), set[str](), 0
    while time.monotonic() < until:
        turn += 1
        folder = tmp_path / str(turn)
        folder.mkdir()
        with Road(in_a_row=1 + turn % 2) as road, Road(in_a_row=2) as other:
            skew = str((-1) ** turn * HOUR // 2)
            agents = [
                agent(SDK_AGENT, folder, "sdk.log", road, 10 * turn, 30, 0, SKEW=skew),
                *(agent(SDK_AGENT, folder, "sdk.log", road, 10 * turn + n, 9, 7) for n in (1, 2, 3)),
                agent(FOREIGN_AGENT, folder, "foreign.log", other, 10 * turn + 4, 30, 0, TWICE="1"),
                agent(FOREIGN_AGENT, folder, "foreign.log", other, 10 * turn + 5, 30, 0, SKEW=skew),
            ]
            kill_now_and_then(folder, [road, other], agents, turn % 4)
            ours, foreign = truth(folder / "sdk.log"), truth(folder / "foreign.log")
            runs = judged(folder, {**ours, **foreign})
        seen |= {expect_exact(runs.get(run), one) for run, one in ours.items()}
        seen |= {expect_by_tree(runs.get(run), one) for run, one in foreign.items()}
    assert {"complete", "lossy", "crashed", "leaf"} <= seen, seen
