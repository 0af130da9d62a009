"""What every trace store must do (ports.TraceStore)."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from store_samples import SECOND, SOURCE, START, pair, span_id, trace_id

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.query import EVERYTHING, parse_query
from tallystick.model.run import Completeness, RunStatus
from tallystick.model.span import Event, Link, Source
from tallystick.model.step import Effect, EffectOutcome, Kind, StepStatus
from tallystick.model.usage import Usage
from tallystick.ports import Change

NOW = START + 1000 * SECOND


def only_run(traces, now=NOW):
    page = traces.runs(EVERYTHING, now=now)
    assert page.total == 1
    return page.runs[0]


def test_a_step_and_its_span_come_back_as_they_went_in(traces):
    step, span = pair(
        0, 0, kind=Kind.TOOL, agent="refunds", workflow="support", tool="refund", call_id="call-1", provider="openai",
        model="m", response_id="r", usage=Usage(1, 2, 3, 4, 5), exclusive_input=True, cost_nano=7, error="Timeout",
        effect=Effect.IRREVERSIBLE, outcome=EffectOutcome.IN_DOUBT, decision="hold", seq=3, dropped=2,
        links=("conversation:7",), facts={"goal": "sell", "root": True}, status=StepStatus.HELD,
        attributes={
            "text": "é" * 500, "bytes": b"\x00" * 300, "list": [1, "two", [3.5, None]], "map": {"a": {"b": b"x"}},
            "none": None, "true": True, "big": 2**63 - 1, "small": -(2**63), "float": -0.0, "": "empty name",
        },
        events=(Event("retry", 5, {"why": "w" * 400}),), span_links=(Link(trace_id(5), span_id(5), {"k": "v"}),),
    )  # fmt: skip
    span.status_message = "broken"
    span.kind = 3
    span.name = "another name than the step's"
    traces.write([(step, span)], at=NOW)
    run = only_run(traces)
    (back,) = traces.steps(run.run)
    step.run = run.run
    assert back == step
    assert traces.spans(run.run) == {span.span: span}
    assert traces.spans(run.run, [span.span, "0" * 16, "no id"]) == {span.span: span}


@pytest.mark.parametrize(
    "value",
    [
        '[{"role": "user", "content": "' + "x" * 300 + '"}, {"role": "assistant"}]',
        '[{"a":1},{"b":2}]' + " " * 300,  # whitespace that splitting would lose
        "[" + ",".join(f'{{"n":{n},"t":"{"y" * 60}"}}' for n in range(70)) + "]",
        "[" + ", ".join("1.0e5" for _ in range(200)) + "]",
        '[{"k":"\\u00e9"}, {"k":1},{"k":2}]' + "z" * 300,
        "[" * 5000 + "]" * 5000,
        '["broken' + "x" * 400 + "]",
        "p" * 100_000,
        "\ud800 unpaired" + "x" * 300,
        10**30,
        -(10**25),
        [10**30, {"deep": ["\udfff"]}],
    ],
    ids=lambda value: str(value)[:20].encode("ascii", "replace").decode(),
)
def test_odd_values_come_back_exactly(traces, value):
    step, span = pair(0, 0, attributes={"v": value, "again": value})
    traces.write([(step, span)], at=NOW)
    assert traces.spans(trace_id(0))[span.span].attributes == {"v": value, "again": value}


def test_repeats_change_nothing(traces):
    batch = [pair(0, 0), pair(0, 1, 0)]
    first = traces.write(batch, at=NOW)
    assert (first.steps, first.repeats, first.runs) == (2, 0, (trace_id(0),))
    before = only_run(traces)
    changed = [pair(0, 0, name="changed", status=StepStatus.ERROR), pair(0, 1, 0), pair(0, 1, 0)]
    again = traces.write(changed, at=NOW + SECOND)
    assert (again.steps, again.repeats, again.runs) == (0, 3, ())
    assert only_run(traces) == before
    assert traces.changes(0) == [Change(1, trace_id(0))]


def test_an_empty_batch_is_nothing(traces):
    written = traces.write([], at=NOW)
    assert (written.steps, written.repeats, written.runs) == (0, 0, ())


def test_start_and_end_records_are_one_step(traces):
    traces.write([pair(0, 0, length=None, run="r", facts={"root": True, "start_record": True})], at=NOW)
    run = only_run(traces)
    assert (run.status, run.completeness, run.steps) == (RunStatus.RUNNING, Completeness.OPEN, 1)
    ended = pair(
        0, 0, run="r", attributes={"said": "x" * 999}, facts={"root": True, "status": "ok", "steps": 0}
    )
    assert traces.write([ended], at=NOW).steps == 1
    late = pair(0, 0, length=None, run="r", facts={"root": True, "alive": 99})
    assert traces.write([late], at=NOW).repeats == 1
    run = only_run(traces)
    assert (run.status, run.completeness, run.steps) == (RunStatus.OK, Completeness.COMPLETE, 1)
    assert run.ended == START + SECOND
    assert traces.spans("r")[span_id(0)].attributes == {"said": "x" * 999}


def test_stamped_run_ids_win_over_traces(traces):
    traces.write([pair(0, 0, run="mine"), pair(1, 1, run="mine"), pair(1, 2, run="other")], at=NOW)
    assert {step.span for step in traces.steps("mine")} == {span_id(0), span_id(1)}
    assert {step.span for step in traces.steps("other")} == {span_id(2)}


def test_unstamped_steps_follow_their_trace_into_a_stamped_run(traces):
    traces.write([pair(0, 0)], at=NOW)
    assert only_run(traces).run == trace_id(0)
    traces.write([pair(0, 1, 0, run="mine")], at=NOW)
    assert only_run(traces).run == "mine"
    assert len(traces.steps(trace_id(0))) == 2  # the old id still leads there
    assert traces.resolve(trace_id(0)[:31]) == "mine"


def test_links_join_traces_and_later_ones_merge_runs(traces):
    traces.write([pair(0, 0, links=("conversation:1",), cost_nano=5)], at=NOW)
    traces.write([pair(1, 1, links=("conversation:2",), cost_nano=7)], at=NOW)
    assert traces.runs(EVERYTHING, now=NOW).total == 2
    traces.write([pair(2, 2, links=("conversation:1", "conversation:2"), cost_nano=11)], at=NOW)
    run = only_run(traces)
    assert run.run == trace_id(0)  # the oldest keeps its id
    assert (run.steps, run.cost_nano) == (3, 23)
    assert {step.run for step in traces.steps(run.run)} == {run.run}
    assert len(traces.spans(trace_id(1))) == 3


def test_links_never_join_two_stamped_runs(traces):
    traces.write(
        [pair(0, 0, run="a", links=("conversation:1",)), pair(1, 1, run="b", links=("conversation:1",))],
        at=NOW,
    )
    assert traces.runs(EVERYTHING, now=NOW).total == 2


def test_the_order_and_split_of_arrival_do_not_matter(traces):
    records = [pair(t, 10 * t + n, 10 * t if n else None, kind=Kind.MODEL if n % 2 else Kind.TOOL,
                    usage=Usage(n, 2 * n),
                    cost_nano=n, agent="a", tool="t", model="m", links=("conversation:1",) if t == 2 else ())
               for t in range(3) for n in range(8)]  # fmt: skip
    whole = MemoryTraces()
    whole.write(records, at=NOW)
    random.Random(7).shuffle(records)
    for start in range(0, len(records), 5):
        traces.write(records[start : start + 5], at=NOW)
    expected = {run.run: run for run in whole.runs(EVERYTHING, now=NOW).runs}
    found = traces.runs(EVERYTHING, now=NOW).runs
    assert {run.run: replace(run, archived=False) for run in found} == expected


def test_totals_are_unknown_as_soon_as_one_call_did_not_report(traces):
    traces.write([
        pair(0, 9),
        pair(0, 0, 9, kind=Kind.MODEL, usage=Usage(10, 5, None, None, 0), cost_nano=100),
        pair(0, 1, 9, kind=Kind.MODEL, usage=Usage(20, None, 4), cost_gap="partial usage"),
        pair(0, 2, 9, kind=Kind.MODEL, status=StepStatus.ERROR),  # failed without usage: not billed, no gap
    ], at=NOW)  # fmt: skip
    run = only_run(traces)
    assert run.usage == Usage(30, None, None, None, None)
    assert run.usage_known == Usage(30, 5, 4, None, None)
    assert (run.usage_gaps, run.model_calls, run.errors) == (1, 3, 1)
    assert (run.cost_nano, run.cost_gaps, run.total_cost_nano) == (100, 1, None)


def test_a_repeated_call_is_shown_and_not_counted(traces):
    traces.write(
        [pair(0, 0, kind=Kind.MODEL, response_id="resp-1", usage=Usage(5, 5), cost_nano=9, model="m")], at=NOW
    )
    traces.write(
        [
            pair(
                0,
                1,
                kind=Kind.MODEL,
                response_id="resp-1",
                usage=Usage(5, 5),
                cost_nano=9,
                scope="two",
                model="m",
            )
        ],
        at=NOW,
    )
    run = only_run(traces)
    assert (run.steps, run.model_calls, run.cost_nano, run.usage.input_tokens) == (2, 1, 9, 5)
    assert sorted(step.same_as is not None for step in traces.steps(run.run)) == [False, True]
    (row,) = traces.spend("model", EVERYTHING, now=NOW)
    assert (row.key, row.cost_nano, row.input_tokens) == ("m", 9, 5)


def test_an_outer_layer_is_found_when_it_comes_later(traces):
    traces.write([pair(0, 1, 0, kind=Kind.MODEL, usage=Usage(5, 5), cost_nano=9)], at=NOW)
    traces.write([pair(0, 0, kind=Kind.MODEL, usage=Usage(5, 5), cost_nano=9)], at=NOW)
    run = only_run(traces)
    assert (run.model_calls, run.cost_nano) == (1, 9)


def test_missing_numbers_make_a_run_lossy(traces):
    root = pair(0, 0, run="r", seq=1, facts={"root": True, "status": "ok", "steps": 4})
    traces.write([root, pair(0, 1, 0, run="r", seq=2), pair(0, 3, 0, run="r", seq=4)], at=NOW)
    run = only_run(traces)
    assert (run.completeness, run.missing, run.status) == (Completeness.LOSSY, 1, RunStatus.OK)
    traces.write([pair(0, 2, 0, run="r", seq=3)], at=NOW)
    run = only_run(traces)
    assert (run.completeness, run.missing) == (Completeness.COMPLETE, 0)


def test_what_senders_dropped_makes_a_run_lossy(traces):
    traces.write([pair(0, 0, dropped=3)], at=NOW)
    traces.write([pair(1, 1, facts={"lost": 2})], at=NOW)
    found = {run.run: (run.completeness, run.missing) for run in traces.runs(EVERYTHING, now=NOW).runs}
    assert found == {trace_id(0): (Completeness.LOSSY, 0), trace_id(1): (Completeness.LOSSY, 2)}


def test_a_run_without_our_sdk_is_open_until_its_root_came(traces):
    traces.write([pair(0, 1, 0), pair(0, 2, 1)], at=NOW)
    assert only_run(traces).completeness is Completeness.OPEN
    late = only_run(traces, now=NOW + 121 * SECOND)
    assert (late.completeness, late.missing, late.status) == (Completeness.LOSSY, 1, RunStatus.UNKNOWN)
    traces.write([pair(0, 0)], at=NOW + 500 * SECOND)
    run = only_run(traces, now=NOW + 500 * SECOND)
    assert (run.completeness, run.status) == (Completeness.COMPLETE, RunStatus.OK)


def test_a_dead_process_is_a_crashed_run_and_data_brings_it_back(traces, processes):
    facts = {"root": True, "process": "host/boot/1/2", "goal": "Sell"}
    call = pair(0, 1, 0, run="r", length=None, kind=Kind.MODEL)
    traces.write([pair(0, 0, run="r", length=None, facts=facts), call], at=NOW)
    processes["host/boot/1/2"] = True
    assert only_run(traces, now=NOW + 10**6 * SECOND).completeness is Completeness.OPEN  # silent, yet alive
    cursor = traces.changes(-1)[0].cursor
    processes["host/boot/1/2"] = False
    run = only_run(traces)
    assert (run.completeness, run.status, run.goal) == (Completeness.CRASHED, RunStatus.CRASHED, "Sell")
    assert run.usage_gaps == 1  # the call that was cut off: nobody knows what it cost
    assert run.total_cost_nano is None
    assert [change.run for change in traces.changes(cursor)] == ["r"]
    assert traces.runs(parse_query("status:crashed"), now=NOW).total == 1
    done = pair(0, 0, run="r", facts={**facts, "status": "failed"})
    traces.write([done, pair(0, 1, 0, run="r", kind=Kind.MODEL, usage=Usage(1, 1), cost_nano=1)], at=NOW)
    run = only_run(traces)
    assert (run.completeness, run.status, run.cost_gaps) == (Completeness.COMPLETE, RunStatus.FAILED, 0)


def test_silence_counts_where_nobody_can_ask(traces):
    facts = {"root": True, "process": "elsewhere/b/1/2", "alive": 1}
    traces.write([pair(0, 0, run="r", length=None, facts=facts)], at=NOW)
    assert only_run(traces, now=NOW + 119 * SECOND).completeness is Completeness.OPEN
    sign = pair(0, 0, run="r", length=None, facts={**facts, "alive": 2})
    traces.write([sign], at=NOW + 119 * SECOND)
    assert only_run(traces, now=NOW + 200 * SECOND).completeness is Completeness.OPEN
    assert only_run(traces, now=NOW + 240 * SECOND).completeness is Completeness.CRASHED


def test_runs_are_listed_newest_first_and_in_pages(traces):
    for number in range(7):
        traces.write([pair(number, number)], at=NOW)
    traces.write([pair(50, 50, started=0, length=0)], at=START + 3 * SECOND + 1)  # no time: sorts by arrival
    seen, before = [], None
    while True:
        page = traces.runs(EVERYTHING, now=NOW, limit=3, before=before)
        assert page.total == 8
        if not page.runs:
            break
        seen += [run.run for run in page.runs]
        before = seen[-1]
    assert seen == [trace_id(number) for number in (6, 5, 4, 50, 3, 2, 1, 0)]


def test_prefixes_resolve(traces):
    traces.write([pair(0, 0, run="alpha-1"), pair(1, 1, run="alpha-2"), pair(0xABC, 2)], at=NOW)
    assert traces.resolve("alpha-1") == "alpha-1"
    assert traces.resolve(trace_id(0)) == "alpha-1"  # a trace id leads to its run
    for prefix in ("alpha", "", "nothing", "%"):
        with pytest.raises(UnknownThing):
            traces.resolve(prefix)
    for call in (traces.steps, traces.spans, lambda run: traces.run(run, now=NOW)):
        with pytest.raises(UnknownThing):
            call("nothing")


def test_steps_come_by_time_then_number_then_arrival(traces):
    traces.write([pair(0, 3, started=0, length=0, seq=2), pair(0, 2, started=0, length=0),
                  pair(0, 1, started=0, length=0, seq=1), pair(0, 0, started=0, length=0)], at=NOW)  # fmt: skip
    assert [step.span for step in traces.steps(trace_id(0))] == [span_id(number) for number in (1, 3, 2, 0)]


def test_spend_rows_add_up_and_stand_dearest_first(traces):
    traces.write([
        pair(0, 0, agent="boss", workflow="support", kind=Kind.AGENT),
        pair(0, 1, 0, agent="boss", kind=Kind.MODEL, model="m", cost_nano=5, usage=Usage(3, 4)),
        pair(0, 2, 0, agent="clerk", kind=Kind.TOOL, tool="lookup", cost_nano=9),
        pair(0, 3, 0, kind=Kind.MODEL, model="m", cost_gap="no price"),
    ], at=NOW)  # fmt: skip
    found = {row.key: row for row in traces.spend("agent", EVERYTHING, now=NOW)}
    assert list(found) == ["clerk", "boss"]
    assert (found["boss"].cost_nano, found["boss"].unknown, found["boss"].steps) == (
        5,
        1,
        3,
    )  # with the nameless step
    tools = traces.spend("tool", EVERYTHING, now=NOW)
    assert [(row.key, row.cost_nano) for row in tools] == [("lookup", 9), (None, 5)]
    assert [row.key for row in traces.spend("workflow", EVERYTHING, now=NOW)] == ["support"]
    assert traces.spend("run", parse_query("agent:nobody"), now=NOW) == []
    with pytest.raises(BadInput):
        traces.spend("moon", EVERYTHING, now=NOW)


def test_sightings(traces):
    traces.write([pair(0, 0, agent="old"), pair(1, 5, agent="new", status=StepStatus.ERROR)], at=NOW)
    found = traces.sightings("agent")
    assert [(one.name, one.runs, one.steps, one.errors) for one in found] == [
        ("new", 1, 1, 1),
        ("old", 1, 1, 0),
    ]
    assert (found[1].first, found[1].last) == (START, START + SECOND)
    assert traces.sightings("tool") == []
    with pytest.raises(BadInput):
        traces.sightings("moon")


def test_changes_have_one_growing_cursor(traces):
    assert traces.changes(-1) == [Change(0, "")]
    traces.write([pair(0, 0), pair(1, 1)], at=NOW)
    traces.write([pair(0, 2, 0)], at=NOW)
    changes = traces.changes(0)
    assert [change.run for change in changes] == [trace_id(1), trace_id(0)]
    assert [change.cursor for change in changes] == sorted(change.cursor for change in changes)
    assert traces.changes(changes[0].cursor) == changes[1:]
    assert traces.changes(changes[-1].cursor) == []
    assert traces.changes(0, limit=1) == changes[:1]


def test_sources_are_kept_apart(traces):
    other = Source({"service.name": "desk", "n": 1}, "scope", "2", "https://schema")
    traces.write([pair(0, 0), pair(0, 1, 0, source=other), pair(0, 2, 0)], at=NOW)
    spans = traces.spans(trace_id(0))
    assert [spans[span_id(number)].source for number in range(3)] == [SOURCE, other, SOURCE]


def test_info_counts(traces):
    traces.write([pair(0, 0)], at=NOW)
    info = traces.info()
    assert (info["runs"], info["steps"]) == (1, 1)
    assert {"path", "schema", "bytes"} <= info.keys()
