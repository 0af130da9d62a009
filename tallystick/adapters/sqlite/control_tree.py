"""The journal's Merkle tree in control.db: the right edge in one row, tiles, and the leaves behind the last full one.

Level 0 has full tiles only; the leaves behind them stand in the journal's rows. The tile at the right end of a higher
level grows by one hash whenever a tile below it is full. So an entry costs a few hashes, and a proof a few rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from tallystick.model.errors import BadInput, StoreFault, UnknownThing
from tallystick.proof.merkle import HASH_BYTES, CompactRange, Node, node_hash

TILE: Final = 256  # hashes in a full tile; a tile's level counts in steps of eight
_STEP: Final = 8
_FULL: Final = TILE * HASH_BYTES
_MOST_RUNS: Final = 4_096  # whose counts are remembered between transactions


class Growth:
    """The tree while a transaction adds leaves to it; ``save`` writes what has changed.

    ``kept`` is the sum over the rows beside the journal (see control_kept.py), which stands in the same row. After the
    commit it may be used for the next transaction, if ``still_true``; after a rollback it must be thrown away.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._version = _data_version(connection)
        self.edge, self.kept = read_edge(connection)
        self._new: list[bytes] = []  # leaves that may not stand in the journal's rows yet
        self._counts: dict[str, int] = {}  # entries by run, of runs that were met

    def still_true(self, connection: sqlite3.Connection) -> bool:
        """Inside the next transaction: whether nobody else has written since."""
        return connection is self._connection and _data_version(connection) == self._version

    def next_of(self, run: str | None) -> int | None:
        """The number that the next entry of a run has among the run's entries."""
        if run is None:
            return None
        count = self._counts.get(run)
        if count is None:
            if len(self._counts) >= _MOST_RUNS:
                self._counts.clear()
            count = self._entries_of(run)
        self._counts[run] = count + 1
        return count + 1

    def _entries_of(self, run: str) -> int:
        sql = "SELECT nth FROM journal WHERE run = ? ORDER BY seq DESC LIMIT 1"
        row = self._connection.execute(sql, (run,)).fetchone()
        if row is not None and row[0] is None:  # entries of the first version were not numbered
            row = self._connection.execute("SELECT count(*) FROM journal WHERE run = ?", (run,)).fetchone()
        return int(row[0]) if row else 0

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
        """Write the right edge; inside the transaction that wrote the leaves, after their rows."""
        self._new = []
        row = (self.edge.size, b"".join(self.edge.peaks), self.kept.to_bytes(HASH_BYTES, "big"))
        done = self._connection.execute("UPDATE tree SET size = ?, peaks = ?, kept = ? WHERE only = 0", row)
        if not done.rowcount:
            self._connection.execute("INSERT INTO tree VALUES (0, ?, ?, ?)", row)


def _data_version(connection: sqlite3.Connection) -> int:
    """A number that changes whenever another connection has committed."""
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


def read_edge(connection: sqlite3.Connection) -> tuple[CompactRange, int]:
    """The right edge of the tree, and the sum over the rows beside the journal. Raises StoreFault."""
    row = connection.execute("SELECT size, peaks, kept FROM tree").fetchone()
    if row is None:
        return CompactRange(), 0
    size, peaks, kept = row
    hashes = [peaks[start : start + HASH_BYTES] for start in range(0, len(peaks), HASH_BYTES)]
    try:
        return CompactRange(size, hashes), int.from_bytes(kept, "big")
    except (BadInput, ValueError) as error:
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
        found.append(_folded(some))
    return found


def _folded(hashes: bytes) -> bytes:
    """The root over two, four, … 256 hashes that stand one behind the other."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest() for at in pairs])
    return hashes
