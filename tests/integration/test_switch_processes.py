"""A switch stops agents that run, in processes of their own, within a second: over their store, and over a server."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from test_policy_reaches import Agent, agents, environment, project, tally  # noqa: F401 - a fixture
from test_server_process import serving

STOP = ("policy", "stop")


def refused(said: str) -> bool:
    return said.startswith("This action was not allowed.")


def went_through(said: str) -> bool:
    return said.startswith("noted")


def times(store: Path) -> list[tuple[str, int, str | None]]:
    """Of each entry that matters: kind, when, and how it was decided."""
    with closing(sqlite3.connect(f"file:{store / 'control.db'}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT kind, at, body FROM journal ORDER BY seq").fetchall()
    return [
        (kind, at, json.loads(body).get("stage"))
        for kind, at, body in rows
        if kind in ("switch.thrown", "switch.released", "decision.made")
    ]


def test_a_tool_stops_and_goes_on_within_a_second(agents: Callable[..., Agent], tmp_path: Path) -> None:  # noqa: F811
    folder = project(tmp_path)
    first, second = agents("desk", folder), agents("other", folder)
    assert went_through(first.call("note"))
    assert went_through(second.call("note"))
    answer = tally(folder, *STOP, "tool:note", "--because", "it writes nonsense")
    assert answer["scope"] == "tool:note"
    first.until("note", refused)
    second.until("note", refused)
    assert [row["scope"] for row in tally(folder, "policy", "stops")["switches"]] == ["tool:note"]
    tally(folder, "policy", "resume", "tool:note", "--because", "mended")
    first.until("note", went_through)
    seen = times(folder / ".tallystick")
    thrown = next(at for kind, at, _ in seen if kind == "switch.thrown")
    released = next(at for kind, at, _ in seen if kind == "switch.released")
    # Whatever the machine does: no decision that was made a second after the stop let a call through.
    late = [how for kind, at, how in seen if kind == "decision.made" and thrown + 10**9 < at < released]
    assert set(late) <= {"switch"}


def test_over_a_server_too(agents: Callable[..., Agent], tmp_path: Path) -> None:  # noqa: F811
    there, here = tmp_path / "there", project(tmp_path / "here")
    with serving(there) as up:
        agent = agents("desk", here, TALLYSTICK_SERVER=f"http://127.0.0.1:{up.port}")
        assert went_through(agent.call("note"))
        tally(here, *STOP, "tool:note", "--because", "stop", "--store", str(there))
        agent.until("note", refused)
        tally(here, "policy", "resume", "tool:note", "--because", "go on", "--store", str(there))
        agent.until("note", went_through)


def test_an_agent_that_is_stopped_ends_its_run(tmp_path: Path) -> None:
    folder = project(tmp_path)
    script = """
import sys, tallystick
tallystick.init(agent="desk", instrument=False)
@tallystick.tool(effect="write")
def note(id: str) -> str:
    "Write a note."
    return "noted " + id
try:
    with tallystick.run(goal="for ever"):
        for number in range(10**6):
            note(str(number))
            print(number, flush=True)
            sys.stdin.readline()
except tallystick.Stopped as stop:
    print("stopped", stop.detail["by"], flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=folder, env=environment(), text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "0\n"
        tally(folder, *STOP, "agent:desk", "--because", "it does not end")
        said = ""
        while not said.startswith("stopped"):
            process.stdin.write("\n")
            process.stdin.flush()
            said = process.stdout.readline()
            assert said, "it ended without a word"
        assert said == "stopped operator\n"
        process.stdin.close()
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
    run = tally(folder, "runs", "ls")["runs"][0]
    assert (run["status"], run["stopped_by"]) == ("stopped", "operator")


@pytest.mark.parametrize("scope", ["run:1", "desk", "agent:"])
def test_what_cannot_be_stopped_is_said(tmp_path: Path, scope: str) -> None:
    folder = project(tmp_path)
    tally(folder, "journal", "ls")
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", *STOP, scope, "--because", "x"], cwd=folder, env=environment(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "agent:NAME" in done.stderr
