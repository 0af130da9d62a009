"""Tokens of agents across real processes: passed on in headers, given by a person, revoked while an agent runs."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

AGENT = """
import os, sys, tallystick
@tallystick.tool(effect="read")
def look(x: str) -> str: return "a page"
@tallystick.tool(effect="irreversible", authority=["x"])
def refund(x: str) -> str: return "done"
@tallystick.agent(name="writer")
def writer(x: str) -> str: return f"{look(x)[:6]}|{refund(x)[:6]}"
"""
GIVER = (
    AGENT
    + """
import subprocess
tallystick.init(agent="desk")
with tallystick.run(goal="refund 4711, 4712 and 4713"):
    print("own", refund("4711"))
    with tallystick.handoff("writer", rights=["effect:read"], budget="1", depth=2):
        print("inside", look("1"), refund("4712")[:4])
        headers = tallystick.inject({})
        env = tallystick.inject(dict(os.environ), environment=True)
        print("called", writer("4713"))
    print("after", refund("4714"))
env["CARRIED"] = headers["tallystick-agent-token"]
env["RUN"] = headers["baggage"]
tallystick.shutdown()
sys.stdout.flush()
subprocess.run([sys.executable, "taker.py"], env=env, check=True)
"""
)
TAKER = (
    AGENT
    + """
tallystick.init(agent="writer")
print("child", writer("4715"))
del os.environ["TALLYSTICK_AGENT_TOKEN"]
for name in ("TRACEPARENT", "BAGGAGE"): os.environ.pop(name, None)
tallystick.init(agent="writer")
headers = [(b"Tallystick-Agent-Token", os.environ["CARRIED"].encode()), (b"baggage", os.environ["RUN"].encode())]
with tallystick.joined([*headers, (b"traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01")]):
    print("joined", writer("4716"))
other = (b"baggage", b"tallystick.run=" + b"f" * 32)
with tallystick.joined([headers[0], other, (b"traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01")]):
    print("replayed", writer("4717"))
print("token kept", os.environ["CARRIED"])
tallystick.shutdown()
"""
)
RUNNING = (
    AGENT
    + """
tallystick.init(agent="writer")
with tallystick.run(goal="look"):
    print(look("1"), flush=True)
    for line in sys.stdin:
        print(look(line), flush=True)
"""
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.cedar").write_text("permit (principal, action, resource);")
    (tmp_path / "tallystick.toml").write_text('store = "store"\npolicy_pack = []\n')
    for name, text in (("giver", GIVER), ("taker", TAKER), ("running", RUNNING)):
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **more}


def python(project: Path, *words: str, **more: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=project, env=environment(**more), capture_output=True, text=True, timeout=120
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr  # 3: the answer is no
    return done.stdout


def tally(project: Path, *words: str) -> Any:
    return json.loads(python(project, "-m", "tallystick", *words, "--json"))


def decisions(project: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(project / "store" / "control.db") as store:
        rows = store.execute("SELECT body FROM journal WHERE kind = 'decision.made' ORDER BY seq")
        return [json.loads(row[0]) for row in rows]


def test_what_is_passed_on_is_narrower_here_and_in_other_processes(project: Path) -> None:
    said = dict(line.split(" ", 1) for line in python(project, "giver.py").splitlines())
    assert said["own"] == "done"
    assert said["inside"] == "a page This"
    assert said["called"] == "a page|This a"
    assert said["after"] == "done"
    assert said["child"] == said["joined"] == "a page|This a"
    assert said["replayed"] == "This a|This a"
    found = decisions(project)
    assert [one["answer"] for one in found if one["agent"] == "desk"] == ["allow", "allow"]
    handed = [{"agent": "desk", "via": "store"}, {"agent": "writer", "via": "handoff"}]
    assert all(one["chain"] == handed for one in found if one["agent"] == "writer")
    assert [one["reasons"][0] for one in found][-2:] == ["the token is for another run"] * 2
    token = said["token"].removeprefix("kept ").encode()
    assert token.startswith(b"tallyagent_")
    for path in (project / "store").rglob("*"):
        assert path.is_dir() or token[:60] not in path.read_bytes(), path
    assert (project / "store" / "keys" / "identity.key").stat().st_mode & 0o077 == 0
    assert tally(project, "journal", "verify")


def test_a_token_that_a_person_gave_is_revoked_while_its_agent_runs(project: Path) -> None:
    made = tally(
        project, "agents", "token", "writer", "--ttl", "10m", "--right", "effect:read", "--for", "ann"
    )
    assert made["on_behalf"] == "ann"
    env = environment(TALLYSTICK_AGENT_TOKEN=made["token"])
    with subprocess.Popen(
        [sys.executable, "running.py"], cwd=project, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as agent:  # fmt: skip
        assert agent.stdin is not None
        assert agent.stdout is not None
        assert agent.stdout.readline() == "a page\n"
        tally(
            project, "agents", "revoke", made["id"], "--because", "lost"
        )  # it takes longer than the feed waits
        agent.stdin.write("2\n")
        agent.stdin.close()
        assert agent.stdout.readline().startswith("This action was not allowed")
        agent.wait(60)
    last = decisions(project)[-1]
    assert (last["stage"], last["reasons"]) == ("identity", ["the token was revoked"])
    assert last["chain"] == [{"agent": "ann", "via": "user"}, {"agent": "writer", "via": "token"}]
    (layer,) = (one for one in tally(project, "ready", "writer")["layers"] if one["layer"] == "governance")
    assert "it acts under a name that is vouched for (via token)" in layer["has"]
