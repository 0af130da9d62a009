"""One line for what happened in a step, in the words of its kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallystick.model.span import Source, Span
from tallystick.observe.contents import read_contents
from tallystick.observe.normalise import read_span
from tallystick.observe.story import LONGEST, Told, tell

SOURCE = Source({}, "tallystick")


def told(held: bool | None = None, *, status: int = 1, dropped: int = 0, **attributes: Any) -> Told:
    names = {name.replace("__", "."): value for name, value in attributes.items()}
    span = Span(
        "1" * 32, "2" * 16, None, "a step", 1, 2, SOURCE, status=status, attributes=names, dropped=dropped
    )
    step, own = read_span(span)[0]
    return tell(step, read_contents(step, own), own, held_by_journal=held)


def talk(*parts: dict[str, Any]) -> str:
    return json.dumps([{"role": "assistant", "parts": list(parts)}])


def test_a_tool_says_its_arguments_and_its_result() -> None:
    line = told(
        gen_ai__operation__name="execute_tool", gen_ai__tool__name="look_up",
        gen_ai__tool__call__arguments='{"order": "A-1", "copies": 2}', gen_ai__tool__call__result='["paid"]',
    )  # fmt: skip
    assert (line.text, line.result, line.tags) == ("order: A-1, copies: 2", '["paid"]', ())


def test_a_model_says_its_words_or_its_calls() -> None:
    words = talk({"type": "text", "content": "It is paid."})
    assert told(gen_ai__operation__name="chat", gen_ai__output__messages=words).text == "It is paid."
    calls = talk(
        {"type": "reasoning", "content": "look first"},
        {"type": "tool_call", "id": "1", "name": "look_up", "arguments": {"order": "A-1"}},
    )
    line = told(gen_ai__operation__name="chat", gen_ai__output__messages=calls)
    assert line.text == "thought, then called look_up(order: A-1)"


def test_each_kind_has_its_line() -> None:
    plan = told(tallystick__kind="plan", tallystick__plan='["find it", "pay it"]')
    assert plan.text == "1. find it · 2. pay it"
    handed = told(
        tallystick__kind="handoff", tallystick__handoff__from="planner", tallystick__handoff__to="payer",
        tallystick__handoff__reason="it pays", tallystick__handoff__payload='{"order": "A-1"}',
    )  # fmt: skip
    assert (handed.text, handed.result) == ("planner hands to payer: it pays", "order: A-1")
    found = told(
        gen_ai__operation__name="retrieval", gen_ai__retrieval__query__text="refund policy",
        gen_ai__retrieval__documents='[{"id": "refunds.md", "score": 0.8312}, {"id": "b"}]',
    )  # fmt: skip
    assert (found.text, found.result) == ("refund policy", "2 documents: refunds.md (0.831), b")
    kept = told(
        gen_ai__operation__name="search_memory",
        gen_ai__memory__query__text="address",
        gen_ai__memory__store__id="m1",
    )
    assert kept.text == "search memory m1 address"


def test_what_a_reader_must_know_stands_beside_the_line() -> None:
    tags = [tag.text for tag in told(
        held=False, dropped=3, gen_ai__operation__name="execute_tool", gen_ai__tool__name="pay",
        tallystick__decision="allow", tallystick__retry__attempt=2, tallystick__retry__cause="rate limit",
        gen_ai__tool__call__arguments='{"to": "‹redacted:iban›"}',
    ).tags]  # fmt: skip
    assert tags == [
        "attempt 2: rate limit", "claimed by its sender, not in the journal", "partly redacted",
        "3 dropped by its sender",
    ]  # fmt: skip
    assert told(held=True, tallystick__decision="allow").tags == ()
    erased = told(gen_ai__operation__name="chat", tallystick__erased=True)
    assert [tag.text for tag in erased.tags] == ["contents erased"]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ('{"digest":3}', "withheld"),
        ('{"secret":2,"email":1}', "redacted: 2 secret, 1 email"),
        ('{"digest":1,"field":1200}', "withheld · redacted: 1,200 field"),
        ("{}", "redacted"),
        ('{"secret":"many"}', "partly redacted"),
        ("[" * 2_000, "partly redacted"),
        (7, "partly redacted"),
    ],
)
def test_what_was_taken_out_is_said_by_kind(counts: object, words: str) -> None:
    assert [tag.text for tag in told(tallystick__redacted=counts).tags] == [words]


def test_withheld_contents_stay_comparable_in_a_line() -> None:
    digest = "‹digest:" + "0123456789abcdef" * 2 + "›"
    line = told(gen_ai__operation__name="execute_tool", gen_ai__tool__call__result=digest)
    assert line.result == "‹digest:01234567…›"


def test_retries_of_any_sender_are_told() -> None:
    assert [tag.text for tag in told(http__request__resend_count=2).tags] == ["attempt 3"]
    assert [tag.text for tag in told(tallystick__retry__cause="HTTP 429").tags] == ["tried again: HTTP 429"]


def test_a_guardrail_says_its_verdict_and_claims_no_decision_of_the_journal() -> None:
    line = told(
        held=False, gen_ai__operation__name="apply_guardrail", gen_ai__guardrail__name="no personal data",
        gen_ai__guardrail__triggered=True, tallystick__output="a street was found",
    )  # fmt: skip
    assert (line.text, line.result) == ("no personal data: deny", "a street was found")
    assert [tag.text for tag in line.tags] == ["guardrail"]


def test_an_error_is_told_once() -> None:
    line = told(status=2, gen_ai__operation__name="execute_tool", error__type="TimeoutError")
    assert [(tag.text, tag.tone) for tag in line.tags] == [("TimeoutError", "bad")]


@pytest.mark.parametrize(
    "value", ["x" * 100_000, "[" * 900, "\ud83d\x00", '{"a": ' * 50, "‹redacted:", "1e999"]
)
def test_hostile_contents_are_bounded(value: str) -> None:
    for operation in ("chat", "execute_tool", "retrieval", "search_memory", "plan"):
        line = told(
            gen_ai__operation__name=operation, gen_ai__tool__call__arguments=value, gen_ai__output__messages=value,
            gen_ai__retrieval__documents=value, tallystick__plan=value, tallystick__retry__cause=value,
        )  # fmt: skip
        for text in (line.text, line.result or "", *(tag.text for tag in line.tags)):
            assert len(text) <= 12 * LONGEST
