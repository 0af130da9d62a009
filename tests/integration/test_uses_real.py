"""What recorded spans of real frameworks show of what their agents use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tallystick.adapters.ids import TimeIds
from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.api.otlp import read_protobuf
from tallystick.app.recording.record import Recorder
from tallystick.app.registry.uses import UseLister, prompt_text, told_definition
from tallystick.cost.rates import load_card
from tallystick.testing import FakeClock

_SHARED = Path(
    os.environ.get("TALLYSTICK_SHARED_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data"
)
DATA = _SHARED / "framework-spans"
pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="the recorded framework spans are not here (TALLYSTICK_SHARED_DATA)"
)

WEATHER = {"tool": ["get_weather", "to_fahrenheit"], "definition": ["get_weather", "to_fahrenheit"]}
HANDOFF = {"definition": ["transfer_to_weather_agent"], "delegate": ["weather_agent"]}
AS_TOOL = {
    "definition": ["transfer_to_weather"],
    "delegate": ["weather_agent"],
    "tool": ["transfer_to_weather"],
}
# dump -> agent -> type -> names (prompts: how their texts begin; models are those of the scripted server)
SEEN: dict[str, dict[str, dict[str, list[str]]]] = {
    "langchain.openinference": {"triage": AS_TOOL, "weather_agent": WEATHER},
    "langchain.openllmetry": {"triage": AS_TOOL, "weather_agent": WEATHER},
    "langchain.langsmith-otel": {"triage": AS_TOOL, "weather_agent": WEATHER},
    "pydantic-ai.native": {"triage": AS_TOOL, "weather_agent": WEATHER},
    "pydantic-ai.openinference": {"triage": AS_TOOL, "weather_agent": WEATHER},
    "openai-agents.openinference.resp": {"triage": HANDOFF, "weather_agent": WEATHER},
    # OpenLLMetry shows two agents side by side and no handoff.
    "openai-agents.openllmetry.resp": {
        "triage": {"definition": HANDOFF["definition"]}, "weather_agent": WEATHER,
    },
    # Its requests' tools stand in no attribute of their own: they are unknown.
    "openai-agents.openinference": {
        "triage": {"delegate": ["weather_agent"], "prompt": ["t"]},
        "weather_agent": {"tool": WEATHER["tool"], "prompt": ["i"]},
    },
    "openai-agents.openllmetry": {
        "triage": {"prompt": ["t"]},
        "weather_agent": {"tool": WEATHER["tool"], "prompt": ["i"]},
    },
    "autogen.openinference": {
        "triage": {**HANDOFF, "prompt": ["You are a helpful AI assistant."]},
        "weather_agent": {**WEATHER, "prompt": ["You are a helpful AI assistant."]},
    },
    # Its spans name the manager alone: what the crew was told is listed as the manager's.
    "crewai.openinference": {"Manager": {
        "tool": WEATHER["tool"], "delegate": ["Weather specialist"],
        "definition": ["ask_question_to_coworker", "delegate_work_to_coworker", *WEATHER["definition"]],
        "prompt": ["You are Manager.", "You are Weather specialist."],
    }},
    "autogen.native": {
        "triage": {"delegate": ["weather_agent"]}, "weather_agent": {"tool": WEATHER["tool"]},
    },
    "langchain.openinference.deny": {
        "weather_agent": {"tool": ["to_fahrenheit"], "definition": WEATHER["definition"]},
    },
    "openai.openinference": {},  # a client without an agent: its steps belong to nobody
}  # fmt: skip


def listed(path: Path, name: str) -> tuple[SqliteTraces, dict[str, Any]]:
    """The dump in a store, and its uses by agent and type."""
    clock = FakeClock(1_800_000_000 * 10**9)
    traces = SqliteTraces(path / "traces.db")
    spans = read_protobuf((DATA / f"{name}.pb").read_bytes()).spans
    assert not Recorder(traces, load_card([]), clock).record(spans).rejected
    control = MemoryControl(clock=clock, ids=TimeIds())
    done = UseLister(traces, control, clock).list_due()
    assert done.runs >= 1
    assert not done.faults
    found: dict[str, Any] = {}
    for use in traces.uses():
        found.setdefault(use.agent, {}).setdefault(use.type, []).append(use)
    return traces, found


@pytest.mark.parametrize("name", SEEN)
def test_each_agents_tools_prompts_definitions_and_delegates_are_found(name: str, tmp_path: Path) -> None:
    traces, found = listed(tmp_path, name)
    assert found.keys() == SEEN[name].keys()
    for agent, expected in SEEN[name].items():
        uses = dict(found[agent])
        assert all("mock-" in one.name for one in uses.pop("model", []))
        prompts = uses.pop("prompt", [])
        texts = sorted(prompt_text(traces, one) or "" for one in prompts)
        assert len(texts) == len(expected.get("prompt", []))
        assert all(
            text.startswith(start) for text, start in zip(texts, expected.get("prompt", []), strict=True)
        )
        names = {kind: [one.name for one in some] for kind, some in uses.items()}
        assert names == {kind: some for kind, some in expected.items() if kind != "prompt"}
        for one in uses.get("definition", []):
            told = told_definition(traces, one)
            assert told is not None
            assert (told.name, told.digest) == (one.name, one.detail)
            assert told.input.get("type") == "object"
    assert list(traces.flaws()) == []
    traces.close()


def test_agents_that_call_a_model_are_seen_with_it(tmp_path: Path) -> None:
    traces, found = listed(tmp_path, "langchain.openinference")
    assert [(one.name, one.steps) for one in found["weather_agent"]["model"]] == [("mock-triage-2026", 3)]
    assert [(one.name, one.steps) for one in found["triage"]["model"]] == [("mock-triage-2026", 2)]
    traces.close()
