"""The journal's Merkle tree in control.db: the right edge in one row, tiles, and the leaves behind the last full one.

Level 0 has full tiles only; the leaves behind them stand in the journal's rows. The tile at the right end of a higher
level grows by one hash whenever a tile below it is full. So an entry costs a few hashes, and a proof a few rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from tallystick.model.errors import StoreFault, UnknownThing
from tallystick.proof.merkle import HASH_BYTES, CompactRange, Node, node_hash, root_of

TILE: Final = 256  # hashes in a full tile; a tile's level counts in steps of eight
_STEP: Final = 8
_FULL: Final = TILE * HASH_BYTES


class Growth:
    """The tree while a transaction adds leaves to it; ``save`` writes what has changed.

    ``kept`` is the sum over the rows beside the journal (see control_kept.py), which stands in the same row.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.edge, self.kept = read_edge(connection)
        self._new: list[bytes] = []  # leaves that may not stand in the journal's rows yet

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self.edge.size

    def add(self, leaf: bytes) -> None:
        """Add a leaf; where it fills a tile, the tile is written."""
        self._new.append(leaf)
        edge, node, level = self.edge, leaf, 0
        size, peaks = edge.size, edge.peaks
        while size & 1:
            node = node_hash(peaks.pop(), node)
            size >>= 1
            level += 1
            if level % _STEP == 0:
                self._filled(level // _STEP, size, node)
        peaks.append(node)
        edge.size += 1

    def _filled(self, level: int, index: int, root: bytes) -> None:
        """The tile ``index`` below ``level`` is full, and ``root`` is its root: the next hash of the tile above it."""
        if level == 1:
            first = index * TILE
            before = read_leaves(self._connection, first, first + TILE - len(self._new))
            hashes = b"".join([*before, *self._new])
            if len(hashes) != _FULL:
                raise StoreFault("entries are missing from the journal", hint="tally journal verify")
            self._connection.execute("INSERT INTO tile VALUES (0, ?, ?)", (index, hashes))
            self._new = []
        if index % TILE == 0:
            self._connection.execute("INSERT INTO tile VALUES (?, ?, ?)", (level, index // TILE, root))
        else:
            self._connection.execute(
                "UPDATE tile SET hashes = CAST(hashes || ? AS BLOB) WHERE level = ? AND idx = ?",
                (root, level, index // TILE),
            )

    def save(self) -> None:
        """Write the right edge; inside the transaction that wrote the leaves."""
        self._connection.execute(
            "INSERT OR REPLACE INTO tree VALUES (0, ?, ?, ?)",
            (self.edge.size, b"".join(self.edge.peaks), self.kept.to_bytes(HASH_BYTES, "big")),
        )


def read_edge(connection: sqlite3.Connection) -> tuple[CompactRange, int]:
    """The right edge of the tree, and the sum over the rows beside the journal. Raises StoreFault."""
    row = connection.execute("SELECT size, peaks, kept FROM tree").fetchone()
    if row is None:
        return CompactRange(), 0
    size, peaks, kept = row
    hashes = [peaks[start : start + HASH_BYTES] for start in range(0, len(peaks), HASH_BYTES)]
    try:
        return CompactRange(size, hashes), int.from_bytes(kept, "big")
    except ValueError as error:
        raise StoreFault(
            "the row with the journal's tree is damaged",
            hint="put a backup in its place, and find out who changed it",
            table="tree",
        ) from error


def read_leaves(connection: sqlite3.Connection, first: int, last: int) -> list[bytes]:
    """Leaf hashes ``first`` to ``last`` (from 0, without the last) from the journal's rows; fewer where rows lack."""
    rows = connection.execute(
        "SELECT digest FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq", (first, last)
    )
    try:
        return [bytes.fromhex(row[0]) for row in rows]
    except ValueError as error:
        raise StoreFault("a digest in the journal was changed", hint="tally journal verify") from error


def read_tile(connection: sqlite3.Connection, level: int, index: int, width: int = TILE) -> bytes:
    """The first ``width`` hashes of a tile. Raises UnknownThing where the tree is not as large."""
    hashes = b""
    if 0 < width <= TILE and 0 <= index < 1 << 48:
        row = connection.execute(
            "SELECT hashes FROM tile WHERE level = ? AND idx = ?", (level, index)
        ).fetchone()
        if row is not None:
            hashes = row[0]
        elif level == 0:
            hashes = b"".join(read_leaves(connection, index * TILE, index * TILE + width))
    if not hashes or len(hashes) < width * HASH_BYTES:
        raise UnknownThing(f"the journal has no tile {level}/{index} of {width} hashes")
    return bytes(hashes[: width * HASH_BYTES])


def read_nodes(connection: sqlite3.Connection, wanted: Sequence[Node]) -> list[bytes]:
    """Hashes of complete subtrees, each made from one tile."""
    tiles: dict[tuple[int, int], bytes] = {}
    found = []
    for level, index in wanted:
        below = level % _STEP
        first = index << below  # in hashes of the tile's own level
        place = level // _STEP, first // TILE
        start = first % TILE
        need = start + (1 << below)
        if len(tiles.get(place, b"")) < need * HASH_BYTES:
            tiles[place] = read_tile(connection, *place, need)
        some = tiles[place][start * HASH_BYTES : need * HASH_BYTES]
        found.append(root_of(some[at : at + HASH_BYTES] for at in range(0, len(some), HASH_BYTES)))
    return found
