"""Two runs held against each other: what counts as different, where they part, and why."""

from __future__ import annotations

import pytest
from compare_kit import SECOND, START, Story, refund

from tallystick.model.span import Source
from tallystick.observe.compare import Compared, compare


def ops(found: Compared) -> list[str]:
    return [row.op for row in found.rows]


def fields(found: Compared) -> list[str]:
    return [change.field for row in found.rows for change in row.changes]


def test_the_same_story_twice_has_no_difference_whatever_the_ids() -> None:
    found = compare(refund(1).told, refund(2).told)
    assert set(ops(found)) == {"same"}
    assert (found.first, found.cause, found.notes) == (None, None, ())


def test_numbers_that_mean_the_same_are_the_same_and_true_is_not_one() -> None:
    assert set(ops(compare(refund(1, amount=21).told, refund(2, amount=21.0).told))) == {"same"}
    found = compare(refund(1, amount=1).told, refund(2, amount=True).told)
    assert "arguments.amount" in fields(found)


def test_a_model_that_answers_otherwise_is_where_they_part() -> None:
    found = compare(refund(1, amount=40).told, refund(2, amount=400).told)
    assert found.first is not None
    row = found.rows[found.first]
    assert (row.op, row.a and row.a.step.kind, found.cause and found.cause.kind) == (
        "changed",
        "model",
        "answer",
    )
    tool = found.rows[found.first + 1]
    assert [(one.field, one.a, one.b) for one in tool.changes] == [("arguments.amount", 40, 400)]


def test_a_tool_that_brings_something_else_is_named_and_not_the_agent_around_it() -> None:
    found = compare(refund(1).told, refund(2, found="open", said="It was never paid.").told)
    assert found.first is not None
    row = found.rows[found.first]
    assert (row.a and row.a.step.tool, found.cause and found.cause.kind) == ("find", "result")
    assert fields(found)[0] == "result.state"


def test_another_prompt_explains_what_follows_and_is_told_once() -> None:
    prompt = {"gen_ai.system_instructions": "Be kind."}
    one, two = Story(1), Story(2)
    for story, text in ((one, "Be kind."), (two, "Be strict.")):
        top = story.agent("desk")
        for _ in range(3):
            story.model(top, [("user", "hi")], "hello", **{**prompt, "gen_ai.system_instructions": text})
    found = compare(one.told, two.told)
    assert fields(found) == ["system"]
    assert found.cause
    assert found.cause.kind == "prompt"
    assert "2 differences only repeat" in found.notes[0]


def test_a_step_more_does_not_make_the_rest_different() -> None:
    one, two = refund(1), Story(2)
    top = two.agent("refunds")
    two.tool(top, "greet", {}, "hello")
    for span in refund(3).spans[1:]:
        two.spans.append(span)
        span.parent = top
    found = compare(one.told, two.told)
    assert ops(found).count("only b") == 1
    assert set(ops(found)) == {"same", "only b"}
    assert found.cause
    assert found.cause.kind == "only b"


def test_calls_that_ran_at_the_same_time_have_no_order() -> None:
    one, two = Story(1), Story(2)
    for story, names in ((one, "abc"), (two, "cab")):
        top, begin = story.agent("desk"), START + SECOND
        for at, name in enumerate(names):
            story.tool(top, name, {"n": name}, name, at=begin + at, took=SECOND)
    found = compare(one.told, two.told)
    assert set(ops(found)) == {"same"}
    assert found.first is None


def test_calls_one_after_the_other_in_another_order_are_moved() -> None:
    one, two = Story(1), Story(2)
    for story, names in ((one, ["check", "pay"]), (two, ["pay", "check"])):
        top = story.agent("desk")
        for name in names:
            story.tool(top, name, {}, name)
    found = compare(one.told, two.told)
    assert sorted(ops(found)) == ["moved", "same", "same"]
    assert found.cause
    assert found.cause.kind == "order"


@pytest.mark.parametrize("names", ["xy", "yx"])
def test_calls_asked_for_in_one_message_have_no_order_either(names: str) -> None:
    one, two = Story(1), Story(2)
    for story, order in ((one, "xy"), (two, names)):
        top = story.agent("desk")
        story.model(top, [("user", "both")], calls=[(name, {}) for name in order])
        for name in order:
            story.tool(top, name, {}, name)
    assert set(ops(compare(one.told, two.told))) == {"same"}


def test_times_and_made_up_ids_are_counted_and_do_not_make_runs_part() -> None:
    one, two = Story(1), Story(2)
    for story, number in ((one, 1), (two, 2)):
        top = story.agent("desk")
        story.tool(
            top,
            "book",
            {"day": 1},
            {"id": f"1b4e28ba-2fa1-11d2-883f-0016d3cca42{number}", "at": 1_700_000_000 + number},
        )
    found = compare(one.told, two.told)
    assert set(ops(found)) == {"same"}
    assert found.notes == ("2 differences are only times of day or made-up ids.",)
    three, four = Story(3), Story(4)
    for story, number in ((three, 1), (four, 2)):
        story.tool(
            story.agent("desk"), "cancel", {"id": f"1b4e28ba-2fa1-11d2-883f-0016d3cca42{number}"}, "ok"
        )
    assert fields(compare(three.told, four.told)) == ["arguments.id"]


def test_cost_and_time_are_told_beyond_noise_and_never_make_runs_part() -> None:
    slow = compare(refund(1).told, refund(2, took=5 * SECOND).told)
    assert fields(slow) == ["duration_ns"]
    assert slow.first is None
    more = compare(refund(1).told, refund(2, **{"gen_ai.usage.input_tokens": 105}).told)
    assert fields(more) == []
    twice = compare(refund(1).told, refund(2, **{"gen_ai.usage.input_tokens": 200}).told)
    assert (fields(twice), twice.first) == (["input_tokens"], None)


def test_a_denial_is_the_policys_doing() -> None:
    one, two = Story(1), Story(2)
    one.tool(one.agent("desk"), "pay", {}, "ok", **{"tallystick.decision": "allow"})
    two.tool(two.agent("desk"), "pay", {}, None, **{"tallystick.decision": "deny"})
    found = compare(one.told, two.told)
    assert found.cause
    assert found.cause.kind == "policy"


def test_a_run_that_ends_early_is_no_other_instrumentation() -> None:
    one, two = refund(1), refund(2)
    two.spans.append(two.spans.pop())
    extra = Story(1, Source({}, "another.scope"), now=one.now)
    extra.tool(one.spans[0].span, "mail", {}, "sent")
    extra.spans[0].span = "f" * 16
    one.spans += extra.spans
    found = compare(one.told, two.told)
    assert ops(found).count("only a") == 1
    assert found.notes == ()


def test_long_and_hostile_values_are_cut_to_where_they_differ() -> None:
    one, two = Story(1), Story(2)
    for story, end in ((one, "\x1b[2J"), (two, "\u202e")):
        story.tool(story.agent("desk"), "read", {}, "x" * 100_000 + end)
    (change,) = [change for row in compare(one.told, two.told).rows for change in row.changes]
    assert max(len(change.a), len(change.b)) <= 402
    assert change.a.endswith('\\u001b[2J"')


def test_parents_in_a_ring_and_missing_spans_are_survived() -> None:
    story = refund(1)
    story.spans[0].parent = story.spans[-1].span
    steps, spans = story.told
    del spans[story.spans[1].span]
    assert len(compare((steps, spans), refund(2).told).rows) >= 5
    assert compare(([], {}), ([], {})).rows == ()
    assert set(ops(compare(([], {}), refund(2).told))) == {"only b"}
