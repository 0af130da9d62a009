"""An outline is the same steps in the order of a tree, whatever the parents say; packed bytes say the same."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tallystick.app.reading.outline import MAGIC, columns, packed
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.observe.outline import arrange, outline_of

PARENTS = st.lists(st.one_of(st.none(), st.integers(0, 24)), min_size=0, max_size=20)


def steps_of(parents: Sequence[int | None]) -> list[Step]:
    return [
        Step(
            "1" * 32, f"{number:016x}", None if parent is None else f"{parent:016x}", None, Kind.TOOL, f"step {number}",
            StepStatus.OK, 1_000 + number, 1_005 + number, "", "gen_ai", agent="a" if number % 3 == 0 else None,
        )
        for number, parent in enumerate(parents)
    ]  # fmt: skip


@given(PARENTS)
def test_every_step_stands_once_under_its_parent(parents: list[int | None]) -> None:
    outline = outline_of(steps_of(parents))
    tree = arrange(outline)
    assert sorted(tree.places) == list(range(len(parents)))
    for row, (place, parent, depth) in enumerate(zip(tree.places, tree.parents, tree.depths, strict=True)):
        assert parent < row
        assert depth == (0 if parent < 0 else tree.depths[parent] + 1)
        if parent >= 0:
            assert parents[place] == tree.places[parent]
    for row in range(
        1, len(tree.places)
    ):  # depth first: a row stands under the one before or under one above that
        assert tree.depths[row] <= tree.depths[row - 1] + 1


@given(PARENTS)
def test_packed_bytes_say_what_the_columns_say(parents: list[int | None]) -> None:
    outline = outline_of(steps_of(parents))
    told = columns(outline, 1_000)
    body = packed(outline, 1_000, {"run": "r"})
    assert body[:4] == MAGIC
    length = int.from_bytes(body[4:8], "little")
    head = json.loads(body[8 : 8 + length])
    at, found = 8 + length, {}
    for name, kind, size in head["columns"]:
        raw = body[at : at + size]
        found[name] = list(struct.unpack(f"<{size // 8}d", raw)) if kind == "f64" else raw
        if kind == "i32":
            found[name] = list(struct.unpack(f"<{size // 4}i", raw))
        at += size + (-size % 8)
    rows = head["rows"]
    assert rows == len(told["step"]) == len(parents)
    assert [found["step"][8 * i : 8 * i + 8].hex() for i in range(rows)] == told["step"]
    assert found["parent"] == told["parent"]
    assert found["started_ns"] == told["started_ns"]
    assert [head["looks"][look]["name"] for look in found["look"]] == told["name"]
    assert [None if agent < 0 else head["agents"][agent] for agent in found["agent"]] == told["agent"]
