"""Pages of what was spent, dearest first: every row once, whatever costs as much as what, and sums over all of them."""

from __future__ import annotations

import pytest
from store_samples import START, pair

from tallystick.model.errors import BadInput
from tallystick.model.query import EVERYTHING, parse_query

NOW = START + 10**15
RUNS = 24
KEYS = ("run", "conversation", "subject", "version", "agent", "tool", "model", "workflow")


def spent(number: int):
    """A run: every third has no conversation, many cost the same, some have steps of unknown cost."""
    talk = None if number % 3 == 0 else f"talk-{number % 7}"
    who = f"user-{number}" if number % 2 else None
    root = pair(
        number, 100 * number, agent=f"agent-{number % 4}", facts={"root": True}, conversation=talk, subject=who,
        cost_nano=(number // 6) * 10, started=START + number,
    )  # fmt: skip
    more = pair(number, 100 * number + 1, 100 * number, cost_gap="no price" if number % 5 == 0 else None)
    return [root, more]


@pytest.fixture
def filled(traces):
    traces.write([step for number in range(RUNS) for step in spent(number)], at=NOW)
    return traces


@pytest.mark.parametrize("text", ["", "agent:agent-1", "-agent:agent-1 since:2020-01-01", "agent:nobody"])
@pytest.mark.parametrize("by", KEYS)
def test_pages_are_the_whole_cut_in_pieces(filled, by, text):
    query = parse_query(text)
    whole = list(filled.spend(by, query, now=NOW))
    for limit in (1, 4, 1_000):
        found = []
        for after in range(0, len(whole) + 1, limit):
            page = filled.dearest(by, query, now=NOW, limit=limit, after=after)
            assert len(page.rows) <= limit
            assert page.total == len(whole)
            assert page.cost_nano == sum(row.cost_nano for row in whole)
            assert page.unknown == sum(row.unknown for row in whole)
            found += page.rows
        assert found == whole


def test_what_comes_later_is_in_the_next_answer(filled):
    before = filled.dearest("conversation", EVERYTHING, now=NOW, limit=3)
    filled.write([pair(90, 9_000, conversation="talk-1", cost_nano=10_000, facts={"root": True})], at=NOW)
    after = filled.dearest("conversation", EVERYTHING, now=NOW, limit=3)
    assert after.rows[0].key == "talk-1"
    assert after.cost_nano == before.cost_nano + 10_000


def test_a_key_that_does_not_exist_is_refused(filled):
    with pytest.raises(BadInput):
        filled.dearest("moon", EVERYTHING, now=NOW, limit=1)
