"""Every 7th export is dropped and the collector is killed at random: the verdicts name exactly the runs hit.

A run of our SDK is judged exactly: complete where all of it was committed; lossy, with the number, where steps are
missing; crashed where its end is. A foreign run is judged by its tree, as docs/explanation/completeness.md says: a lost
root or a lost parent is seen, a lost leaf is not.
"""

from __future__ import annotations

import os
import random
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


def agent(code: str, folder: Path, name: str, road: Road, *numbers: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "TALLYSTICK_SERVER": road.url, "TALLYSTICK_STORE": str(folder / "agent"),
        "ENDPOINT": road.url, "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
    }  # fmt: skip
    arguments = [str(numbers[0]), str(folder / name), *map(str, numbers[1:])]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=environment, stderr=subprocess.DEVNULL
    )


def kill_now_and_then(folder: Path, road: Road, agents: list[subprocess.Popen[bytes]], times: int) -> int:
    """Serve a store over the road until the agents are done; kill -9 the server ``times`` times. Gives the kills.

    At the end one more agent takes over what the killed one left in its spool.
    """
    chance, kills = random.Random(11), 0
    server = Process(folder / "store", {})
    road.target = server.port
    try:
        while any(one.poll() is None for one in agents):
            if kills < times:
                time.sleep(chance.uniform(0.2, 0.9))
                server.end(signal.SIGKILL)
                kills += 1
                server = Process(folder / "store", {})
                road.target = server.port
            time.sleep(0.02)
        assert agent(SDK_AGENT, folder, "sdk.log", road, 4, 1, 0).wait(60) == 0
    finally:
        server.end(signal.SIGTERM)
    return kills


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
    with Road() as road:
        agents = [
            agent(SDK_AGENT, tmp_path, "sdk.log", road, 1, 45, 0),
            agent(SDK_AGENT, tmp_path, "sdk.log", road, 2, 45, 40),
            agent(FOREIGN_AGENT, tmp_path, "foreign.log", road, 3, 45, 0),
        ]
        kills = kill_now_and_then(tmp_path, road, agents, 2)
        assert [one.returncode for one in agents] == [0, 9, 0]
        assert kills == 2
        ours, foreign = truth(tmp_path / "sdk.log"), truth(tmp_path / "foreign.log")
        runs = judged(tmp_path, {**ours, **foreign})
    exact = [expect_exact(runs.get(run), one) for run, one in ours.items()]
    by_tree = [expect_by_tree(runs.get(run), one) for run, one in foreign.items()]
    ended = {run for run, one in ours.items() if one.root in {span for _, span, end in road.dropped if end}}
    unseen = [run for run, word in zip(ours, exact, strict=True) if word == "unseen"]
    assert len(unseen) <= 1, (len(unseen), len(ended & set(unseen)), road.exports)
    assert road.dropped
    assert road.mute
    assert exact.count("complete") > 10, exact
    assert "lossy" in exact
    assert "crashed" in exact
    assert {"complete", "lossy"} <= set(by_tree)
