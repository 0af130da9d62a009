"""Marks at ingest, texts of prompts and their templates, and definitions in one shape."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.model.span import Event, Source, Span
from tallystick.observe.normalise import read_span
from tallystick.observe.prompts import Prompts, normal_text, template, text_digest
from tallystick.observe.told import definitions_of

SYSTEM = "You are the refunds agent.\nBe careful."
TOOL = json.dumps({"type": "function", "function": {"name": "refund", "description": "Refunds."}})


def span(attributes: dict[str, Any], *, scope: str = "", events: tuple[Event, ...] = ()) -> Span:
    given = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **attributes}
    return Span("1" * 32, "2" * 16, None, "chat", 1, 2, Source({}, scope), attributes=given, events=events)


def marks(attributes: dict[str, Any], **more: Any) -> tuple[str | None, str | None]:
    step = read_span(span(attributes, **more))[0][0]
    return step.prompt, step.offered


def chat(*messages: tuple[str, str], roles_last: bool = False) -> str:
    keys = ("content", "role") if roles_last else ("role", "content")
    return json.dumps([{key: {"role": r, "content": c}[key] for key in keys} for r, c in messages])


OPENINFERENCE = "openinference.instrumentation.openai"
PROMPTS: dict[str, tuple[str, dict[str, Any]]] = {
    "instructions": ("", {"gen_ai.system_instructions": json.dumps([{"type": "text", "content": SYSTEM}])}),
    "structured": ("", {"gen_ai.system_instructions": [{"type": "text", "content": SYSTEM}]}),
    "first message": ("", {"gen_ai.input.messages": chat(("system", SYSTEM), ("user", "hi"))}),
    "role last": ("", {"gen_ai.input.messages": chat(("system", SYSTEM), ("user", "hi"), roles_last=True)}),
    "structured messages": ("", {"gen_ai.input.messages": [{"role": "developer", "content": SYSTEM}]}),
    "indexed": (
        "opentelemetry.instrumentation.openai.v1", {"gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": SYSTEM}
    ),
    "openinference": (OPENINFERENCE, {
        "llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.content": SYSTEM,
    }),
    "openinference parts": (OPENINFERENCE, {
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.contents.0.message_content.text": SYSTEM,
    }),
}  # fmt: skip
NO_PROMPTS: list[dict[str, Any]] = [
    {}, {"gen_ai.system_instructions": ""}, {"gen_ai.input.messages": chat(("user", "the system said"))},
    {"gen_ai.input.messages": chat(("user", "hi"), roles_last=True)}, {"gen_ai.input.messages": "[{"},
    {"gen_ai.input.messages": '[["system"]]'}, {"gen_ai.input.messages": '"system" {"role":"system"}'},
    {"gen_ai.input.messages": []}, {"gen_ai.input.messages": ["system"]}, {"gen_ai.input.messages": 7},
    {"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": SYSTEM},
    {"llm.input_messages.0.message.role": "system"}, {"gen_ai.input.messages": "[" * 100_000},
    {"gen_ai.input.messages": "[" + '{"a":' * 100_000},
]  # fmt: skip
OFFERED: dict[str, tuple[str, dict[str, Any]]] = {
    "definitions": ("", {"gen_ai.tool.definitions": f"[{TOOL}]"}),
    "list": ("", {"gen_ai.tool.definitions": [TOOL]}),
    "openinference": (OPENINFERENCE, {"llm.tools.0.tool.json_schema": TOOL}),
    "openllmetry": (
        "opentelemetry.instrumentation.openai.v1",
        {"llm.request.functions.0.name": "refund", "llm.request.functions.0.description": "Refunds."},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_has_a_mark_of_its_own_wherever_it_stands(name: str) -> None:
    scope, given = PROMPTS[name]
    mark, offered = marks(given, scope=scope)
    assert mark is not None
    assert len(bytes.fromhex(mark)) == 8
    assert offered is None
    again = {key: json.loads(json.dumps(value)) for key, value in given.items()}
    assert marks(again, scope=scope) == (mark, None)
    other = {k: json.loads(json.dumps(v).replace("careful", "generou")) for k, v in given.items()}
    assert marks(other, scope=scope)[0] not in (None, mark)


@pytest.mark.parametrize("given", NO_PROMPTS, ids=range(len(NO_PROMPTS)))
def test_what_holds_no_system_prompt_has_no_mark(given: dict[str, Any]) -> None:
    assert marks(given) == (None, None)


def test_what_follows_the_first_message_changes_no_mark() -> None:
    one = marks({"gen_ai.input.messages": chat(("system", SYSTEM), ("user", "a"))})
    assert one == marks(
        {"gen_ai.input.messages": chat(("system", SYSTEM), ("user", "b"), ("assistant", "c"))}
    )


def test_the_events_of_older_conventions_have_a_mark() -> None:
    event = Event("gen_ai.system.message", 1, {"content": SYSTEM})
    assert marks({}, events=(event,))[0] is not None


@pytest.mark.parametrize("name", OFFERED)
def test_offered_tools_have_a_mark_that_any_change_changes(name: str) -> None:
    scope, given = OFFERED[name]
    prompt, mark = marks(given, scope=scope)
    assert prompt is None
    assert mark is not None
    other = {k: json.loads(json.dumps(v).replace("Refunds.", "Refundz.")) for k, v in given.items()}
    assert marks(other, scope=scope)[1] not in (None, mark)


def test_values_of_odd_types_have_marks_that_memory_does_not_change() -> None:
    for value in ([1], [True], [1.0], ["1"], [b"1"], [None, "x"], ["half \ud800"], [["a"]]):
        first = marks({"gen_ai.tool.definitions": value})
        marks({"gen_ai.tool.definitions": [1]})
        assert marks({"gen_ai.tool.definitions": value}) == first
    assert marks({"gen_ai.tool.definitions": [True]}) != marks({"gen_ai.tool.definitions": [1]})


# ── texts ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_line_ends_and_trailing_spaces_make_no_other_text() -> None:
    assert normal_text("a  \r\nb\rc\t\n\n") == "a\nb\nc"
    assert text_digest("a \r\n b") == text_digest("a\n b\n")
    assert text_digest("a") != text_digest(" a")


def test_declared_texts_are_known_by_equality_then_by_the_template_that_fixes_most() -> None:
    prompts = Prompts([
        template("plain", "p1", "Hello.\n"), template("loose", "l1", "Hello {{name}}."),
        template("tight", "t1", "Hello {{ customer.name }}, it is {{hour}}."), template("all", "a1", "{{x}} \n{{y}}"),
        template("plain", "p2", "Hello."),
    ])  # fmt: skip
    assert prompts.meant("Hello.  ") == ("plain", "p2")
    assert prompts.meant("Hello Ada.") == ("loose", "l1")
    assert prompts.meant("Hello Ada, it is 5.") == ("tight", "t1")
    assert prompts.meant("Good morning.") == (text_digest("Good morning."), "")
    assert prompts.meant("Hello.".replace("H", "h")) == (text_digest("hello."), "")
    assert Prompts().meant("x") == (text_digest("x"), "")


@given(st.lists(st.tuples(st.text("ab{", max_size=4), st.text("abc\n", max_size=3)), min_size=1, max_size=5))
def test_a_template_matches_whatever_is_filled_in(pairs: list[tuple[str, str]]) -> None:
    made = template("p", "v", "".join(f"{fixed} {{{{x}}}}" for fixed, _ in pairs) + ".")
    assert made.matches("".join(f"{fixed} {value}" for fixed, value in pairs) + ".")
    assert not made.matches("".join(f"{fixed} {value}" for fixed, value in pairs) + "!")


def test_a_template_is_held_against_a_hostile_text_in_linear_time() -> None:
    made = template("p", "v", "{{x}}".join(["a" * 50 + "b"] * 40))
    begun = time.process_time()
    assert not made.matches("a" * 50 + "b" + "a" * 1_000_000)
    assert time.process_time() - begun < 2


# ── definitions ─────────────────────────────────────────────────────────────────────────────────────────────────

SCHEMA = {"type": "object", "properties": {"order": {"type": "string"}}}
SHAPES: list[Any] = [
    {"type": "function", "function": {"name": "refund", "description": "d", "parameters": SCHEMA}},
    {"type": "function", "name": "refund", "description": "d", "parameters": SCHEMA},
    {"name": "refund", "description": "d", "input_schema": SCHEMA},
    {"name": "refund", "description": "d", "parameters": json.dumps(SCHEMA)},
    json.dumps({"name": "refund", "description": "d", "parametersJsonSchema": SCHEMA}),
    {"functionDeclarations": [{"name": "refund", "description": "d", "parameters": SCHEMA}]},
]


@pytest.mark.parametrize("given", SHAPES, ids=range(len(SHAPES)))
def test_a_definition_is_the_same_in_whatever_shape_it_was_sent(given: Any) -> None:
    (one,) = definitions_of([given, given])
    assert (one.name, one.description, one.input) == ("refund", "d", SCHEMA)


def test_what_is_no_definition_is_left_out_and_what_has_no_json_is_still_named() -> None:
    deep: Any = {"name": "x"}
    for _ in range(50):
        deep = {"tools": [deep]}
    assert definitions_of([None, 7, "x", {}, {"name": 5}, {"name": ""}, {"function": []}, deep]) == []
    assert definitions_of(None) == []
    nested: Any = {}
    for _ in range(5_000):
        nested = {"a": nested}
    for schema in ({"x": float("nan")}, {"x": 2**80}, nested):
        (one,) = definitions_of([{"name": "odd\ud800", "description": 5, "parameters": schema}])
        assert (one.name, one.description) == ("odd?", "")
        assert len(one.digest) == 64
