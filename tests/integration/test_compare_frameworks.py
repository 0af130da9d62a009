"""The same task recorded by two instrumentors of one framework: nothing that the agent did differs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tallystick.cli.otlp_files import read_otlp
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.compare import compare
from tallystick.observe.normalise import read_span
from tallystick.observe.repeats import repeats

_DATA = os.environ.get("TALLYSTICK_SHARED_DATA")
DATA = (
    Path(_DATA) if _DATA else Path(__file__).resolve().parents[2].parent / "shared" / "data"
) / "framework-spans"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="shared data is not here: framework-spans")
ALIKE = [
    ("openai.openinference", "openai.openllmetry"),
    ("openai.openinference", "openai.agentops"),
    ("openai.openinference.resp", "openai.openllmetry.resp"),
    ("anthropic.openinference", "anthropic.openllmetry"),
    ("openai-agents.openinference", "openai-agents.openllmetry"),
    ("langchain.openinference", "langchain.openllmetry"),
    ("langchain.openinference", "langchain.langsmith-otel"),
    ("pydantic-ai.native", "pydantic-ai.openinference"),
]


def run_of(name: str) -> tuple[Sequence[Step], Mapping[str, Span]]:
    """The spans of a dump as one run, as a store would give it."""
    pairs = [
        pair
        for span in read_otlp((DATA / f"{name}.json").read_bytes(), name).spans
        for pair in read_span(span)
    ]
    spans: dict[str, Span] = {}
    steps: dict[str, Step] = {}
    for step, span in pairs:
        if step.span not in steps:
            steps[step.span], spans[step.span] = step, span
    ordered = sorted(steps.values(), key=lambda step: (step.started, step.span))
    same = repeats(ordered)
    for step in ordered:
        step.same_as = same.get(step.span)
    return ordered, spans


@pytest.mark.parametrize(("a", "b"), ALIKE, ids=lambda name: str(name))
def test_two_recordings_of_one_task_do_not_part(a: str, b: str) -> None:
    found = compare(run_of(a), run_of(b))
    told = [
        (row.op, [(one.field, one.a, one.b) for one in row.changes]) for row in found.rows if row.behaviour
    ]
    assert found.first is None, told
    tools = [row for row in found.rows if row.a and row.b and row.a.step.kind == "tool"]
    assert len(tools) >= 2


def test_a_denied_tool_is_where_runs_part() -> None:
    found = compare(run_of("langchain.openinference.429"), run_of("langchain.openinference.deny"))
    gone = [row.a.step.tool for row in found.rows if row.op == "only a" and row.a and row.a.step.tool]
    assert gone == ["get_weather"]


def test_every_dump_can_be_held_against_itself_and_another() -> None:
    names = sorted(
        path.stem for path in DATA.glob("*.json")
        if path.stem != "truth" and not path.stem.endswith((".logs", ".metrics"))
    )  # fmt: skip
    for name, other in zip(names, [*names[1:], names[0]], strict=True):
        run = run_of(name)
        itself = compare(run, run)
        assert {row.op for row in itself.rows} <= {"same"}, name
        compare(run, run_of(other))
