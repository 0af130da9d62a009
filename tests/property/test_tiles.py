"""A log as static files: what is exported gives the same roots and proofs, and no path leaves the folder."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.model.errors import BadInput
from tallystick.proof.merkle import (
    CompactRange,
    Node,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root_at,
    root_of,
)
from tallystick.proof.tiles import (
    Bundle,
    Tile,
    bundles_of,
    decode_bundle,
    decode_tile,
    encode_bundle,
    nodes_from_tiles,
    parse_path,
    tiles_of,
)

LARGEST = 70_000
LEAVES = [leaf_hash(number.to_bytes(3, "big")) for number in range(LARGEST)]
LEVELS = [LEAVES]
while len(LEVELS[-1]) > 1:
    LEVELS.append([
        node_hash(LEVELS[-1][at], LEVELS[-1][at + 1]) for at in range(0, len(LEVELS[-1]) - 1, 2)
    ])  # fmt: skip


def nodes(wanted: Sequence[Node]) -> list[bytes]:
    return [LEVELS[level][index] for level, index in wanted]


def exported(size: int, old_size: int = 0) -> dict[str, bytes]:
    return {tile.path: b"".join(nodes(tile.nodes)) for tile in tiles_of(size, old_size)}


def test_the_tiles_of_the_specifications_example() -> None:
    """c2sp.org/tlog-tiles, "Partial Tiles": a tree of 70,000 and one of 256."""
    by_level: dict[int, list[Tile]] = {}
    for tile in tiles_of(70_000):
        by_level.setdefault(tile.level, []).append(tile)
    assert [tile.width for tile in by_level[0]] == [256] * 273 + [112]
    assert [tile.width for tile in by_level[1]] == [256, 17]
    assert [tile.width for tile in by_level[2]] == [1]
    assert list(by_level) == [0, 1, 2]
    assert [tile.path for tile in tiles_of(256)] == ["tile/0/000", "tile/1/000.p/1"]
    assert list(tiles_of(0)) == list(bundles_of(0)) == []
    assert Tile(0, 1_234_067).path == "tile/0/x001/x234/067"
    assert Bundle(1_234_067, 5).path == "tile/entries/x001/x234/067.p/5"


@settings(max_examples=40)
@given(
    st.integers(1, 600) | st.integers(1, LARGEST) | st.sampled_from([255, 256, 257, 65_535, 65_536, 65_537]),
    st.data(),
)
def test_proofs_from_tiles_are_those_of_the_tree(size: int, data: st.DataObject) -> None:
    files = exported(size)
    from_tiles = nodes_from_tiles(size, files.__getitem__)
    assert root_at(size, from_tiles) == root_at(size, nodes)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    assert prove_inclusion(index, size, from_tiles) == prove_inclusion(index, size, nodes)
    assert prove_consistency(old, size, from_tiles) == prove_consistency(old, size, nodes)
    level = data.draw(st.integers(0, size.bit_length() - 1))
    last = (size >> level) - 1
    assert from_tiles([(level, last), (0, 0)]) == nodes([(level, last), (0, 0)])
    for beyond in ((level, last + 1), (-1, 0), (0, -1), (70, 0)):
        with pytest.raises(BadInput):
            from_tiles([beyond])


@settings(max_examples=30)
@given(st.lists(st.integers(0, LARGEST), max_size=5))
def test_exporting_in_steps_leaves_what_the_last_size_needs(sizes: list[int]) -> None:
    files: dict[str, bytes] = {}
    before = 0
    for size in sorted(sizes):
        step = exported(size, before)
        assert not set(step) & set(files)  # no file is written twice
        files.update(step)
        assert set(exported(size)) <= set(files)
        before = size
    if before:
        assert root_at(before, nodes_from_tiles(before, files.__getitem__)) == root_of(LEAVES[:before])


@given(st.integers(0, 2_000), st.integers(0, 2_000))
def test_bundles_cover_every_new_leaf(one: int, other: int) -> None:
    old, size = sorted((one, other))
    covered = {leaf for bundle in bundles_of(size, old)
               for leaf in range(bundle.index * 256, bundle.index * 256 + bundle.width)}  # fmt: skip
    assert set(range(old, size)) <= covered <= set(range(size))
    assert [bundle.path.replace("entries", "0") for bundle in bundles_of(size)] == [
        tile.path for tile in tiles_of(size) if tile.level == 0
    ]


def test_a_wrong_tile_makes_a_proof_that_does_not_hold_and_a_short_one_is_refused() -> None:
    files, root = exported(300), root_of(LEAVES[:300])
    lying = files | {"tile/0/000": bytes(32) + files["tile/0/000"][32:]}
    assert root_at(300, nodes_from_tiles(300, lying.__getitem__)) == root  # its level 1 tile is still true
    assert prove_inclusion(1, 300, nodes_from_tiles(300, lying.__getitem__))[0] == bytes(32)
    short = files | {"tile/1/000.p/1": b""}
    with pytest.raises(BadInput):
        root_at(300, nodes_from_tiles(300, short.__getitem__))


# ── paths ───────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 63), st.integers(0, 10**18), st.integers(1, 256), st.booleans())
def test_paths_are_read_as_they_are_written(level: int, index: int, width: int, leaves: bool) -> None:
    thing = Bundle(index, width) if leaves else Tile(level, index, width)
    assert parse_path(thing.path) == thing


@pytest.mark.parametrize("path", [
    "", "tile", "tile/0", "tile/0/", "/tile/0/000", "tile/0/000/", "tile//000", "tile/0/00",
    "tile/0/0000", "tile/00/000",
    "tile/64/000", "tile/-1/000", "tile/0/x000/000", "tile/0/x001", "tile/0/001/000", "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p", "tile/0/../000", "tile/entries/../../journal.key",
    "tile/data/000",
    "tile/0/٠٠٠", "tile/0/000\n", "tile/0/000\x00", "TILE/0/000", "tile/0/" + "x001/" * 40 + "000",
])  # fmt: skip
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(BadInput):
        parse_path(path)


@given(st.text("tile/entriesx0123456789.p", max_size=40))
def test_no_accepted_path_leaves_the_folder(path: str) -> None:
    try:
        named = parse_path(path)
    except BadInput:
        return
    assert named.path == path
    assert all(part and not part.startswith(".") for part in path.split("/"))


# ── entry bundles ───────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_bundles_give_their_leaves_back(leaves: list[bytes]) -> None:
    content = encode_bundle(leaves)
    assert decode_bundle(content, len(leaves)) == leaves
    for wrong in (content[:-1], content + b"\x00", content + b"\x00\x00", b""):
        with pytest.raises(BadInput):
            decode_bundle(wrong, len(leaves))
    with pytest.raises(BadInput):
        decode_bundle(content, len(leaves) + 1)


def test_what_does_not_fit_a_bundle_or_a_tile_is_refused() -> None:
    assert decode_bundle(encode_bundle([b"x" * 65_535]), 1) == [b"x" * 65_535]
    for leaves in ([], [b"x" * 65_536], [b""] * 257):
        with pytest.raises(BadInput):
            encode_bundle(leaves)
    with pytest.raises(BadInput):
        decode_tile(bytes(33), 1)
    edge = CompactRange()
    for one in decode_tile(b"".join(LEAVES[:256])):
        edge.append(one)
    assert edge.root() == root_of(LEAVES[:256])
