"""Recorded spans of real frameworks through a real server: what the API then shows is what really happened."""

import contextlib
import gzip
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import test_framework_spans as dumps
from real_server import tally_up

pytestmark = dumps.pytestmark
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("frameworks")
    with tally_up(folder) as number:
        yield number


# Dumps in which nothing saw a model call: every run of theirs must say so.
BLIND = {"claude-agent-sdk.native", "langchain.agentops.pre", "pydantic-ai.native.uni-span"}


def ask(port: int, path: str, body: bytes | None = None, kind: str = "") -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        if body is None:
            connection.request("GET", path)
        else:
            headers = {"content-type": kind, "content-encoding": "gzip"}
            connection.request("POST", path, gzip.compress(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return json.loads(content) if body is None or kind == "application/json" else content


def runs(port: int) -> set[str]:
    return {run["run"] for run in ask(port, "/api/runs?limit=1000")["runs"]}


@pytest.mark.parametrize("name", sorted(dumps.TRUTH))
def test_a_posted_dump_shows_what_happened(port: int, name: str) -> None:
    before = runs(port)
    assert ask(port, "/v1/traces", (dumps.DATA / f"{name}.pb").read_bytes(), "application/x-protobuf") == b""
    after = runs(port)
    shown = [ask(port, f"/api/runs/{run}") for run in sorted(after - before)]
    again = (dumps.DATA / f"{name}.json").read_bytes()
    assert ask(port, "/v1/traces", again, "application/json") == {}
    assert runs(port) == after
    assert [ask(port, f"/api/runs/{run['run']['run']}") for run in shown] == [
        run | {"run": run["run"] | {"seen": answer["run"]["seen"]}}
        for run, answer in zip(
            shown, [ask(port, f"/api/runs/{run['run']['run']}") for run in shown], strict=True
        )
    ]
    _check(name, shown)


def _check(name: str, shown: list[dict[str, Any]]) -> None:
    truth, missing = dumps.TRUTH[name], dumps.MISSING.get(name, {})
    totals = [run["totals"] for run in shown]
    if "models" not in missing:
        assert sum(one["model_calls"] for one in totals) == truth["model_calls"]["logical"]
    real = truth["usage_consumed_normalised"]
    for field, expected in (
        ("input_tokens", real["input_tokens_including_cache"]),
        ("output_tokens", real["output_tokens_including_reasoning"]),
    ):
        counts = [one["usage"][field] for one in totals if one["model_calls"] or name in BLIND]
        if truth["dump"]["input_tokens_recoverable"] == "complete":
            if field not in ("output_tokens",) or "output" not in missing:
                assert sum(counts) == expected
        elif truth["dump"]["input_tokens_recoverable"] == "none":
            assert None in counts
    steps = [step for run in shown for step in run["steps"] if step["kind"] == "tool" and not step["same_as"]]
    handed_over = {item["tool"] for item in truth["delegations"]}
    calls = [step for step in steps if step["tool"] not in handed_over and step["status"] != "error"]
    executed = [
        call for call in truth["tool_calls"] if call["status"] == "executed" or name in dumps.LOOKS_EXECUTED
    ]
    if "tools" not in missing:
        assert sorted(step["tool"].rpartition("__")[2] for step in calls) == sorted(
            call["tool"] for call in executed
        )
