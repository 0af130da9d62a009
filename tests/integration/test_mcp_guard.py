"""A tool of an MCP server that changed is refused in running processes, until a person accepted it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mcp_kit import bookshop_online, free_port
from test_mcp_import import accept, run

from tallystick import wiring
from tallystick.model.journal import Entry

AGENT = str(Path(__file__).parent / "mcp_agent.py")
WITHIN_S = 20.0  # a change is to arrive within 5 seconds; on a busy machine the processes are slow


class Agent:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def call(self) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("Emma\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def until(self, allowed: bool) -> str:
        """Call again and again until the answer is a result, or is none."""
        end = time.monotonic() + WITHIN_S
        while ((answer := self.call()) == "found Emma") is not allowed:
            assert time.monotonic() < end, f"still: {answer}"
            time.sleep(0.1)  # between two questions, not in the hope of an answer
        return answer


@contextmanager
def agent(store: Path, project: Path) -> Iterator[Agent]:
    process = subprocess.Popen(
        [sys.executable, AGENT, str(store), str(project)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "TALLYSTICK_STORE": ""},
    )  # fmt: skip
    try:
        yield Agent(process)
    finally:
        process.communicate(timeout=30)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in (
        ("tallystick.toml", ""),
        ("policies/all.cedar", "permit (principal, action, resource);\n"),
        ("tools/shop.lookup.toml", 'name = "shop.lookup"\neffect = "read"\n[arguments]\ntitle = "string"\n'),
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_running_agent_is_refused_what_changed_and_given_what_was_accepted(project: Path) -> None:
    store = project / ".tallystick"
    stores = wiring.open_stores(store)
    port = free_port()
    with bookshop_online(port) as url:
        first = run(stores, url)
    with agent(store, project) as reader:
        assert reader.call() != "found Emma"  # nobody accepted it yet
        accept(stores, first, "shop.lookup")
        reader.until(allowed=True)
        with bookshop_online(port, "--words") as url:
            changed = run(stores, url)
        reader.until(allowed=False)
        assert "description changed" in _pinned(stores).body["reasons"][0]
        with bookshop_online(port) as url:  # the server goes back to what was accepted
            run(stores, url)
        reader.until(allowed=True)
        with bookshop_online(port, "--words") as url:
            run(stores, url)
        reader.until(allowed=False)
        accept(stores, changed, "shop.lookup")
        reader.until(allowed=True)
    stores.close()


def _pinned(stores: wiring.Stores) -> Entry:
    """The newest decision of stage pin on what changed; a denied read joins a commit that comes a little later."""
    end = time.monotonic() + WITHIN_S
    while True:
        for entry in stores.control.entries(kind="decision.made", newest=True):
            if entry.body["stage"] == "pin" and "changed" in entry.body["reasons"][0]:
                return entry
        assert time.monotonic() < end, "no decision of stage pin was journalled"
        time.sleep(0.05)  # between two questions, not in the hope of an answer
