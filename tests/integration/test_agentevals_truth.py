"""Traces of Kubernetes agents, as Jaeger and Tempo exported them: one run a session, each call once although three
layers wrote it down, and the golden eval sets say what was asked, called and answered."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from test_framework_spans import stitched

from tallystick.model.span import Span
from tallystick.model.step import Kind, Step
from tallystick.observe.contents import Contents, read_contents
from tallystick.observe.formats import FORMATS, guess
from tallystick.observe.formats.recorded import parse_json
from tallystick.observe.repeats import repeats

DATA = (
    Path(
        os.environ.get("TALLYSTICK_SHARED_DATA")
        or Path(__file__).resolve().parents[2].parent / "shared" / "data"
    )
    / "agentevals-otlp"
)
pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="the exported traces are not here (TALLYSTICK_SHARED_DATA)"
)

# file -> format, spans, session, agent, (input, output, cached, reasoning) of each call of the client
TRUTH: dict[str, tuple[str, int, str, str, list[tuple[int, int, int, int]]]] = {
    "helm": (
        "jaeger",
        96,
        "ctx-7ed9780f-3688-4fc0-b10b-2e4df2f83cf0",
        "helm_agent",
        [(1820, 13, 0, 0), (1956, 117, 1792, 0)],
    ),
    "helm_2": ("jaeger", 72, "ctx-3b29a420-6082-478a-af27-404b9a588c9e", "helm_agent", [(1822, 43, 0, 0)]),
    "helm_3": (
        "jaeger",
        125,
        "ctx-9cf62851-eac3-4802-ae09-0825201ee0b4",
        "helm_agent",
        [(1909, 32, 0, 0), (2138, 771, 1792, 256)],
    ),
    "k8s": ("jaeger", 73, "ctx-d8251ac3-6289-464a-8404-0fc4e312e823", "k8s_agent", [(2203, 139, 1792, 0)]),
    "tempo_export_with_batches": (
        "tempo",
        86,
        "ctx-eff35888-55ab-4eb0-b90d-7b21f711f91f",
        "helm_agent",
        [(2256, 13, 0, 0), (2392, 116, 0, 0)],
    ),
}
# eval sets that describe the very session of a file, by the span that they quote
GOLDEN = {"helm_3": "evalset_helm_3_2026-02-23", "k8s": "evalset_k8s_2026-02-20"}


def _spans(name: str) -> list[Span]:
    content = (DATA / f"{name}.json").read_bytes()
    form = TRUTH[name][0]
    assert guess(content) == form
    return [span for run in FORMATS[form].read(parse_json(content, name)) for span in run.spans]


def _counted(name: str) -> list[tuple[Step, Contents]]:
    spans = _spans(name)
    assert len(spans) == TRUTH[name][1]
    (run,) = stitched(spans)  # one session, one run
    same = repeats([step for step, _ in run])
    return sorted(
        ((step, read_contents(step, span)) for step, span in run if step.span not in same),
        key=lambda pair: pair[0].started,
    )


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_each_call_is_counted_once(name: str) -> None:
    steps = _counted(name)
    models = [step for step, _ in steps if step.kind is Kind.MODEL]
    assert [
        (
            step.usage.input_tokens,
            step.usage.output_tokens,
            step.usage.cache_read_tokens,
            step.usage.reasoning_tokens,
        )
        for step in models
    ] == TRUTH[name][4]
    assert {step.provider for step in models} == {"openai"}
    assert {step.name for step in models} == {"openai.chat"}  # the client's, not the two layers around it
    assert TRUTH[name][3] in {step.agent for step, _ in steps}
    assert all(contents.tool_definitions for step, contents in steps if step.kind is Kind.MODEL)


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_the_tools_are_those_that_the_model_asked_for(name: str) -> None:
    steps = _counted(name)
    asked = [
        (part["name"], part["arguments"], part["id"])
        for step, contents in steps
        if step.kind is Kind.MODEL
        for message in contents.output_messages
        for part in message["parts"]
        if part["type"] == "tool_call"
    ]
    tools = [(step, contents) for step, contents in steps if step.kind is Kind.TOOL]
    assert [(step.tool, contents.arguments, step.call_id) for step, contents in tools] == asked
    answers = {
        part["id"]: part["response"]
        for step, contents in steps
        if step.kind is Kind.MODEL
        for message in contents.input_messages
        for part in message["parts"]
        if part["type"] == "tool_call_response"
    }
    for step, contents in tools:
        shown = contents.result if isinstance(contents.result, str) else json.dumps(contents.result)
        assert step.call_id is not None
        told = answers[step.call_id]
        assert shown == told or json.loads(shown) == json.loads(told)
    assert all(not step.derived for step, _ in steps)


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_the_eval_set_of_the_session_says_the_same(name: str) -> None:
    (case,) = json.loads((DATA / f"{GOLDEN[name]}.json").read_text())["eval_cases"]
    (turn,) = case["conversation"]
    steps = _counted(name)
    used = [(step.tool, contents.arguments) for step, contents in steps if step.kind is Kind.TOOL]
    assert used == [(item["name"], item["args"]) for item in turn["intermediate_data"]["tool_uses"]]
    results = [contents.result for step, contents in steps if step.kind is Kind.TOOL]
    assert results == [
        _told(item["response"]["content"]) for item in turn["intermediate_data"]["tool_responses"]
    ]
    models = [contents for step, contents in steps if step.kind is Kind.MODEL]
    assert models[-1].output == turn["final_response"]["parts"][0]["text"]
    first = models[0].input_messages[0]
    assert first["parts"] == [{"type": "text", "content": turn["user_content"]["parts"][0]["text"]}]


def _told(blocks: list[dict[str, Any]]) -> Any:
    return "\n".join(block["text"] for block in blocks)


def test_the_helm_eval_set_names_the_tools_of_its_sessions() -> None:
    (case,) = json.loads((DATA / "eval_set_helm.json").read_text())["eval_cases"]
    (turn,) = case["conversation"]
    expected = [(item["name"], item["args"]) for item in turn["intermediate_data"]["tool_uses"]]
    for name in ("helm", "tempo_export_with_batches"):
        used = [
            (step.tool, contents.arguments) for step, contents in _counted(name) if step.kind is Kind.TOOL
        ]
        assert used == expected


def test_jaeger_gives_back_what_opentelemetry_wrote() -> None:
    spans = {span.span: span for span in _spans("helm")}
    call = spans["6c728e555894414d"]
    assert (call.source.scope, call.source.scope_version) == (
        "opentelemetry.instrumentation.openai.v1",
        "0.47.3",
    )
    assert call.source.resource == {"service.namespace": "kagent", "service.name": "helm_agent"}
    assert (call.kind, call.parent, call.started) == (3, "e37fdd8f56146d31", 1771237534597586_000)
    assert call.ended is not None
    assert call.ended - call.started == 2274805_000
    assert not {"span.kind", "otel.scope.name", "error"} & call.attributes.keys()
    lost = next(span for span in spans.values() if span.status == 2)
    assert (lost.name, lost.attributes["http.status_code"]) == ("GET", 404)
    raised = next(span for span in spans.values() if span.events)
    assert raised.events[0].name == "exception"
    assert raised.events[0].attributes["exception.type"] == "asyncio.exceptions.CancelledError"


def test_tempo_times_lose_nothing() -> None:
    spans = {span.span: span for span in _spans("tempo_export_with_batches")}
    call = spans["00f4683d7842d93d"]
    assert (call.started, call.ended, call.kind) == (1777555053812873700, 1777555055622452200, 3)
    assert call.source.resource["service.name"] == "helm_agent"
