"""Every dialect against what its library really sends: spans recorded by the scripts in tools/dialects (or written
from documentation, where a library could not be run: its truth file says so), and beside them what is true.

``missing`` in a truth file names what the library does not send, and why: there the run must say unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_framework_spans import stitched

from tallystick.api.otlp import read_json
from tallystick.model.span import Span
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.observe.contents import Contents, read_contents
from tallystick.observe.repeats import repeats

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "dialects"
NAMES = sorted(path.name.removesuffix(".truth.json") for path in GOLDEN.glob("*.truth.json"))
SOURCES = {"recorded", "from documentation"}


def _truth(name: str) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads((GOLDEN / f"{name}.truth.json").read_text())
    assert truth["source"] in SOURCES
    assert truth["versions"] or truth["source"] != "recorded"
    return truth


def _spans(name: str) -> list[Span]:
    batch = read_json((GOLDEN / f"{name}.json").read_bytes())
    assert not batch.rejected
    return list(batch.spans)


def _counted(name: str) -> list[tuple[Step, Contents]]:
    (run,) = stitched(_spans(name))
    same = repeats([step for step, _ in run])
    steps = [(step, read_contents(step, span)) for step, span in run if step.span not in same]
    return sorted(steps, key=lambda pair: (pair[0].started, pair[0].span))


@pytest.mark.parametrize("name", NAMES)
def test_models_and_tools(name: str) -> None:
    truth, steps = _truth(name), _counted(name)
    missing = truth.get("missing", {})
    models = [step for step, _ in steps if step.kind is Kind.MODEL]
    assert len(models) == len(truth["models"])
    for step, real in zip(models, truth["models"], strict=True):
        usage = step.usage
        assert usage.input_tokens == real.get("input")
        if "output tokens" not in missing:
            assert usage.output_tokens == real.get("output")
        assert usage.cache_read_tokens in (None, real.get("cached"))
        assert usage.reasoning_tokens in (None, real.get("reasoning"))
        assert step.cost_nano is None
    tools = [(step, contents) for step, contents in steps if step.kind is Kind.TOOL]
    assert [
        {"tool": step.tool, "arguments": contents.arguments, "result": contents.result}
        for step, contents in tools
    ] == truth["tools"]
    assert all(step.status is StepStatus.OK and not step.derived for step, _ in tools)


@pytest.mark.parametrize("name", NAMES)
def test_who_did_it_and_for_whom(name: str) -> None:
    truth, steps = _truth(name), [step for step, _ in _counted(name)]
    missing = truth.get("missing", {})
    told = {
        "agent": {step.agent for step in steps},
        "workflow": {step.workflow for step in steps},
        "conversation": {step.conversation for step in steps},
        "user": {step.subject for step in steps},
        "environment": {step.environment for step in steps},
    }
    for what, found in told.items():
        if what in truth and what not in missing:
            assert truth[what] in found, (what, found)
        elif what != "workflow" and what != "agent":
            assert found <= {None}, (what, found)


@pytest.mark.parametrize("name", NAMES)
def test_the_story(name: str) -> None:
    truth, steps = _truth(name), _counted(name)
    handoffs = [contents.handoff for step, contents in steps if step.kind is Kind.HANDOFF]
    wanted = truth.get("handoffs", [])
    assert [
        {key: (got or {}).get(key) for key in real} for got, real in zip(handoffs, wanted, strict=True)
    ] == wanted
    documents = [document for _, contents in steps for document in contents.documents or ()]
    assert documents == truth.get("documents", [])
    guardrails = [contents.guardrail for _, contents in steps if contents.guardrail]
    wanted = truth.get("guardrails", [])
    assert [{key: got[key] for key in real} for got, real in zip(guardrails, wanted, strict=True)] == wanted
    assert [contents.retry for _, contents in steps if contents.retry] == truth.get("retries", [])
    assert [contents.reasoning for _, contents in steps if contents.reasoning] == truth.get("reasoning", [])
    plans = [contents.plan for _, contents in steps if contents.plan is not None]
    assert plans == ([truth["plan"]] if "plan" in truth else [])
    if truth.get("output") is not None:
        said = [contents.output for step, contents in steps if step.kind is Kind.MODEL and contents.output]
        given = [contents.arguments for step, contents in steps if step.tool == "final_answer"]
        assert said[-1:] == [truth["output"]] or {"answer": truth["output"]} in given


@pytest.mark.parametrize("name", NAMES)
def test_every_span_is_shown(name: str) -> None:
    spans = _spans(name)
    (run,) = stitched(spans)
    shown = {step.span for step, _ in run}
    pending = {span.span for span in spans if span.attributes.get("logfire.span_type") == "pending_span"}
    assert {span.span for span in spans} - pending <= shown
    assert not pending & shown


def test_a_pending_span_alone_is_a_step_that_runs() -> None:
    pending = [span for span in _spans("logfire") if "logfire.pending_parent_id" in span.attributes]
    (run,) = stitched(pending)
    steps = {step.span: step for step, _ in run}
    assert {step.status for step in steps.values()} == {StepStatus.RUNNING}
    assert {step.ended for step in steps.values()} == {None}
    assert sum(step.parent is None for step in steps.values()) == 1
    assert all(step.parent is None or step.parent in steps for step in steps.values())
    assert {"agent", "model", "tool"} <= {step.kind.value for step in steps.values()}
