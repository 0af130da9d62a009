"""A long run is looked through some steps at a time: an answer says how far it came, and the next one goes on there."""

from __future__ import annotations

import pytest
from store_samples import SECOND, START, said

from tallystick.app.reading import finding
from tallystick.app.reading.finding import find_in_run
from tallystick.model.query import EVERYTHING

NOW = START + 10_000 * SECOND
STEPS = 25


@pytest.fixture
def run(traces, monkeypatch):
    """A run of 25 steps of which every eighth says a word; four of them are looked through at a time."""
    monkeypatch.setattr(finding, "AT_ONCE", 4)
    traces.write(
        [said(number, f"step {number}" + " quetzal" * (number % 8 == 7), trace=0) for number in range(STEPS)],
        at=NOW,
    )
    return traces.runs(EVERYTHING, now=NOW).runs[0].run


def answers(traces, run: str, text: str, limit: int) -> list[dict]:
    found, after = [], None
    while not found or after is not None:
        found.append(find_in_run(traces, run, text, now=NOW, limit=limit, after=after))
        after = found[-1]["more"]
    return found


@pytest.mark.parametrize("limit", [1, 2, 50])
@pytest.mark.parametrize("text", ["quetzal", "STEP", "7", "nothing at all"])
def test_all_answers_together_are_the_whole(traces, run, text, limit, monkeypatch):
    found = answers(traces, run, text, limit)
    searched = [one["searched"] for one in found]
    assert searched == sorted(searched)
    assert searched[-1] == STEPS
    assert all(len(one["matches"]) <= limit for one in found)
    pieces = [match for one in found for match in one["matches"]]
    monkeypatch.setattr(finding, "AT_ONCE", 1_000)
    assert pieces == answers(traces, run, text, 1_000)[0]["matches"]


def test_an_answer_may_be_empty_and_lead_on(traces, run):
    first = find_in_run(traces, run, "quetzal", now=NOW, limit=50, after=None)
    assert (first["matches"], first["searched"], first["more"]) == ([], 4, "4.0")
    beyond = find_in_run(traces, run, "quetzal", now=NOW, limit=50, after="400.0")
    assert (beyond["matches"], beyond["more"]) == ([], None)


def test_places_are_those_of_the_whole_run(traces, run):
    for after, most in ((0, None), (5, 6), (20, 100), (24, 1), (25, 1), (99, 3), (3, 0)):
        end = STEPS if most is None else min(STEPS, after + most)
        places = [place for place, _, _ in traces.holding(run, "step", after=after, most=most)]
        assert places == list(range(after, end))
