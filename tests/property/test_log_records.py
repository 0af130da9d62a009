"""Spans and log records of one run, in any order, twice, in any batches: the same run, each call counted once."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.app.reading.read import Reader
from tallystick.app.recording.record import Recorder
from tallystick.cost.rates import RateCard
from tallystick.model.log import LogRecord
from tallystick.model.span import Source, Span
from tallystick.observe.logs import span_of
from tallystick.testing import FakeClock, memory_stores

TRACE, SECOND = "ab" * 16, 1_000_000_000
AT = 1_700_000_000 * SECOND
DESK = Source({"service.name": "desk"}, "opentelemetry.instrumentation.openai_v2")
CHAT = {
    "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 5,
}  # fmt: skip
TOOL = {
    "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather", "gen_ai.tool.call.id": "call_1",
}  # fmt: skip


def a_span(number: int, parent: int | None, began: int, ended: int, **attributes: Any) -> Span:
    above = None if parent is None else f"{parent:016x}"
    return Span(
        TRACE, f"{number:016x}", above, f"span {number}", AT + began * SECOND, AT + ended * SECOND, DESK,
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
    )  # fmt: skip


def a_record(event: str, span: int, at: int, body: Any = None, **attributes: Any) -> Span:
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return span_of(
        LogRecord(
            TRACE, f"{span:016x}", event, AT + at * SECOND, 0, DESK, body=body, attributes=named,
            severity=17 if event == "failed" else 9,
        )
    )  # fmt: skip


CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
SPANS = [
    a_span(1, None, 0, 20, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="desk"),
    a_span(2, 1, 1, 4, **CHAT),
    a_span(
        3, 1, 5, 6, **TOOL
    ),
    a_span(4, 1, 7, 9, **CHAT),
]  # fmt: skip
LOGS = [
    a_record("gen_ai.system.message", 2, 1, {"content": "Be kind."}, gen_ai__system="openai"),
    a_record("gen_ai.user.message", 2, 2, {"content": "weather?"}, gen_ai__system="openai"),
    a_record("gen_ai.choice", 2, 4, {"index": 0, "message": {"role": "assistant", "tool_calls": [CALL]}}),
    a_record(
        "gen_ai.client.inference.operation.details", 4, 9, None, **CHAT,
        gen_ai__input__messages=[{"role": "user", "parts": [{"type": "text", "content": "and?"}]}],
        gen_ai__output__messages=[{"role": "assistant", "parts": [{"type": "text", "content": "21C"}]}],
    ),
    a_record("gen_ai.evaluation.result", 4, 10, gen_ai__evaluation__name="kind", gen_ai__evaluation__score__value=1.0),
    a_record("tool said", 3, 6, gen_ai__tool__call__result="21C", gen_ai__tool__name="weather",
             gen_ai__tool__call__id="call_1"),
    a_record("failed", 1, 12, exception__type="Oops", exception__message="no"),
]  # fmt: skip


def shown(batches: list[list[Span]]) -> dict[str, Any]:
    stores = memory_stores()
    recorder = Recorder(stores.traces, RateCard({}), FakeClock())
    for batch in batches:
        recorder.record(batch)
    reader = Reader(stores.traces, stores.control, FakeClock())
    (run,) = reader.runs()["runs"]
    found = reader.run(run["run"])
    # Steps that began at one moment stand in the order in which they came.
    return found | {"steps": sorted(found["steps"], key=lambda step: (step["started"], step["step"]))}


def test_a_run_told_in_spans_and_records() -> None:
    run = shown([SPANS, LOGS])
    totals = run["totals"]
    assert (totals["model_calls"], totals["tool_calls"], totals["usage"]["input_tokens"]) == (2, 1, 20)
    assert (run["run"]["completeness"], run["run"]["status"], run["run"]["steps"]) == ("complete", "ok", 11)
    steps = {step["name"]: step for step in run["steps"]}
    assert steps["span 4"]["output"] == "21C"
    assert steps["span 3"]["result"] == "21C"
    assert steps["gen_ai.evaluation.result"]["kind"] == "evaluation"
    assert (steps["failed"]["status"], steps["failed"]["error"]) == ("error", "Oops: no")
    (told,) = (step for step in run["steps"] if step["name"] == "span 2")
    assert told["output"][0]["parts"][0]["name"] == "weather"
    assert {step["name"]: step["same_as"] for step in run["steps"] if step["same_as"]} == {
        "gen_ai.client.inference.operation.details": f"{4:016x}",
        "tool said": f"{3:016x}",
    }


def test_records_alone_tell_the_calls() -> None:
    totals = shown([LOGS])["totals"]
    assert (totals["model_calls"], totals["tool_calls"], totals["usage"]["input_tokens"]) == (1, 1, 10)


def test_a_record_that_knows_the_tokens_counts_before_a_span_that_does_not() -> None:
    silent = a_span(4, 1, 7, 9, gen_ai__operation__name="chat", gen_ai__request__model="m")
    totals = shown([[SPANS[0], silent], [LOGS[3]]])["totals"]
    assert (totals["model_calls"], totals["usage"]["input_tokens"], totals["usage_gaps"]) == (1, 10, 0)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_order_any_batches_any_repeats(data: st.DataObject) -> None:
    every = [*SPANS, *LOGS]
    order = data.draw(st.permutations(every + data.draw(st.lists(st.sampled_from(every), max_size=6))))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order)), max_size=6)))
    batches = [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    assert shown(batches) == shown([every])
