"""Contents that are withheld by field, by class of data, or all of them as digests."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tallystick.app.recording.redacting import SpanRedactor, redacted
from tallystick.app.recording.withholding import Withholding, keyed, read_rule
from tallystick.govern.redaction import Redactor
from tallystick.model.errors import BadInput
from tallystick.model.span import Event, Source, Span
from tallystick.model.step import Kind
from tallystick.observe.normalise import read_span
from tallystick.wiring.redacting import text_redactor

SOURCE = Source({"service.name": "desk"}, "tests")
ARGUMENTS, RESULT = "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"


def span(**attributes: Any) -> Span:
    named = {name.replace("__", "."): value for name, value in attributes.items()}
    return Span("1" * 32, "1" * 16, None, "a step", 1, 2, SOURCE, attributes=named)


def call(**more: Any) -> Span:
    arguments = '{"email": "j@x.org", "n": 1.50, "deep": [{"phone": "1"}, {"phone": "2"}]}'
    return span(
        gen_ai__operation__name="execute_tool", gen_ai__tool__name="crm.lookup", gen_ai__tool__call__id="c-1",
        gen_ai__tool__call__arguments=arguments, gen_ai__tool__call__result='{"name": "Jane", "rows": [1, 2]}', **more,
    )  # fmt: skip


def by(*rules: str, everything: bool = False, classes: tuple[str, ...] = ()) -> SpanRedactor:
    read = [read_rule(one) for one in rules]
    return SpanRedactor(
        Redactor([]),
        [Withholding(read, keyed(b"k" * 32), everything=everything, classes=lambda tool: classes)],
    )


def done(redactor: SpanRedactor, given: Span) -> dict[str, Any]:
    (made,) = redactor.spans([given])
    return dict(made.attributes)


def test_fields_of_a_tool_are_replaced_and_the_rest_is_kept() -> None:
    made = done(by("tool:crm.lookup=arguments.email+arguments.deep.phone+result.*"), call())
    assert json.loads(made[ARGUMENTS]) == {
        "email": "‹redacted:field›", "n": 1.5, "deep": [{"phone": "‹redacted:field›"}, {"phone": "‹redacted:field›"}],
    }  # fmt: skip
    assert json.loads(made[RESULT]) == {"name": "‹redacted:field›", "rows": "‹redacted:field›"}
    assert redacted(made) == {"field": 5}


@pytest.mark.parametrize("declared", [True, False])
def test_a_class_is_known_from_the_declaration_or_from_the_step(declared: bool) -> None:
    stamp = {} if declared else {"tallystick__data__classes": ["customer_pii"]}
    redactor = by("class:customer_pii=result", classes=("customer_pii",) if declared else ())
    assert done(redactor, call(**stamp))[RESULT] == "‹redacted:customer_pii›"


def test_other_tools_are_left_alone() -> None:
    given = call()
    assert by("tool:other=result", "class:payment=result").spans([given])[0] is given


def test_what_the_messages_tell_again_is_replaced_as_well() -> None:
    told = json.dumps([
        {"role": "assistant", "tool_calls": [
            {"id": "c-1", "function": {"name": "crm.lookup", "arguments": '{"email": "j@x.org", "n": 1}'}},
        ]},
        {"role": "tool", "tool_call_id": "c-1", "content": '{"name": "Jane"}'},
        {"role": "assistant", "parts": [
            {"type": "tool_call", "id": "c-2", "name": "crm.lookup", "arguments": {"email": "k@x.org"}},
        ]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c-2", "response": {"name": "Kay"}}]},
        {"role": "user", "content": "Jane?"},
    ])  # fmt: skip
    model = span(gen_ai__operation__name="chat", gen_ai__input__messages=told)
    text = done(by("tool:crm.lookup=arguments.email+result.name"), model)["gen_ai.input.messages"]
    for gone in ("j@x.org", "k@x.org", '"Jane"', "Kay"):
        assert gone not in text.replace("\\", "")
    assert "Jane?" in text


def test_attributes_go_by_name() -> None:
    made = done(by("attr:http.request.header.*"), span(http__request__header__cookie="a=b", http__route="/x"))
    assert made["http.request.header.cookie"] == "‹redacted:field›"
    assert made["http.route"] == "/x"


def test_digests_leave_counts_times_and_names_and_nothing_that_was_said() -> None:
    told = json.dumps([
        {"role": "user", "name": "Jane", "content": "hello Jane"},
        {"role": "assistant", "tool_calls": [
            {"id": "c", "function": {"name": "look", "arguments": '{"who": "Jane"}'}},
        ]},
    ])  # fmt: skip
    model = span(
        gen_ai__operation__name="chat", gen_ai__request__model="gpt-x", gen_ai__usage__input_tokens=7,
        gen_ai__usage__output_tokens=1, gen_ai__input__messages=told, gen_ai__system_instructions="be Jane",
        llm__prompt="Jane", tallystick__run__goal="help Jane", user__id="u-1",
    )  # fmt: skip
    model.status_message = "no Jane"
    model.events = (Event("exception", 1, {"exception.type": "ValueError", "exception.message": "Jane"}),)
    redactor = by(everything=True)
    (made,) = redactor.spans([model])
    assert "Jane" not in repr(made)
    (step, _), *_ = read_span(made)
    assert (step.kind, step.model, step.usage.input_tokens) == (Kind.MODEL, "gpt-x", 7)
    assert made.attributes["user.id"] == "u-1"
    messages = json.loads(made.attributes["gen_ai.input.messages"])
    assert [one["role"] for one in messages] == ["user", "assistant"]
    assert messages[1]["tool_calls"][0]["function"]["name"] == "look"
    assert redacted(made.attributes)["digest"] >= 7
    again = redactor.spans([model])[0]
    assert again.attributes == made.attributes, "equal contents have equal digests"


def test_arguments_keep_the_names_of_their_fields_under_digests() -> None:
    made = done(by("class:payment=digest", classes=("payment",)), call())
    assert set(json.loads(made[ARGUMENTS])) == {"email", "n", "deep"}
    assert "j@x.org" not in repr(made)
    assert made["gen_ai.tool.name"] == "crm.lookup"


def test_digests_differ_by_key() -> None:
    assert keyed(b"a" * 32)("x") != keyed(b"b" * 32)("x")
    assert keyed(b"a" * 32)({"a": 1, "b": 2}) == keyed(b"a" * 32)({"b": 2, "a": 1})


@pytest.mark.parametrize("text", ["", "class:x", "attr:x=result", "who:x=y", "tool:=result"])
def test_a_rule_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        read_rule(text)


def test_spans_of_any_shape_pass_and_say_what_was_taken() -> None:
    secret = "ghp_" + "a1B2" * 9
    given = span(
        a=secret, b=["x", {"password": "hunter2x", secret: 1}], c=secret.encode(), d=1, e=None, f=float("nan"),
        g="\ud800" + secret, h="-----BEGIN PRIVATE KEY-----\nMII", http__request__header__authorization="Basic abc",
    )  # fmt: skip
    given.name, given.status_message = f"call {secret}", secret
    given.events = (Event("e", 1, {"x": secret}),)
    clean = span(a="nothing")
    redactor = SpanRedactor(text_redactor(("secrets",)))
    made, same = redactor.spans([given, clean])
    assert same is clean
    assert "a1B2" not in repr(made)
    assert "hunter2x" not in repr(made)
    assert "MII" not in repr(made)
    assert redacted(made.attributes) == {"secret": 10}
    assert redactor.spans([made])[0] is made or redacted(redactor.spans([made])[0].attributes) == {
        "secret": 10
    }
    assert Counter(redacted({"tallystick.redacted": "no json"})) == Counter()


def test_words_behind_a_mark_are_withheld_as_well() -> None:
    counts: Counter[str] = Counter()
    redactor = text_redactor(("secrets",))
    made = redactor.value({"password": "‹redacted:email› Tr0ub4dor"}, counts)
    assert made == {"password": "‹redacted:secret›"}
    assert redactor.value(made, counts) is made
