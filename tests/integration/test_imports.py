"""The recorded runs of other people, imported whole: every run, tool call and result of theirs is there."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tallystick.model.step import Kind, StepStatus
from tallystick.observe.contents import Contents, read_contents
from tallystick.observe.formats import FORMATS, guess
from tallystick.observe.formats.recorded import RecordedRun, parse_json
from tallystick.observe.messages import parsed
from tallystick.observe.normalise import read_span

DATA = Path(
    os.environ.get("TALLYSTICK_SHARED_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data"
)
pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="the recorded runs are not here (TALLYSTICK_SHARED_DATA)"
)


def _read(name: str, content: bytes) -> tuple[Any, list[RecordedRun]]:
    assert guess(content) == name
    document = parse_json(content, name)
    return document, list(FORMATS[name].read(document))


def _steps(run: RecordedRun) -> list[tuple[Any, Contents]]:
    pairs = [pair for span in run.spans for pair in read_span(span)]
    assert len(pairs) == len(run.spans)
    return [(step, read_contents(step, span)) for step, span in pairs]


def test_tau_bench_whole() -> None:
    document, runs = _read(
        "tau-bench", gzip.decompress((DATA / "tau-bench-airline/gpt-4o-airline.json.gz").read_bytes())
    )
    assert len({run.run for run in runs}) == len(runs) == 200
    assert len({(span.trace, span.span) for run in runs for span in run.spans}) == sum(
        len(run.spans) for run in runs
    )
    calls = failures = ok = 0
    for item, run in zip(document, runs, strict=True):
        steps = _steps(run)
        tools = [(step, contents) for step, contents in steps if step.kind is Kind.TOOL]
        asked = [call for message in item["traj"] for call in message.get("tool_calls") or ()]
        answers = [message["content"] for message in item["traj"] if message["role"] == "tool"]
        assert [step.tool for step, _ in tools] == [call["function"]["name"] for call in asked]
        assert [contents.arguments for _, contents in tools] == [
            json.loads(call["function"]["arguments"]) for call in asked
        ]
        assert [contents.result for _, contents in tools] == [parsed(answer) for answer in answers]
        said = [message["content"] for message in item["traj"] if message["role"] == "user"]
        assert [contents.output for step, contents in steps if step.kind is Kind.HUMAN] == said
        spoken = [
            message.get("content") or None for message in item["traj"] if message["role"] == "assistant"
        ]
        assert [contents.output for step, contents in steps if step.kind is Kind.MODEL] == spoken
        assert all(step.usage.input_tokens is None for step, _ in steps)
        calls += len(tools)
        failures += sum(step.status is StepStatus.ERROR for step, _ in tools)
        ok += steps[0][0].facts["status"] == "ok"
    assert (calls, ok) == (1_164, 84)
    assert failures == sum(
        m["content"].startswith("Error") for i in document for m in i["traj"] if m["role"] == "tool"
    )


def test_who_and_when_whole() -> None:
    ids, total = set(), 0
    for path in sorted((DATA / "who-and-when-generated/runs").glob("*.json")):
        document, (run,) = _read("who-and-when", path.read_bytes())
        root, *steps = _steps(run)
        ids.add(run.run)
        total += len(steps)
        assert root[1].goal == document["question"]
        assert root[0].facts["status"] == "failed"
        assert [step.agent for step, _ in steps] == [entry["name"] for entry in document["history"]]
        shown = [contents.result if step.kind is Kind.TOOL else contents.output for step, contents in steps]
        assert shown == [entry["content"] or None for entry in document["history"]]
    assert (len(ids), total) == (126, 1_099)


def test_langfuse_whole() -> None:
    for path in sorted((DATA / "langfuse-traces").glob("*.trace.json")):
        document, (run,) = _read("langfuse", path.read_bytes())
        steps = _steps(run)
        assert len(steps) == len(document["observations"])
        assert sum(step.facts is not None for step, _ in steps) == 1
        known = {step.span for step, _ in steps}
        assert all(step.parent is None or step.parent in known for step, _ in steps)
        assert all(contents.result is not None for step, contents in steps if step.kind is Kind.TOOL)
        assert all(contents.output_messages for step, contents in steps if step.kind is Kind.MODEL)
        assert all(step.cost_nano is None for step, _ in steps)  # Langfuse's own figure is not what was paid
