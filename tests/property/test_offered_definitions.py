"""Definitions from any server: each is kept whole and unchanged, or refused by name."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tallystick.model.canonical import canonical_json, read_canonical
from tallystick.registry.offered import TOOL_NAME, Offer, compare, definition_from, definitions
from tallystick.registry.offered_files import file_text

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=8), values, max_size=3)
names = st.from_regex(TOOL_NAME, fullmatch=True) | st.text(max_size=70)
offers = st.builds(
    Offer,
    name=names,
    description=st.text(max_size=50),
    input=objects,
    output=st.none() | objects,
    annotations=objects,
)


@given(st.lists(offers, max_size=5))
def test_every_tool_is_kept_or_refused(given_offers: list[Offer]) -> None:
    good, refused = definitions("srv", "command", given_offers)
    assert len(good) + len(refused) == len(given_offers)
    for name, made in good.items():
        assert made.name == name
        text = canonical_json(made.as_json())
        assert definition_from(read_canonical(text)) == made
        read = tomllib.loads(file_text(made))
        assert read["name"] == name
        assert "effect" not in read


@given(offers, offers)
def test_two_definitions_differ_where_their_digests_do(one: Offer, other: Offer) -> None:
    good, _ = definitions("srv", "command", [one])
    others, _ = definitions("srv", "command", [other])
    for before in good.values():
        assert compare(before, before) == ((), ())
        for after in others.values():
            differs, changes = compare(before, after)
            assert bool(differs) == (before.as_json() != after.as_json())
            assert {change.path.partition(".")[0] for change in changes} == set(differs)


@given(st.integers(1, 300))
def test_depth_is_bounded(levels: int) -> None:
    deep: Any = {}
    for _ in range(levels):
        deep = {"properties": deep}
    good, refused = definitions("srv", "command", [Offer("t", "", deep)])
    assert bool(good) == (levels < 64)
    assert bool(refused) != bool(good)
