"""Ten frameworks as Langfuse exported them: every tool call and model call, held against what was written down
by reading the files by hand (TOOLS, MODELS) and against the files' own observations."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tallystick.model.step import Kind, Step, StepStatus
from tallystick.observe.contents import Contents, read_contents
from tallystick.observe.formats import FORMATS, guess
from tallystick.observe.formats.recorded import parse_json
from tallystick.observe.normalise import read_span
from tallystick.observe.repeats import repeats

DATA = (
    Path(
        os.environ.get("TALLYSTICK_SHARED_DATA")
        or Path(__file__).resolve().parents[2].parent / "shared" / "data"
    )
    / "langfuse-traces"
)
pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="the Langfuse traces are not here (TALLYSTICK_SHARED_DATA)"
)

# file -> (tool, arguments, result) of each call, in order of time
TOOLS: dict[str, list[tuple[str, Any, Any]]] = {
    "autogen-2025-06-06": [],
    "claude-agent-2025-12-22": [
        ("mcp__weather__get_weather", {"city": "Berlin"}, "Weather in Berlin: Cloudy, 59°F"),
        ("mcp__weather__get_weather", {"city": "New York"}, "Weather in New York: Sunny, 75°F"),
    ],
    "crewai-2025-07-11": [],
    "google-adk-2025-08-28": [("say_hello", {}, {"greeting": "Hello Langfuse 👋"})],
    "langgraph-js-2025-10-30": [
        ("get_weather", {"city": "San Francisco"}, "It's always sunny in San Francisco!")
    ],
    "langgraph-python-2025-08-22": [
        (
            "Web-Search",
            {"query": "example"},
            [{"url": "https://example.com", "title": "Example Result", "q": "example"}],
        )
    ],
    "microsoft-agent-2025-12-17": [
        (
            "get_weather",
            {"location": "Tokyo, Japan"},
            "The weather in Tokyo, Japan is stormy with a high of 23°C.",
        )
    ],
    "openai-agents-2025-09-30": [("get_weather", {"city": "Tokyo"}, "The weather in Tokyo is sunny.")],
    "pydantic-ai-tools-2025-12-04": [
        (
            "get_pun_suggestion",
            {"topic": "programming"},
            "Pun idea: Play on words related to 'programming' - think about homophones or double meanings",
        ),
        (
            "get_dad_joke_suggestion",
            {"topic": "programming"},
            "Dad joke idea: Use a classic setup-punchline format about 'programming' with a groan-worthy twist",
        ),
        (
            "get_one_liner_suggestion",
            {"topic": "programming"},
            "One-liner idea: Make a quick, witty observation about 'programming' in a single sentence",
        ),
    ],
    "vercel-aisdk-2025-11-17": [
        ("getWeather", {"location": "San Francisco"}, {"location": "San Francisco", "temperature": 64})
    ],
}
# file -> (model, input with cache, output with reasoning, cache read, reasoning) of each counted call, in order
MODELS: dict[str, list[tuple[str, int, int, int | None, int | None]]] = {
    "autogen-2025-06-06": [("gpt-4o", 41, 3, None, None)],
    "claude-agent-2025-12-22": [
        ("claude-sonnet-4-5-20250929", 19, 29, None, None),
        ("claude-sonnet-4-5-20250929", 5, 53, None, None),
        ("claude-sonnet-4-5-20250929", 5, 56, None, None),
        ("claude-sonnet-4-5-20250929", 5, 94, None, None),
    ],
    "crewai-2025-07-11": [("gpt-4o-mini", 190, 164, 0, 0)],
    "google-adk-2025-08-28": [
        ("gemini-2.0-flash", 28, 3, None, None),
        ("gemini-2.0-flash", 39, 6, None, None),
    ],
    "langgraph-js-2025-10-30": [
        ("gpt-5-mini-2025-08-07", 142, 24, 0, 0),
        (
            "gpt-5-mini-2025-08-07",
            179,
            99,
            0,
            64,
        ),  # 35 words and 64 of reasoning: the types are disjoint there
    ],
    "langgraph-python-2025-08-22": [
        ("gpt-4o-2024-08-06", 60, 15, 0, 0),
        ("gpt-4o-2024-08-06", 108, 51, 0, 0),
    ],
    "microsoft-agent-2025-12-17": [
        ("gpt-5-mini-2025-08-07", 77, 86, None, None),  # the agent's own 44 / 180 are not added
        ("gpt-5-mini-2025-08-07", 216, 20, None, None),
    ],
    "openai-agents-2025-09-30": [("gpt-4.1-2025-04-14", 55, 15, 0, 0), ("gpt-4.1-2025-04-14", 85, 29, 0, 0)],
    "pydantic-ai-tools-2025-12-04": [
        ("gpt-4o-mini-2024-07-18", 265, 73, None, None),
        ("gpt-4o-mini-2024-07-18", 417, 53, None, None),
        ("gpt-4o-mini-2024-07-18", 502, 14, None, None),
        ("gpt-4o-mini-2024-07-18", 131, 69, None, None),
    ],
    "vercel-aisdk-2025-11-17": [("gpt-5", 62, 85, None, None)],  # the outer ai.generateText says 14 / 43
}
AGENTS = {
    "google-adk-2025-08-28": {"hello_agent"},
    "microsoft-agent-2025-12-17": {"171105b7-59dd-49c0-9677-0b95395aa46a"},
    "openai-agents-2025-09-30": {"Hello world"},
    "pydantic-ai-tools-2025-12-04": {"joke_agent", "evaluator_agent"},
}


def _read(name: str) -> tuple[dict[str, Any], list[tuple[Step, Contents]]]:
    content = (DATA / f"{name}.trace.json").read_bytes()
    assert guess(content) == "langfuse"
    document = parse_json(content, name)
    (run,) = FORMATS["langfuse"].read(document)  # one run each
    pairs = [pair for span in run.spans for pair in read_span(span)]
    assert len(pairs) == len(run.spans) == len(document["observations"])
    assert {step.run for step, _ in pairs} == {document["trace"]["id"]}
    same = repeats([step for step, _ in pairs])
    counted = [(step, read_contents(step, span)) for step, span in pairs if step.span not in same]
    assert sum(step.kind is Kind.TOOL for step, _ in pairs) == sum(
        step.kind is Kind.TOOL for step, _ in counted
    )
    return document, counted


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_tools_are_exactly_those_that_ran(name: str) -> None:
    _, steps = _read(name)
    tools = [(step, contents) for step, contents in steps if step.kind is Kind.TOOL]
    assert [(step.tool, contents.arguments, contents.result) for step, contents in tools] == TOOLS[name]
    assert all(step.status is StepStatus.OK and not step.derived for step, _ in tools)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_models_and_tokens_are_exactly_those_that_were_used(name: str) -> None:
    _, steps = _read(name)
    models = [step for step, _ in steps if step.kind is Kind.MODEL]
    assert [
        (
            step.model,
            step.usage.input_tokens,
            step.usage.output_tokens,
            step.usage.cache_read_tokens,
            step.usage.reasoning_tokens,
        )
        for step in models
    ] == MODELS[name]
    assert all(contents.output_messages for step, contents in steps if step.kind is Kind.MODEL)
    assert {step.agent for step, _ in steps if step.agent} == AGENTS.get(name, set())


@pytest.mark.parametrize("name", sorted(MODELS))
def test_tokens_are_the_totals_of_the_observations(name: str) -> None:
    """Every observation's own total is met, but for the call that Vercel's SDK wraps around the real one."""
    document, steps = _read(name)
    totals = sorted(
        item["usageDetails"]["total"]
        for item in document["observations"]
        if item["type"] == "GENERATION" and item["name"] != "ai.generateText"
    )
    got = [step.usage for step, _ in steps if step.kind is Kind.MODEL]
    assert sorted((one.input_tokens or 0) + (one.output_tokens or 0) for one in got) == totals


@pytest.mark.parametrize("name", sorted(name for name, tools in TOOLS.items() if tools))
def test_each_tool_is_one_that_a_model_asked_for(name: str) -> None:
    """An independent look: the calls in the models' answers are the calls that were made."""
    _, steps = _read(name)
    asked = [
        (part["name"], json.dumps(part["arguments"], sort_keys=True))
        for step, contents in steps
        if step.kind is Kind.MODEL
        for message in contents.output_messages
        for part in message["parts"]
        if part["type"] == "tool_call"
        and part["name"] != "final_result"  # Pydantic AI's way to give an answer
    ]
    made = [(tool, json.dumps(arguments, sort_keys=True)) for tool, arguments, _ in TOOLS[name]]
    assert sorted(asked) == sorted(made)


def test_who_it_was_for() -> None:
    _, steps = _read("google-adk-2025-08-28")
    content = (DATA / "google-adk-2025-08-28.trace.json").read_bytes()
    (run,) = FORMATS["langfuse"].read(parse_json(content, "x"))
    root = run.spans[0]
    assert (root.attributes["user.id"], root.attributes["gen_ai.conversation.id"]) == (
        "demo-user",
        "demo-session",
    )
    assert steps[0][0].links == ()  # a run of its own, whatever else the conversation holds
