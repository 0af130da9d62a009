"""A log as static files (C2SP tlog-tiles): which there are, what is in them, and proofs made from them alone.

Tiles hold 256 hashes each: those of level 0 leaf hashes, those of level L the roots of complete subtrees of 256^L
leaves. Entry bundles hold the leaves themselves. The rightmost of each level may be partial.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tallystick.model.errors import BadInput
from tallystick.model.journal import LONGEST_LEAF
from tallystick.proof.merkle import HASH_BYTES, CompactRange, Node, Nodes

WIDTH: Final = 256
TALLEST: Final = 63  # the highest level that a path may name
CHECKPOINT_PATH: Final = "checkpoint"

_HEIGHT: Final = 8  # tree levels in a tile
_LONGEST_PATH: Final = 100
_PATH: Final = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([0-9]{1,3}))?")
_KEPT_TILES: Final = 256  # 2 MiB of hashes at most while proofs are made


@dataclass(frozen=True, slots=True)
class Tile:
    """Hashes [256·index, 256·index + width) of tile level ``level``; a width below 256 makes it partial."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it stands, such as ``tile/0/x001/234.p/5``."""
        return f"tile/{self.level}/{_place(self.index, self.width)}"

    @property
    def nodes(self) -> list[Node]:
        """Its hashes as nodes of the tree."""
        first = self.index * WIDTH
        return [(self.level * _HEIGHT, first + place) for place in range(self.width)]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Leaves [256·index, 256·index + width) of the log."""

    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it stands, such as ``tile/entries/x001/234.p/5``."""
        return f"tile/entries/{_place(self.index, self.width)}"


def parse_path(path: str) -> Tile | Bundle:
    """The tile or bundle that a path names. Raises BadInput for every path that is not written in its one form.

    What this accepts has no ``..``, no empty part and no leading slash, so it may be joined to a folder.
    """
    found = _PATH.fullmatch(path) if len(path) <= _LONGEST_PATH else None
    if found is not None:
        level, front, last, partial = found.groups()
        index = int(front.replace("x", "").replace("/", "") + last)
        width = int(partial) if partial is not None else WIDTH
        named = Bundle(index, width) if level == "entries" else Tile(int(level), index, width)
        fits = named.path == path and (partial is None or 0 < width < WIDTH)
        if fits and (isinstance(named, Bundle) or named.level <= TALLEST):
            return named
    raise BadInput("this is not the path of a tile or an entry bundle")


def _place(index: int, width: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    partial = f".p/{width}" if width < WIDTH else ""
    return "".join(f"x{part}/" for part in parts[:-1]) + parts[-1] + partial


def tiles_of(size: int, old_size: int = 0) -> Iterator[Tile]:
    """The tiles of a log of ``size`` leaves that one of ``old_size`` did not have yet, level by level."""
    level, hashes, before = 0, size, old_size
    while hashes:
        for index, width in _pieces(hashes, before):
            yield Tile(level, index, width)
        level, hashes, before = level + 1, hashes // WIDTH, before // WIDTH


def bundles_of(size: int, old_size: int = 0) -> Iterator[Bundle]:
    """The entry bundles of a log of ``size`` leaves that one of ``old_size`` did not have yet."""
    for index, width in _pieces(size, old_size):
        yield Bundle(index, width)


def _pieces(count: int, before: int) -> Iterator[tuple[int, int]]:
    if before < count:
        for index in range(before // WIDTH, count // WIDTH):
            yield index, WIDTH
        if count % WIDTH:
            yield count // WIDTH, count % WIDTH


# ── contents ────────────────────────────────────────────────────────────────────────────────────────────────────


def encode_bundle(leaves: Sequence[bytes]) -> bytes:
    """An entry bundle: each leaf after its length in 16 bits. Raises BadInput for a leaf over 65,535 bytes."""
    if not 0 < len(leaves) <= WIDTH or any(len(leaf) > LONGEST_LEAF for leaf in leaves):
        raise BadInput(f"an entry bundle has 1 to {WIDTH} leaves of at most {LONGEST_LEAF} bytes")
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)


def decode_bundle(content: bytes, width: int = WIDTH) -> list[bytes]:
    """The leaves of an entry bundle. Raises BadInput when there are not exactly ``width``."""
    leaves: list[bytes] = []
    at = 0
    while at < len(content) and len(leaves) < width:
        start = at + 2
        at = start + int.from_bytes(content[at:start], "big")
        leaves.append(content[start:at])
    if at != len(content) or len(leaves) != width:
        raise BadInput(f"this entry bundle does not have {width} whole leaves")
    return leaves


def decode_tile(content: bytes, width: int = WIDTH) -> list[bytes]:
    """The hashes of a tile. Raises BadInput when there are not exactly ``width``."""
    if len(content) != width * HASH_BYTES:
        raise BadInput(f"this tile does not have {width} hashes")
    return [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]


def nodes_from_tiles(size: int, read: Callable[[str], bytes]) -> Nodes:
    """Hashes of complete subtrees for the proofs of ``merkle``, from the tiles of a log of ``size`` leaves.

    ``read`` gives the content of a path. Nothing here is trusted or checked: a wrong tile makes a proof that does not
    verify. Raises BadInput for a tile of the wrong length and for nodes that a log of that size does not have.
    """

    @lru_cache(maxsize=_KEPT_TILES)
    def hashes(level: int, index: int) -> list[bytes]:
        width = min(WIDTH, (size >> _HEIGHT * level) - index * WIDTH)
        return decode_tile(read(Tile(level, index, width).path), width)

    def node(level: int, index: int) -> bytes:
        if level < 0 or index < 0 or (index + 1) << level > size:
            raise BadInput(f"a log of {size} leaves does not have that subtree")
        tile_level, within = divmod(level, _HEIGHT)
        tile, place = divmod(index << within, WIDTH)
        edge = CompactRange()
        for part in hashes(tile_level, tile)[place : place + (1 << within)]:
            edge.append(part)
        return edge.root()

    return lambda wanted: [node(level, index) for level, index in wanted]
