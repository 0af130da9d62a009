"""Runs that cross real processes: over HTTP, over MCP, and by the environment of a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HELPER = Path(__file__).parent / "crossing.py"


def cross(store: Path, how: str, *more: str) -> dict[str, Any]:
    """Run the caller of ``crossing.py`` against ``store``; the run that it opened, as tally shows it."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TALLYSTICK_STORE": str(store),
        "TALLYSTICK_CRASH_AFTER_S": "1",
    }
    done = subprocess.run(
        [sys.executable, str(HELPER), how, *more], env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return shown(store, done.stdout.split()[-1], environment)


def shown(store: Path, run: str, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tallystick", "runs", "show", run, "--store", str(store), "--json"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    return dict(json.loads(found.stdout))


@pytest.mark.parametrize("how", ["http", "environment", "mcp"])
def test_a_run_in_two_processes_is_one_run_and_whole(tmp_path: Path, how: str) -> None:
    told = cross(tmp_path, how)
    run, steps = told["run"], {step["name"]: step for step in told["steps"]}
    assert (run["completeness"], run["missing"], run["status"]) == ("complete", 0, "ok")
    assert steps["execute_tool far"]["tool"] == "far"
    by_id = {step["step"]: step for step in told["steps"]}
    assert all(step["parent"] is None or step["parent"] in by_id for step in told["steps"])
    roots = [step["name"] for step in told["steps"] if step["parent"] is None]
    assert roots == ["run crossing"]


@pytest.mark.parametrize("more", [(), ("alone",)], ids=["sdk on both sides", "sdk of the caller"])
def test_a_call_of_an_mcp_server_is_one_run_and_counted_once(tmp_path: Path, more: tuple[str, ...]) -> None:
    told = cross(tmp_path, "mcp", *more)
    calls = [(step["tool"], step["same_as"] is None) for step in told["steps"] if step["tool"] == "far_away"]
    # the caller's span and the server's say the same call; a server that records nothing says nothing
    assert sorted(calls) == ([("far_away", True)] if more else [("far_away", False), ("far_away", True)]), (
        calls
    )
    assert told["run"]["tool_calls"] == (1 if more else 2)  # and what the tool called behind the door


@pytest.mark.parametrize("how", ["http", "environment"])
def test_the_death_of_the_second_process_is_told(tmp_path: Path, how: str) -> None:
    run = cross(tmp_path, how, "kill")["run"]
    assert (run["completeness"], run["missing"]) == ("lossy", 1)
