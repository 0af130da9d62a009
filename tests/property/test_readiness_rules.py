"""Readiness over all facts there can be: more power never needs less, and an answer never contradicts itself."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tallystick.registry.readiness import LAYERS, readiness
from tallystick.registry.readiness_shapes import Facts, Readiness, ToolFact

names = st.text(min_size=1, max_size=8)
tools = st.builds(
    ToolFact,
    name=names,
    chain=st.lists(names, min_size=1, max_size=3).map(tuple),
    effect=st.sampled_from([None, "none", "read", "write", "irreversible"]),
    classes=st.frozensets(st.sampled_from(["public", "payment", "customer_pii"]), max_size=2),
    arguments=st.integers(0, 2),
    authority=st.integers(0, 2),
    priced=st.booleans(),
    quarantined=st.booleans(),
    governed=st.booleans(),
)
some = st.lists(names, max_size=2).map(tuple)
facts = st.builds(
    Facts,
    agent=names,
    version=st.none() | names,
    declared=st.booleans(),
    owner=st.none() | names,
    purpose=st.none() | names,
    autonomy=st.sampled_from([None, "drafts", "acts-with-approval", "acts"]),
    tools=st.lists(tools, max_size=4).map(tuple),
    models=some,
    suites=some,
    evaluations=st.integers(0, 2),
    runs=st.integers(0, 2),
    last_run=st.none() | names,
    completeness=st.sampled_from([None, "complete", "lossy", "open", "crashed"]),
    differences=some,
    budgets=some,
    foreign=st.booleans(),
)


def needed(answer: Readiness) -> set[str]:
    return {layer.layer for layer in answer.layers if layer.needed}


@given(facts)
def test_an_answer_agrees_with_itself(given_facts: Facts) -> None:
    answer = readiness(given_facts)
    plain = json.loads(json.dumps(answer.as_json()))
    assert [layer["layer"] for layer in plain["layers"]] == list(LAYERS)
    assert plain["ready"] == (not answer.reasons)
    assert plain["needed"] == bool(needed(answer))
    for layer in answer.layers:
        assert layer.why
        assert layer.needed or not layer.missing  # what is not needed cannot be missing
        assert all(gap.what and gap.fix for gap in layer.missing)


@given(facts)
def test_what_can_change_things_or_reaches_people_is_never_waved_through(given_facts: Facts) -> None:
    answer = readiness(given_facts)
    if not answer.needed:
        assert all(tool.effect == "none" and not tool.classes for tool in given_facts.tools)
        assert given_facts.autonomy in (None, "drafts")
    risky = any(tool.changes or tool.classes - {"public"} for tool in given_facts.tools)
    if risky and answer.ready:
        assert given_facts.owner
        assert given_facts.suites
        assert all(tool.governed and not tool.quarantined for tool in given_facts.tools if tool.changes)


@given(facts, tools)
def test_another_tool_never_makes_a_layer_unneeded(given_facts: Facts, tool: ToolFact) -> None:
    more = replace(given_facts, tools=(*given_facts.tools, tool), foreign=False)
    less = replace(given_facts, foreign=False)
    assert needed(readiness(less)) <= needed(readiness(more))


@given(facts)
def test_more_autonomy_never_makes_a_layer_unneeded(given_facts: Facts) -> None:
    drafts, acts = (readiness(replace(given_facts, autonomy=level)) for level in ("drafts", "acts"))
    assert needed(drafts) <= needed(acts)
