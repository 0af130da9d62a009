"""The journal's Merkle tree in control.db: the right edge in one row, full tiles, and the leaves behind them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from tallystick.model.errors import StoreFault, UnknownThing
from tallystick.proof.merkle import HASH_BYTES, CompactRange, Node, root_of

TILE: Final = 256  # hashes in a full tile; a tile's level counts in steps of eight
_STEP: Final = 8


def read_edge(connection: sqlite3.Connection) -> CompactRange:
    """The right edge of the tree."""
    row = connection.execute("SELECT size, peaks FROM tree").fetchone()
    if row is None:
        return CompactRange()
    size, peaks = row
    hashes = [peaks[start : start + HASH_BYTES] for start in range(0, len(peaks), HASH_BYTES)]
    try:
        return CompactRange(size, hashes)
    except ValueError as error:
        raise StoreFault("the journal's tree is damaged", hint="put a backup in its place") from error


def save_edge(connection: sqlite3.Connection, edge: CompactRange) -> None:
    """Write the right edge; inside the transaction that wrote the leaves."""
    connection.execute("INSERT OR REPLACE INTO tree VALUES (0, ?, ?)", (edge.size, b"".join(edge.peaks)))


def add_leaf(connection: sqlite3.Connection, edge: CompactRange, leaf: bytes) -> None:
    """Add a leaf to the edge; where it fills a tile, the tile is written. The entry itself must be written before."""
    edge.append(leaf)
    level, count = 0, edge.size
    while count % TILE == 0:
        index = count // TILE - 1
        hashes = b"".join(_tail(connection, level, index * TILE, TILE))
        connection.execute("INSERT INTO tile VALUES (?, ?, ?)", (level, index, hashes))
        level, count = level + 1, count // TILE


def _tail(connection: sqlite3.Connection, level: int, first: int, count: int) -> list[bytes]:
    """Hashes that stand behind the last full tile of a level: leaves, or roots of full tiles below."""
    if level == 0:
        rows = connection.execute(
            "SELECT digest FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq", (first, first + count)
        )
        return [bytes.fromhex(row[0]) for row in rows]
    rows = connection.execute(
        "SELECT hashes FROM tile WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx",
        (level - 1, first, first + count),
    )
    return [_tile_root(row[0]) for row in rows]


def _tile_root(hashes: bytes) -> bytes:
    return root_of(hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES))


def read_tile(connection: sqlite3.Connection, level: int, index: int, width: int = TILE) -> bytes:
    """The first ``width`` hashes of a tile. Raises UnknownThing where the tree is not as large."""
    row = connection.execute("SELECT hashes FROM tile WHERE level = ? AND idx = ?", (level, index)).fetchone()
    hashes = row[0] if row else b"".join(_tail(connection, level, index * TILE, width))
    if not 0 < width <= TILE or len(hashes) < width * HASH_BYTES:
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
        found.append(_tile_root(some))
    return found
