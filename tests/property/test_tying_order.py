"""Decisions from ties do not depend on the order in which the ties came (observe/tying.py).

What a store holds after it took ties in one by one, and decided anew what each of them touched, is what it would hold
had all come at once.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.adapters.memory.tying import MemoryTies
from tallystick.model.tie import CREATED, GIVES, GUEST, HOST, INVOKED, TAKES, Tie
from tallystick.observe.tying import MINUTE, settle

times = st.integers(0, 24).map(lambda five: five * 5 * MINUTE) | st.integers(0, 6).map(
    lambda one: one * MINUTE
)
traces = st.sampled_from("abcdefgh")


@st.composite
def ties(draw: st.DrawFn) -> Tie:
    key, role = draw(st.sampled_from(
        [(0, HOST), (0, GUEST), (1, GIVES), (1, TAKES), (2, GIVES), (2, TAKES), (3, CREATED), (3, INVOKED)]
    ))  # fmt: skip
    at = draw(times)
    until = at + draw(times)
    if (key, role) == (1, GIVES) or (role == TAKES and draw(st.booleans())):
        until = -1  # of one key all who give go with those who take, or none does
    return Tie(key, role, at, until, draw(traces))


def held(batches: list[list[Tie]]) -> dict[str, str]:
    store = MemoryTies()
    for batch in batches:
        store.add(batch)
        store.tie(settle(batch, store))
    return store.tied


@settings(max_examples=150, deadline=None)
@given(some=st.lists(ties(), max_size=14, unique=True), size=st.integers(1, 4), data=st.data())
def test_ties_that_come_in_any_order_and_split_decide_the_same(
    some: list[Tie], size: int, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(some))
    pieces = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    assert held(pieces) == held([some])


@settings(max_examples=60, deadline=None)
@given(some=st.lists(ties(), max_size=14, unique=True))
def test_a_trace_belongs_to_another_one_that_is_there(some: list[Tie]) -> None:
    known = {tie.trace for tie in some}
    for trace, host in held([some]).items():
        assert trace != host
        assert {trace, host} <= known
