"""Where in a run a text was said: the same answers from both stores (``app.reading.finding`` over ports.TextLog)."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_samples import ATTRIBUTES, SECOND, START, pair, span_id, trace_id

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.app.reading.finding import find_in_run
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.query import EVERYTHING
from tallystick.model.span import Event, Source
from tallystick.model.step import Kind, StepStatus

NOW = START + 1000 * SECOND
FILLER = "lorem ipsum " * 2_000


def find(traces, text: str, *, limit: int = 100, after: str | None = None):
    (run,) = traces.runs(EVERYTHING, now=NOW).runs
    return find_in_run(traces, run.run, text, now=NOW, limit=limit, after=after)


def fields(traces, text: str) -> list[tuple[int, str]]:
    return [(int(one["step"], 16) - 1, one["field"]) for one in find(traces, text)["matches"]]


def message(role: str, text: str) -> dict:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def test_each_field_is_named(traces):
    traces.write([
        pair(0, 0, kind=Kind.AGENT, facts={"root": True, "goal": "g"}, attributes={
            "tallystick.run.goal": "Find the needle", "tallystick.output": "the Needle is here",
        }),
        pair(0, 1, 0, kind=Kind.MODEL, attributes={
            "gen_ai.input.messages": json.dumps(
                [message("system", "needle system"), message("user", FILLER + "NEEDLE")]
            ),
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [
                {"type": "reasoning", "content": "a needle thought"}, {"type": "text", "content": "no such thing"},
            ]}]),
        }),
        pair(0, 2, 0, kind=Kind.TOOL, tool="look", attributes={
            "gen_ai.tool.call.arguments": {"what": ["needle", 4711]},
            "gen_ai.tool.call.result": '{"n": "\\u006eeedle"}',
        }),
        pair(0, 3, 0, name="needle step", status=StepStatus.ERROR, error="NeedleError",
            attributes={"k": "needle", "n": 9}),
        pair(0, 4, 0, events=(Event("exception", 1, {"exception.message": "needle broke"}),), status=StepStatus.ERROR),
        pair(0, 5, 0, source=Source({"host": "needle-1"}, "x")),
        pair(0, 6, 0, attributes={"other": "nothing"}),
    ], at=NOW)  # fmt: skip
    assert fields(traces, "needle") == [
        (0, "goal"), (0, "output"), (1, "input"), (1, "reasoning"), (1, "system"), (2, "arguments"), (2, "result"),
        (3, "error"), (3, "name"), (3, "attribute:k"), (4, "error"), (5, "attribute:host"),
    ]  # fmt: skip
    assert fields(traces, "4711") == [(2, "arguments")]
    assert fields(traces, "is HERE") == [(0, "output")]
    assert fields(traces, "9") == [(3, "attribute:n")]
    assert find(traces, "absent") == {
        "run": trace_id(0), "query": "absent", "matches": [], "searched": 7, "more": None,
    }  # fmt: skip


def test_a_match_is_shown_with_a_few_words_around_it(traces):
    traces.write([pair(0, 0, attributes={"tallystick.output": FILLER + "the Würde here" + FILLER})], at=NOW)
    (match,) = find(traces, "WÜRDE")["matches"]
    assert len(match["snippet"]) <= 200
    assert match["snippet"][match["at"] : match["at"] + match["length"]] == "Würde"


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_leave_nothing_out(traces, limit):
    traces.write([
        pair(0, number, name=f"x{number}", attributes={"a": "find me", "b": "find me too"} if number % 3 else {})
        for number in range(20)
    ], at=NOW)  # fmt: skip
    whole = find(traces, "find me")["matches"]
    found, after = [], None
    while True:
        answer = find(traces, "find me", limit=limit, after=after)
        found += answer["matches"]
        after = answer["more"]
        if after is None:
            break
        assert len(answer["matches"]) == limit
    assert found == whole
    assert len(whole) == 26


def test_where_a_long_text_was_cut_nothing_is_missed(traces):
    for shift in range(12):
        text = "a" * (4096 - 6 + shift) + "SpL1t" + "b" * 8000
        traces.write([pair(0, shift, attributes={"tallystick.output": text})], at=NOW)
    assert len(find(traces, "spl1t")["matches"]) == 12


def test_a_history_that_is_stored_once_is_found_in_every_step(traces):
    history: list[dict] = []
    for turn in range(40):
        history.append(message("user", f"question {turn} " + "x" * 60))
        traces.write(
            [pair(0, turn, kind=Kind.MODEL, attributes={"gen_ai.input.messages": json.dumps(history)})],
            at=NOW,
        )
    assert fields(traces, "question 3 ") == [(turn, "input") for turn in range(3, 40)]


@pytest.mark.parametrize("text", ["", "   ", "x" * 1001])
def test_what_cannot_be_asked(traces, text):
    traces.write([pair(0, 0)], at=NOW)
    with pytest.raises(BadInput):
        find(traces, text)
    for after in ("x", "1", "1.x", "-1.0", "9" * 30 + ".0", "٣.٣"):
        with pytest.raises(BadInput):
            find(traces, "y", after=after)
    assert find(traces, "y", after="99.5")["matches"] == []
    with pytest.raises(BadInput):
        find(traces, "y", limit=0)
    with pytest.raises(UnknownThing):
        find_in_run(traces, "nobody", "y", now=NOW, limit=1, after=None)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(
    st.lists(ATTRIBUTES, min_size=1, max_size=4),
    st.sampled_from(["hello", "x", "1", "é", "null", "true", '"', "5", "red"])
    | st.text(min_size=1, max_size=3),
)
def test_both_stores_find_the_same(tmp_path_factory, attributes, text):
    batch = [
        pair(
            0,
            number,
            kind=Kind.TOOL,
            tool="t",
            attributes=one,
            events=(Event("said", 5, {"text": "hello" * 80}),),
        )
        for number, one in enumerate(attributes)
    ]
    memory, sqlite = MemoryTraces(), SqliteTraces(tmp_path_factory.mktemp("find") / "traces.db")
    try:
        memory.write(batch, at=NOW)
        sqlite.write(batch, at=NOW)
        if text.strip():
            assert find(memory, text) == find(sqlite, text)
    finally:
        sqlite.close()
    assert span_id(0) == batch[0][0].span
