"""Readiness by the table: what an agent can do says what it needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.registry.readiness import readiness
from tallystick.registry.readiness_shapes import Facts, Readiness, ToolFact

LOOK = ToolFact("look", ("desk",), "read", frozenset({"orders"}), arguments=1)
PUBLIC = ToolFact("news", ("desk",), "read", frozenset({"public"}))
REFUND = ToolFact(
    "refund", ("desk",), "irreversible", frozenset({"payment"}), 2, 2, priced=True, governed=True
)
WHOLE = Facts(
    "desk", "1.0.0", True, "ann", "Refunds.", "acts-with-approval", (LOOK, REFUND), ("gpt-5",), ("refunds",), 3, 12,
    "run1", "complete", (), ("agent:desk",),
)  # fmt: skip


def needed(answer: Readiness) -> set[str]:
    return {layer.layer for layer in answer.layers if layer.needed}


def missing(answer: Readiness) -> set[str]:
    return {layer.layer for layer in answer.layers if layer.missing}


def what(answer: Readiness) -> list[str]:
    return [gap.what for layer in answer.layers for gap in layer.missing]


@pytest.mark.parametrize(
    "facts",
    [
        Facts("drafter", autonomy="drafts"),
        Facts("drafter"),
        Facts("drafter", autonomy="drafts", models=("gpt-5",)),
        Facts("drafter", autonomy="drafts", tools=(ToolFact("count_words", ("drafter",), "none"),)),
    ],
)
def test_a_text_drafter_needs_none_of_it_and_is_told_so(facts: Facts) -> None:
    answer = readiness(facts)
    assert (answer.needed, answer.ready, needed(answer)) == (False, True, set())
    assert answer.sentence.startswith("drafter needs none of the five layers: ")
    assert answer.sentence.count(". ") == 0  # one sentence


def test_an_agent_with_all_of_it_is_ready() -> None:
    answer = readiness(WHOLE)
    assert answer.ready
    assert needed(answer) == {"registry", "observability", "evaluation", "governance", "cost"}
    assert (
        answer.sentence
        == "desk needs registry, observability, evaluation, governance, cost, and has all of it."
    )
    assert all(layer.has for layer in answer.layers)


def test_reading_what_is_public_needs_to_be_known_and_seen() -> None:
    answer = readiness(replace(WHOLE, autonomy="drafts", tools=(PUBLIC,)))
    assert needed(answer) == {"registry", "observability"}


def test_regulated_data_needs_rules_and_trials() -> None:
    answer = readiness(replace(WHOLE, autonomy="drafts", tools=(LOOK,)))
    assert needed(answer) == {"registry", "observability", "evaluation", "governance"}
    assert "it reaches orders" in answer.layers[2].why


def test_autonomy_that_nobody_stated_is_the_worst_case_and_a_gap() -> None:
    answer = readiness(replace(WHOLE, autonomy=None))
    assert what(answer) == ["nobody said how far it acts by itself"]
    assert "cost" in needed(answer)
    foreign = readiness(Facts("remote", declared=True, owner="ann", purpose="x", foreign=True, models=("m",)))
    assert foreign.needed
    assert "nobody said how far it acts by itself" in what(foreign)
    assert "known from its card alone" in foreign.layers[0].why


@pytest.mark.parametrize(
    ("change", "layer", "text"),
    [
        ({"declared": False}, "registry", "nobody declared it"),
        ({"owner": None}, "registry", "no owner is named"),
        ({"purpose": ""}, "registry", "no purpose is named"),
        ({"runs": 0}, "observability", "no run of it was recorded"),
        ({"completeness": "lossy"}, "observability", "its newest run is lossy"),
        ({"suites": ()}, "evaluation", "no suite names it"),
        ({"evaluations": 0}, "evaluation", "no evaluation of it was seen"),
        (
            {"differences": ("it was sent another prompt",)},
            "governance",
            "it drifted: it was sent another prompt",
        ),
        ({"budgets": ()}, "cost", "no budget limits it, its workflow or every run"),
    ],
)
def test_each_gap_is_named_in_its_layer_with_what_mends_it(
    change: dict[str, object], layer: str, text: str
) -> None:
    answer = readiness(replace(WHOLE, **change))  # type: ignore[arg-type]
    assert missing(answer) == {layer}
    assert what(answer) == [text]
    assert answer.reasons == [f"{layer}: {text}"]
    assert all(gap.fix for one in answer.layers for gap in one.missing)
    assert answer.sentence == f"desk is not ready: 1 thing is missing in {layer}."


@pytest.mark.parametrize(
    ("tool", "layer", "text"),
    [
        (replace(REFUND, governed=False), "governance", "no policy is in force for refund"),
        (
            replace(REFUND, authority=0),
            "governance",
            "tool refund does not say which arguments decide what it does",
        ),
        (replace(REFUND, quarantined=True), "governance", "the definition of tool refund is quarantined"),
        (replace(REFUND, effect=None, priced=False), "registry", "nobody declared tool refund"),
    ],
)
def test_each_gap_of_a_tool_is_named(tool: ToolFact, layer: str, text: str) -> None:
    answer = readiness(replace(WHOLE, tools=(LOOK, tool)))
    assert (missing(answer), what(answer)) == ({layer}, [text])


def test_what_delegates_can_do_counts_and_the_way_is_named() -> None:
    through = replace(REFUND, chain=("desk", "case", "till"), governed=False)
    answer = readiness(replace(WHOLE, autonomy="drafts", tools=(through,)))
    assert what(answer) == ["no policy is in force for refund (through case → till)"]
    assert answer.layers[3].missing[0].fix == "tally policy push FILE.cedar --scope name:till"


def test_names_that_mean_harm_cannot_leave_a_command() -> None:
    evil = "x; rm -rf / #"
    tool = replace(REFUND, name=evil, chain=(evil,), quarantined=True, governed=False)
    answer = readiness(replace(WHOLE, agent=evil, tools=(tool,), budgets=()))
    fixes = [gap.fix for layer in answer.layers for gap in layer.missing]
    assert fixes == [
        "tally policy push FILE.cedar --scope 'name:\"x; rm -rf / #\"'",
        "tally tools quarantine shows what changed; tally tools accept 'x; rm -rf / #'",
        "tally budgets set 'x; rm -rf / #' --scope 'agent:x; rm -rf / #' --limit 5.00; "
        'or budget_usd = "5.00" in its file in agents/, then: tally apply',
    ]
