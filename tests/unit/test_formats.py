"""Importers: what they make of small documents, and what they say of wrong ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tallystick.app.recording.importing import BATCH, import_file, unpacked
from tallystick.model.errors import BadInput
from tallystick.model.span import Span
from tallystick.model.step import Kind, StepStatus
from tallystick.observe.contents import read_contents
from tallystick.observe.formats import FORMATS, guess
from tallystick.observe.normalise import read_span


class Book:
    """Keeps what it is given, each (trace, span) once."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.spans: dict[tuple[str, str], Span] = {}

    def record(self, spans: Sequence[Span]) -> Any:
        self.batches.append(len(spans))
        repeats = 0
        for span in spans:
            repeats += (span.trace, span.span) in self.spans
            self.spans[(span.trace, span.span)] = span
        runs = tuple({span.trace for span in spans})
        return SimpleNamespace(accepted=len(spans), repeats=repeats, rejected=(), runs=runs)


def call(identity: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


TAU: list[dict[str, Any]] = [
    {
        "task_id": 3,
        "trial": 1,
        "reward": 0.0,
        "info": {"task": {"instruction": "cancel it", "actions": []}},
        "traj": [
            {"role": "system", "content": "the policy"},
            {"role": "user", "content": "please cancel"},
            {
                "role": "assistant",
                "content": "one moment",
                "tool_calls": [call("same", "look_up", '{"id": 1}')],
            },
            {"role": "tool", "tool_call_id": "same", "name": "look_up", "content": '{"state": "paid"}'},
            {"role": "assistant", "content": None, "tool_calls": [call("same", "cancel", '{"id": 1}')]},
            {"role": "tool", "tool_call_id": "same", "name": "cancel", "content": "Error: not allowed"},
            {"role": "assistant", "content": None, "tool_calls": [call("last", "transfer", "{}")]},
        ],
    }
]
WHO: dict[str, Any] = {
    "question": "how many?",
    "question_ID": "q1",
    "is_correct": False,
    "mistake_step": "1",
    "mistake_agent": "Computer_terminal",
    "history": [
        {"role": "assistant", "name": "Expert", "content": "```python\nprint(1)\n```"},
        {
            "role": "user",
            "name": "Computer_terminal",
            "content": "exitcode: 1 (execution failed)\nCode output: x",
        },
        {"role": "assistant", "name": "Expert", "content": "TERMINATE"},
    ],
}
LANGFUSE: dict[str, Any] = {
    "trace": {"id": "0" * 31 + "a", "name": "desk", "input": '{"prompt": "refund me"}', "sessionId": "s"},
    "observations": [
        {
            "id": "r" * 8,
            "parentObservationId": None,
            "type": "AGENT",
            "name": "desk",
            "startTime": "2025-01-01T00:00:00.000Z",
            "endTime": "2025-01-01T00:00:02.000001Z",
            "input": None,
            "output": None,
            "level": "DEFAULT",
            "metadata": '{"attributes": {"gen_ai.agent.name": "desk"}}',
        },
        {
            "id": "g",
            "parentObservationId": "r" * 8,
            "type": "GENERATION",
            "name": "chat",
            "startTime": "2025-01-01T00:00:00.500Z",
            "endTime": "2025-01-01T00:00:01Z",
            "model": "gpt-x",
            "input": '[{"role": "user", "content": "refund me"}]',
            "output": {"role": "assistant", "content": "done"},
            "usageDetails": {"input": 179, "output": 35, "output_reasoning": 64, "total": 278},
            "costDetails": {"total": 0.1},
            "totalCost": 0.1,
        },
        {
            "id": "t",
            "parentObservationId": "r" * 8,
            "type": "TOOL",
            "name": "refund",
            "startTime": "2025-01-01T00:00:01Z",
            "endTime": "2025-01-01T00:00:02Z",
            "input": '{"order": 7}',
            "output": '"paid back"',
            "level": "ERROR",
            "statusMessage": "no",
        },
    ],
}


def run_of(name: str, document: Any) -> list[tuple[Any, Any]]:
    (recorded,) = FORMATS[name].read(document)
    steps = [read_span(span)[0] for span in recorded.spans]
    assert all(len(read_span(span)) == 1 for span in recorded.spans)
    assert {step.run for step, _ in steps} == {recorded.run}
    return [(step, read_contents(step, span)) for step, span in steps]


def test_tau_bench_shows_every_message_call_and_result() -> None:
    steps = run_of("tau-bench", TAU)
    assert [(step.kind, step.status) for step, _ in steps] == [
        (Kind.AGENT, StepStatus.OK),
        (Kind.HUMAN, StepStatus.OK),
        (Kind.MODEL, StepStatus.OK),
        (Kind.TOOL, StepStatus.OK),
        (Kind.MODEL, StepStatus.OK),
        (Kind.TOOL, StepStatus.ERROR),
        (Kind.MODEL, StepStatus.OK),
        (Kind.TOOL, StepStatus.UNKNOWN),
    ]
    root, human, model, looked, _, cancelled, _, transferred = steps
    assert root[0].facts == {
        "root": True,
        "goal": "please cancel",
        "status": "failed",
        "source": "tau-bench",
        "steps": 8,
    }
    assert root[1].system == "the policy"
    assert human[1].output == "please cancel"
    assert model[1].output == "one moment"
    assert model[0].usage.input_tokens is None
    assert (looked[1].arguments, looked[1].result) == ({"id": 1}, {"state": "paid"})
    assert (cancelled[1].arguments, cancelled[1].result) == (
        {"id": 1},
        "Error: not allowed",
    )  # ids repeat in a run
    assert (transferred[0].tool, transferred[1].result, transferred[0].derived) == ("transfer", None, True)
    assert [step.seq for step, _ in steps] == list(range(1, 9))
    assert {step.started for step, _ in steps} == {0}


def test_who_and_when_gives_each_entry_to_its_speaker() -> None:
    root, first, terminal, last = run_of("who-and-when", WHO)
    assert root[0].facts["status"] == "failed"
    assert [step.agent for step, _ in (first, terminal, last)] == ["Expert", "Computer_terminal", "Expert"]
    assert (terminal[0].kind, terminal[0].status) == (Kind.TOOL, StepStatus.ERROR)
    assert terminal[1].result.endswith("Code output: x")
    assert last[1].output == "TERMINATE"


def test_langfuse_keeps_its_cost_apart_and_adds_disjoint_usage() -> None:
    root, model, tool = run_of("langfuse", LANGFUSE)
    assert (root[0].kind, root[0].agent, root[0].parent) == (Kind.AGENT, "desk", None)
    assert root[0].facts["goal"] == "refund me"
    assert root[0].ended - root[0].started == 2_000_001_000
    assert (model[0].usage.input_tokens, model[0].usage.output_tokens, model[0].usage.reasoning_tokens) == (
        179,
        99,
        64,
    )
    assert (model[0].cost_nano, model[0].model, model[1].output) == (None, "gpt-x", "done")
    assert (tool[0].tool, tool[0].status, tool[1].arguments, tool[1].result) == (
        "refund",
        StepStatus.ERROR,
        {"order": 7},
        "paid back",
    )
    assert tool[0].parent == root[0].span


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {"input": 100, "output": 20, "total": 120, "input_cache_read": 40},
            (100, 20, 40),
        ),  # inside the input
        ({"input": 60, "output": 20, "total": 120, "input_cache_read": 40}, (100, 20, 40)),  # beside it
        (
            {"input": 60, "output": 20, "total": 99, "input_cache_read": 40},
            (None, None, None),
        ),  # adds up to nothing
        ({"input": 60, "output": 20, "input_cache_read": 40}, (100, 20, 40)),  # the source's own rule
        ({}, (None, None, None)),
        (None, (None, None, None)),
        ({"input": True, "output": "20"}, (None, None, None)),
    ],
)
def test_langfuse_usage_is_inclusive_or_unknown(usage: Any, expected: tuple[Any, ...]) -> None:
    document = json.loads(json.dumps(LANGFUSE))
    document["observations"][1]["usageDetails"] = usage
    got = run_of("langfuse", document)[1][0].usage
    assert (got.input_tokens, got.output_tokens, got.cache_read_tokens) == expected


@pytest.mark.parametrize(
    ("name", "document"), [("tau-bench", TAU), ("who-and-when", WHO), ("langfuse", LANGFUSE)]
)
def test_importing_twice_adds_nothing(name: str, document: Any) -> None:
    book = Book()
    content = gzip.compress(json.dumps(document).encode())
    seen: list[tuple[int, int]] = []
    first = import_file(book, "f.gz", name, content, lambda done, total: seen.append((done, total)))
    again = import_file(book, "f.gz", name, content, lambda done, total: None)
    assert first["runs"] == again["runs"] == 1
    assert (first["added"], first["repeats"]) == (first["steps"], 0)
    assert (again["added"], again["repeats"]) == (0, first["steps"])
    assert (seen[0], seen[-1]) == ((0, 1), (1, 1))
    assert guess(json.dumps(document).encode()) == name


def test_runs_are_written_in_batches_and_never_cut() -> None:
    document = [{**TAU[0], "trial": number} for number in range(200)]
    book = Book()
    got = import_file(book, "f", "tau-bench", json.dumps(document).encode(), lambda done, total: None)
    assert got["runs"] == 200
    assert sum(book.batches) == 1_600
    assert all(BATCH <= size < BATCH + 8 for size in book.batches[:-1])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tau-bench", b"{}", "f: the file: expected a list of runs"),
        (
            "tau-bench",
            b'[{"task_id": "x", "reward": 1, "traj": []}]',
            "run 0: task_id: expected a whole number, found text",
        ),
        ("tau-bench", b'[{"task_id": 1, "reward": true, "traj": []}]', "run 0: reward: expected a number"),
        ("tau-bench", b'[{"task_id": 1, "reward": 1, "traj": [5]}]', "run 0, message 0: expected an object"),
        (
            "tau-bench",
            b'[{"task_id": 1, "reward": 1, "traj": [{"role": "assistant", "tool_calls": [{}]}]}]',
            "tool_calls[0].function",
        ),
        ("tau-bench", b'[{"task_id": 1,\n "reward"', "not JSON at line 2, column"),
        ("tau-bench", b"[NaN]", "NaN is not JSON"),
        ("tau-bench", b"\xff\xfe", "not UTF-8 text at byte 0"),
        ("who-and-when", b'{"history": {}}', "the file: history: expected a list"),
        ("who-and-when", b'{"history": [{"name": "x"}]}', "history[0].content: expected text, found null"),
        ("langfuse", b"[]", "expected an object with trace and observations"),
        (
            "langfuse",
            b'{"trace": {"id": "x"}, "observations": [{"id": "a", "type": "SPAN", "startTime": "soon"}]}',
            "'soon' is not an ISO 8601 time",
        ),
        ("langfuse", b"\x1f\x8bbroken", "a damaged gzip file"),
        ("jaeger", b'{"data": [{"spans": [5]}]}', "data[0].spans[0]: expected an object with traceID"),
        (
            "jaeger",
            b'{"data": [{"spans": [{"traceID": "x", "startTime": 1}]}]}',
            "data[0].spans[0].traceID: 'x' is not an id of 32 hex digits",
        ),
        (
            "jaeger",
            b'{"data": [{"spans": [{"traceID": "a", "startTime": -1}]}]}',
            "startTime: -1 microseconds are not a time",
        ),
        (
            "tempo",
            b'{"batches": [{}]}',
            "batches[0].instrumentationLibrarySpans: expected a list, found null",
        ),
        (
            "tempo",
            b'{"batches": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "soon"}]}]}]}',
            "startTimeUnixNano: expected a whole number of nanoseconds, found text",
        ),
    ],
)
def test_a_file_of_the_wrong_shape_is_refused_whole(name: str, content: bytes, said: str) -> None:
    book = Book()
    with pytest.raises(BadInput) as caught:
        import_file(book, "f", name, content, lambda done, total: None)
    assert said in caught.value.message
    assert book.batches == []


def test_errors_point_to_the_right_format() -> None:
    with pytest.raises(BadInput) as caught:
        import_file(Book(), "f.json", "tau-bench", json.dumps(WHO).encode(), lambda done, total: None)
    assert caught.value.hint == "this looks like who-and-when: tally runs import who-and-when f.json"
    with pytest.raises(BadInput) as caught:
        import_file(Book(), "f", "taubench", b"", lambda done, total: None)
    assert caught.value.hint == "did you mean tau-bench?"
    with pytest.raises(BadInput):
        import_file(Book(), "f", "otlp", b"{}", lambda done, total: None)


def test_gzip_is_unpacked_within_bounds() -> None:
    assert unpacked(gzip.compress(b"one") + gzip.compress(b"two"), "f") == b"onetwo"
    assert unpacked(b"plain", "f") == b"plain"
    with pytest.raises(BadInput, match="too early"):
        unpacked(gzip.compress(b"x" * 10_000)[:-12], "f")


def test_otlp_goes_through_the_given_decoder() -> None:
    span = FORMATS["who-and-when"].read(WHO)
    spans = next(iter(span)).spans
    book = Book()
    got = import_file(
        book,
        "f",
        "otlp",
        b'{"resourceSpans": []}',
        lambda done, total: None,
        decode_otlp=lambda content: spans,
    )
    assert got["steps"] == len(spans)
    assert guess(b'{"resourceSpans": []}') == "otlp"
    assert guess(b"\x0a\x03abc") == "otlp"
    assert guess(b"nothing") is None
