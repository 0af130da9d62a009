"""Of which version a run was, where it ran, whom it concerned and in which conversation it stood."""

from __future__ import annotations

from store_samples import SECOND, START, pair

from tallystick.model.query import parse_query
from tallystick.model.step import Kind


def found(traces, query: str) -> list[str]:
    return [run.run for run in traces.runs(parse_query(query), now=START + 60 * SECOND).runs]


def test_a_run_has_the_version_and_the_environment_of_its_first_steps_that_say_them(traces):
    traces.write([
        pair(1, 1, run="one", agent="desk", facts={"root": True}),
        pair(1, 2, 1, run="one", agent="desk", version="1.4", environment="production"),
        pair(1, 3, 1, run="one", agent="clerk", version="9", environment="dev"),
    ], at=START)  # fmt: skip
    run = traces.run("one", now=START)
    assert (run.version, run.environment) == ("1.4", "production")
    assert found(traces, "version:1.4") == found(traces, "version:desk@1.4") == ["one"]
    assert found(traces, "version:clerk@9") == ["one"]
    assert found(traces, "version:9") == found(traces, "environment:dev") == []


def test_an_earlier_step_that_comes_late_has_the_first_word(traces):
    traces.write([pair(1, 5, run="one", agent="desk", version="2", environment="dev")], at=START)
    traces.write([pair(1, 2, run="one", agent="desk", version="1", environment="production")], at=START)
    assert (traces.run("one", now=START).version, traces.run("one", now=START).environment) == (
        "1",
        "production",
    )


def test_an_end_that_says_more_than_its_start_is_counted_by_what_it_says(traces):
    traces.write([pair(1, 1, run="one", length=None, agent="desk", version="1", subject="ann")], at=START)
    traces.write([pair(1, 1, run="one", agent="desk", version="2", subject="bob")], at=START)
    assert traces.run("one", now=START).version == "2"
    assert found(traces, "subject:bob") == ["one"]
    assert found(traces, "subject:ann") == []


def test_subjects_and_conversations_lead_to_all_of_their_runs(traces):
    traces.write([
        pair(1, 1, run="one", subject="ann", conversation="talk"), pair(1, 2, 1, run="one", subject="bob"),
        pair(2, 11, run="two", subject="ann", kind=Kind.MODEL), pair(3, 21, run="three", conversation="talk"),
    ], at=START)  # fmt: skip
    assert set(found(traces, "subject:ann")) == {"one", "two"}
    assert found(traces, "subject:bob") == ["one"]
    assert set(found(traces, "conversation:talk")) == {"one", "three"}
    assert set(found(traces, "-subject:ann")) == {"three"}


def test_they_move_with_a_run_that_is_merged(traces):
    traces.write([pair(1, 1, subject="ann", links=("call:x",))], at=START)
    traces.write([pair(2, 11, subject="bob")], at=START)
    traces.write([pair(2, 12, 11, conversation="talk", links=("call:x",))], at=START)
    runs = found(traces, "subject:ann subject:bob conversation:talk")
    assert len(runs) == 1
    assert len(traces.steps(runs[0])) == 3


def test_steps_come_back_with_them(traces):
    traces.write([
        pair(1, 1, run="one", version="1", environment="dev", subject="ann", conversation="talk"),
        pair(1, 2, run="one", prompt="ab" * 8), pair(1, 3, run="one", environment="dev"),
    ], at=START)  # fmt: skip
    first, second, third = traces.steps("one")
    assert (first.version, first.environment, first.subject, first.conversation) == (
        "1",
        "dev",
        "ann",
        "talk",
    )
    assert (second.prompt, second.environment, second.subject, second.conversation) == (
        "ab" * 8,
        None,
        None,
        None,
    )
    assert (third.environment, third.version, third.classes) == ("dev", None, ())
    assert traces.seen() == []
