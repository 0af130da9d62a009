"""OpenTelemetry's SDK for JavaScript, from npm, as a foreign client: its run shows what happened."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_server import tally_up
from test_server_frameworks import ask

HERE = Path(__file__).parent / "js"
NPM, NODE = shutil.which("npm"), shutil.which("node")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tallystick-tests"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with tally_up(tmp_path_factory.mktemp("js")) as given:
        yield given


@pytest.fixture(scope="module")
def client() -> Path:
    """A folder with the client and its packages; kept between runs by the digest of the lock file."""
    if NPM is None or NODE is None:
        pytest.skip("node and npm are not here")
    files = [HERE / name for name in ("package.json", "package-lock.json", "agent.mjs")]
    folder = CACHE / f"js-{hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()[:16]}"
    if not (folder / "ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(file, folder)
        command = [NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=150)
        if done.returncode and any(
            word in done.stderr for word in ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED")
        ):
            pytest.skip("the npm registry cannot be reached")
        assert done.returncode == 0, done.stderr
        (folder / "ready").touch()
    return folder


def test_no_registry_is_written_down() -> None:
    assert "resolved" not in (HERE / "package-lock.json").read_text()


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_its_run_shows_what_happened(client: Path, port: int, encoding: str) -> None:
    assert NODE is not None
    command = [NODE, "agent.mjs", encoding, f"http://127.0.0.1:{port}/v1/traces"]
    done = subprocess.run(command, cwd=client, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    trace = done.stdout.strip()
    shown = ask(port, f"/api/runs/{trace}")
    run = shown["run"]
    assert (run["agent"], run["status"], run["completeness"], run["missing"]) == (
        "js-desk",
        "ok",
        "complete",
        0,
    )
    assert (run["model_calls"], run["tool_calls"], run["errors"], run["steps"]) == (2, 2, 1, 5)
    assert run["usage"] == {
        "input_tokens": 250, "output_tokens": 40, "cache_read_tokens": 140, "cache_write_tokens": None,
        "reasoning_tokens": None,
    }  # fmt: skip
    assert run["cost_nano_usd"] is not None
    calls = {step["tool"]: step for step in shown["steps"] if step["kind"] == "tool"}
    assert (calls["get_weather"]["arguments"], calls["get_weather"]["result"]) == (
        {"city": "Zürich"},
        "21C sunny",
    )
    assert (calls["save"]["status"], calls["save"]["error"]) == ("error", "TypeError: disk is full")
    models = [step for step in shown["steps"] if step["kind"] == "model"]
    assert [step["model"] for step in models] == ["gpt-4o-2024-08-06"] * 2
    assert models[1]["output"] == "It is 21C in Zürich."
    whole = ask(port, f"/api/runs/{trace}/steps/{models[0]['step']}")
    assert whole["input_messages"][0]["parts"][0]["content"] == "weather in Zürich? 🌤"
    assert [item["run"] for item in ask(port, "/api/runs")["runs"]].count(trace) == 1
