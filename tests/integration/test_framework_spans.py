"""Recorded spans of real frameworks against what really happened, as their recorder wrote it down
(truth.json).

Each dump is read in both encodings. What a dump does not hold is listed in ``MISSING`` with the reason:
there the run must say unknown, and never a part of the whole."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.model.query import EVERYTHING
from tallystick.model.span import Event, Link, Source, Span
from tallystick.model.step import EffectOutcome, Kind, Step, StepStatus
from tallystick.observe.asked import (
    asked_arguments,
    askers,
    lacks_arguments,
    lacks_result,
    relayed,
    relays,
)
from tallystick.observe.contents import read_contents
from tallystick.observe.normalise import read_span
from tallystick.observe.repeats import repeats

_SHARED = Path(
    os.environ.get("TALLYSTICK_SHARED_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data"
)
DATA = _SHARED / "framework-spans"
TRUTH: dict[str, Any] = (
    json.loads((DATA / "truth.json").read_text())["runs"] if (DATA / "truth.json").exists() else {}
)
pytestmark = pytest.mark.skipif(
    not TRUTH, reason="the recorded framework spans are not here (TALLYSTICK_SHARED_DATA)"
)

# dump -> what it cannot give -> why. "models": number of model calls; "tools": the tool calls; "args" and
# "results": of the tools it has; "output" and "cached": such tokens.
MISSING: dict[str, dict[str, str]] = {
    "crewai.openllmetry": {
        "models": "agents and tasks only, no model spans",
        "tools": "no tool spans and no message history",
    },
    "crewai.agentops.pre": {
        "models": "session totals on the workflow span, no model spans",
        "tools": "no tool spans and no message history",
        "cached": "the crew's summary names cached tokens as cache writes",
    },
    "autogen.native": {
        "models": "no model spans; the runtime's messages have parts of the usage",
    },
    "claude-agent-sdk.openinference": {
        "models": "the command line makes the calls; the agent span has the session's totals",
        "output": "the instrumentor wrote 3 for 60",
    },
    "claude-agent-sdk.native": {
        "models": "spans of the in-process MCP server alone",
        "args": "MCP server spans have the tool's name alone",
        "results": "MCP server spans have the tool's name alone",
    },
    "claude-cli.native.traces": {
        "args": "tool spans have name and call id alone",
        "results": "tool spans have name and call id alone",
    },
    "openai-agents.openinference.uni-span": {
        "tools": "the span of get_weather was lost before it was recorded"
    },
}
# A call that was refused, yet its span says that it went well: only a decision span could tell.
LOOKS_EXECUTED = {"openai-agents.openinference.deny", "pydantic-ai.native.deny"}


@dataclass
class Call:
    """One counted tool call as the dump shows it."""

    tool: str
    arguments: Any
    result: Any
    status: StepStatus
    ran: bool


@dataclass
class Outcome:
    """What all runs of one dump add up to."""

    runs: int = 0
    models: list[Step] = field(default_factory=list)
    tools: list[Call] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)

    def total(self, name: str) -> int | None:
        """The sum of one usage field, None as soon as one call does not know it."""
        counts = [getattr(step.usage, name) for step in self.models]
        return None if not counts or None in counts else sum(counts)


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _value(item.value) for item in value.kvlist_value.values}
    return getattr(value, kind)


def _attributes(items: Iterable[Any]) -> dict[str, Any]:
    return {item.key: _value(item.value) for item in items}


def _spans(request: ExportTraceServiceRequest) -> list[Span]:
    found: list[Span] = []
    for resource in request.resource_spans:
        about = _attributes(resource.resource.attributes)
        for scoped in resource.scope_spans:
            source = Source(about, scoped.scope.name, scoped.scope.version, scoped.schema_url)
            for span in scoped.spans:
                found.append(
                    Span(
                        trace=span.trace_id.hex(),
                        span=span.span_id.hex(),
                        parent=span.parent_span_id.hex() or None,
                        name=span.name,
                        started=span.start_time_unix_nano,
                        ended=span.end_time_unix_nano,
                        source=source,
                        kind=span.kind,
                        status=span.status.code,
                        status_message=span.status.message,
                        attributes=_attributes(span.attributes),
                        events=tuple(
                            Event(e.name, e.time_unix_nano, _attributes(e.attributes)) for e in span.events
                        ),
                        links=tuple(Link(x.trace_id.hex(), x.span_id.hex()) for x in span.links),
                        dropped=span.dropped_attributes_count,
                    )
                )
    return found


def _load(name: str, encoding: str) -> list[Span]:
    request = ExportTraceServiceRequest()
    if encoding == "pb":
        request.ParseFromString((DATA / f"{name}.pb").read_bytes())
        return _spans(request)
    document = json.loads((DATA / f"{name}.json").read_text())
    # OTLP/JSON writes ids in hex; protobuf's own JSON mapping reads base64
    for scoped in (scoped for resource in document["resourceSpans"] for scoped in resource["scopeSpans"]):
        for span in scoped["spans"]:
            for holder in (span, *span.get("links", ())):
                for key in ("traceId", "spanId", "parentSpanId"):
                    if holder.get(key):
                        holder[key] = base64.b64encode(bytes.fromhex(holder[key])).decode()
    json_format.ParseDict(document, request, ignore_unknown_fields=True)
    return _spans(request)


def stitched(spans: Sequence[Span]) -> list[list[tuple[Step, Span]]]:
    """The runs that a store makes of spans, each as its steps with their spans."""
    store = MemoryTraces()
    store.write([pair for span in spans for pair in read_span(span)], at=1)
    runs = []
    for run in store.runs(EVERYTHING, now=2, limit=1_000).runs:
        steps = store.steps(run.run)
        originals = store.spans(run.run, [step.span for step in steps])
        runs.append([(step, originals[step.span]) for step in steps])
    return runs


def read(spans: Sequence[Span]) -> Outcome:
    found = Outcome()
    runs = stitched(spans)
    found.runs = len(runs)
    for run in runs:
        same = repeats([step for step, _ in run])
        spans_of = {step.span: span for step, span in run}
        for step, span in run:
            if step.agent:
                found.agents.add(step.agent)
            if step.span in same:
                continue
            if step.kind is Kind.MODEL:
                found.models.append(step)
            elif step.kind is Kind.TOOL:
                contents = read_contents(step, span)
                if lacks_arguments(step, contents):
                    near = askers(step, [one for one, _ in run])
                    asked = asked_arguments(step, [read_contents(one, spans_of[one.span]) for one in near])
                    contents = replace(contents, arguments=contents.arguments if asked is None else asked)
                for one in relays(step, [one for one, _ in run]):
                    given, came = relayed(step, read_contents(one, spans_of[one.span]))
                    if lacks_arguments(step, contents) and given is not None:
                        contents = replace(contents, arguments=given)
                    if lacks_result(step, contents):
                        contents = replace(contents, result=came)
                ran = step.outcome is not EffectOutcome.DID_NOT_HAPPEN and step.status is not StepStatus.ERROR
                found.tools.append(
                    Call(step.tool or "", contents.arguments, contents.result, step.status, ran)
                )
    return found


@pytest.mark.parametrize("encoding", ["pb", "json"])
@pytest.mark.parametrize("name", sorted(TRUTH))
def test_dump_gives_the_truth_or_says_unknown(name: str, encoding: str) -> None:
    truth, missing = TRUTH[name], MISSING.get(name, {})
    found = read(_load(name, encoding))
    assert found.runs == 1
    _check_models(truth, missing, found)
    _check_tokens(truth, missing, found)
    _check_tools(name, truth, missing, found)


def _check_models(truth: dict[str, Any], missing: dict[str, str], found: Outcome) -> None:
    recorded = [step for step in found.models if not step.derived]
    if "models" in missing:
        assert recorded == []
        return
    assert len(found.models) == truth["model_calls"]["logical"]
    failed = [step for step in found.models if step.status is StepStatus.ERROR]
    assert len(failed) == truth["model_calls"]["logical"] - truth["model_calls"]["succeeded"]
    for step in failed:
        assert step.error


def _check_tokens(truth: dict[str, Any], missing: dict[str, str], found: Outcome) -> None:
    recoverable, real = truth["dump"]["input_tokens_recoverable"], truth["usage_consumed_normalised"]
    if recoverable != "complete":
        assert found.total("input_tokens") is None
        assert found.total("output_tokens") is None
        return
    assert found.total("input_tokens") == real["input_tokens_including_cache"]
    if "output" not in missing:
        assert found.total("output_tokens") == real["output_tokens_including_reasoning"]
    cached, reasoning = found.total("cache_read_tokens"), found.total("reasoning_tokens")
    if "cached" not in missing:
        assert cached in (None, real["cached_input_tokens"])
    assert reasoning in (None, real["reasoning_tokens"])


def _check_tools(name: str, truth: dict[str, Any], missing: dict[str, str], found: Outcome) -> None:
    handed_over = {item["tool"] for item in truth["delegations"]}
    calls = [call for call in found.tools if call.tool not in handed_over]
    executed = [call for call in truth["tool_calls"] if call["status"] == "executed"]
    if name in LOOKS_EXECUTED:
        executed = truth["tool_calls"]
    shown = [call for call in calls if call.ran]
    if "tools" in missing:
        assert len(shown) < len(executed)
        return
    assert sorted(_plain(call.tool) for call in shown) == sorted(call["tool"] for call in executed)
    for real in executed:
        call = next(call for call in shown if _plain(call.tool) == real["tool"])
        if "args" not in missing:
            assert call.arguments == real["args"]
        elif call.arguments is not None and call.arguments != real["args"]:
            assert call.arguments in real["args"].values()
        if "results" not in missing:
            assert call.result == (real["result"] if real["status"] == "executed" else real["text_to_model"])
        else:
            assert call.result is None
    for real in truth["tool_calls"]:
        if real["status"] == "rejected_invalid_args":
            refused = [call for call in calls if not call.ran]
            assert [call.arguments for call in refused] == [real["args"]]


def _plain(tool: str) -> str:
    return tool.rpartition("__")[2]


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_agents_are_named_wherever_the_dump_names_them(name: str) -> None:
    found = read(_load(name, "pb"))
    truth = set(TRUTH[name]["agents"])
    if name.startswith(("openai.", "anthropic.", "claude")) or name in (
        "openai-agents.agentops",
        "langchain.agentops.pre",
    ):
        assert found.agents == set()  # a client's spans, or a command line's, know no agent
    elif name == "crewai.openinference":
        assert found.agents == {"Manager"}  # the coworker has no span of its own
    else:
        assert found.agents >= truth, (found.agents, truth)


def test_what_each_dump_could_not_give(capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for name in sorted(TRUTH):
        truth, found = TRUTH[name], read(_load(name, "pb"))
        reasons = [f"{what}: {why}" for what, why in MISSING.get(name, {}).items()]
        if truth["dump"]["input_tokens_recoverable"] == "none":
            reasons.append("tokens: none reported")
        if name in LOOKS_EXECUTED:
            reasons.append("denial: the refused call's span says ok")
        tokens = (found.total("input_tokens"), found.total("output_tokens"))
        rows.append(
            f"{name:42} runs {found.runs}  models {len(found.models)}  tokens {tokens}  {'; '.join(reasons)}"
        )
    with capsys.disabled():
        if os.environ.get("TALLYSTICK_TABLE"):
            print("\n" + "\n".join(rows))
    assert len(rows) == len(TRUTH)
    assert set(MISSING) <= set(TRUTH)


def test_reading_a_dump_twice_gives_the_same_steps() -> None:
    for name in sorted(TRUTH):
        first = [step for span in _load(name, "pb") for step, _ in read_span(span)]
        again = [step for span in _load(name, "json") for step, _ in read_span(span)]
        assert first == again
