"""The whole demo in a process of its own: every scene agrees, and what it left in the store can be read."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_server_wired import Wired

SCENES = [
    "good-run", "held-then-approved", "runaway-loop", "undeclared-tool", "poisoned-page", "edited-refund",
    "silent-failure", "beyond-delegation", "crash", "hard-budget",
]  # fmt: skip


def tally(*arguments: str, store: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "HOME": str(store.parent)}
    env.pop("PYTEST_CURRENT_TEST", None)
    command = [sys.executable, "-m", "tallystick", *arguments, "--store", str(store), "--json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, check=False)


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> tuple[dict[str, Any], Path]:
    store = tmp_path_factory.mktemp("demo") / "store"
    done = tally("demo", "--headless", store=store)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout), store


def test_every_scene_agrees(played):
    report, store = played
    assert [scene["name"] for scene in report["scenes"]] == SCENES
    for scene in report["scenes"]:
        assert scene["agrees"] is True
        assert scene["expected"] == scene["observed"]
        assert set(scene) == {"name", "expected", "observed", "agrees", "run"}
    assert Path(report["store"]) == store


def test_the_order_database_holds_what_the_scenes_say(played):
    _, store = played
    with sqlite3.connect(store / "desk" / "orders.db") as database:
        assert database.execute("SELECT order_id, cents FROM refunds ORDER BY id").fetchall() == [
            ("A-1001", 4_000),
            ("A-1002", 40_000),
            ("A-1011", 20_000),
        ]
        assert database.execute("SELECT count(*) FROM parcels").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM transfers").fetchone() == (0,)
    database.close()


def test_the_store_shows_the_runs_as_they_ended(played):
    report, store = played
    runs = json.loads(tally("runs", "ls", store=store).stdout)
    assert runs["total"] == len(SCENES)
    ended = {run["run"]: (run["status"], run["stopped_by"]) for run in runs["runs"]}
    by_name = {scene["name"]: ended[scene["run"]] for scene in report["scenes"]}
    assert by_name == {
        "good-run": ("ok", None),
        "held-then-approved": ("ok", None),
        "runaway-loop": ("stopped", "loop"),
        "undeclared-tool": ("ok", None),
        "poisoned-page": ("ok", None),
        "edited-refund": ("ok", None),
        "silent-failure": ("stopped", "contract"),
        "beyond-delegation": ("ok", None),
        "crash": ("crashed", None),
        "hard-budget": ("stopped", "budget"),
    }


def test_the_good_run_shows_all_five_agents_and_every_handoff(played):
    report, store = played
    shown = json.loads(tally("runs", "show", report["scenes"][0]["run"], store=store).stdout)
    agents = {step["agent"] for step in shown["steps"] if step["kind"] == "model"}
    assert agents == {"planner", "researcher", "case-agent", "writer", "reviewer"}
    assert sum(step["kind"] == "handoff" for step in shown["steps"]) == 4
    assert sum(step["kind"] == "retrieval" for step in shown["steps"]) == 1
    refund = next(step for step in shown["steps"] if step["tool"] == "refund")
    assert refund["arguments"] == {"order_id": "A-1001", "amount": "40.00"}
    assert refund["result"]["receipt"] == "R-0001"
    assert (refund["decision"], refund["effect"], refund["outcome"]) == ("allow", "irreversible", "landed")
    assert shown["run"]["cost_nano_usd"] == sum(step["cost_nano_usd"] or 0 for step in shown["steps"])


def test_every_scene_is_held_to_its_evidence(played):
    report, _ = played
    assert all(scene["observed"].endswith("; evidence verifies") for scene in report["scenes"])


def test_the_pages_verify_the_journal_and_hand_out_evidence_that_verifies(played, tmp_path):
    report, store = played
    run = next(scene["run"] for scene in report["scenes"] if scene["name"] == "held-then-approved")
    server = Wired(store)
    try:
        status, page = server.call("GET", "/journal")
        assert (status, b'data-lamp="integrity"' in page) == (200, True)
        _, told = server.call("GET", "/journal/verify.jsonl")
        *steps, last = [json.loads(line) for line in told.splitlines()]
        assert [step for step in steps if step["state"] == "finding"] == []
        assert [lamp["light"] for lamp in last["lamps"]] == ["on", "off"]
        _, page = server.call("GET", f"/runs/{run}")
        assert b"recorded in the journal, checkpoint" in page
        key = json.loads(server.call("GET", "/journal.json")[1])["key"]
        for query in ("", "?redact=1"):
            status, file = server.call("GET", f"/runs/{run}/evidence{query}")
            assert status == 200
            (tmp_path / "evidence.jsonl").write_bytes(file)
            command = [
                sys.executable,
                "-m",
                "tallystick",
                "verify",
                str(tmp_path / "evidence.jsonl"),
                "--key",
                key,
            ]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            assert (b"A-1002" in file) is (query == "")
    finally:
        server.close()


def test_a_second_demo_in_the_same_store_agrees_again(played):
    _, store = played
    again = tally("demo", "--headless", store=store)
    assert again.returncode == 0, again.stdout + again.stderr
    assert json.loads(tally("runs", "ls", store=store).stdout)["total"] == 2 * len(SCENES)
