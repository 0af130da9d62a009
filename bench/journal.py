"""What the journal costs: CPU of an append beyond the bare write, and proofs from ten million entries.

Appends: the store and a bare SQLite file take turns. The bare file has the columns and indexes of journal, openings and
tree, the same pragmas (WAL, synchronous=FULL), and gets the same finished rows in the same batches by executemany: what
is left between the two is checking, canonical JSON, hashes, ids, numbering and locking. Printed are
medians over blocks of the calling thread's CPU (waiting for the disk is not in it), in microseconds an entry.
*decision* is a decision.made with two committed arguments (the commitments are made before, by the guard); *effect* is
a small entry without contents. *least* is the store's cheapest block less the bare file's cheapest, which is nearest
to a machine with nothing else to do. Both stores are brought to each size before they are measured there.

Proofs: the tiles are written directly, not by ten million appends: the leaves are random bytes, sixty-four different
tiles of them in turn; every node above is computed. Each proof is checked against the root outside the measured time.

Run: python bench/journal.py [--json] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tallystick.adapters.clock import SystemClock
from tallystick.adapters.ids import TimeIds
from tallystick.adapters.sqlite import SqliteControl
from tallystick.adapters.sqlite.control_tree import TILE, read_nodes
from tallystick.model.commitment import Content
from tallystick.model.journal import Draft
from tallystick.proof import merkle

KINDS = ("effect", "decision")
BATCHES = (64, 1)
SIZES = (1_000, 10_000, 100_000)
PROOF_SIZES = (10_000, 1_000_000, 10_000_000)
BLOCKS = 15
BARE = """
CREATE TABLE journal (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, kind TEXT NOT NULL,
    subject TEXT NOT NULL, run TEXT, actor TEXT NOT NULL, body BLOB NOT NULL, previous TEXT NOT NULL,
    digest TEXT NOT NULL, nth INTEGER) STRICT;
CREATE INDEX journal_run ON journal (run) WHERE run IS NOT NULL;
CREATE INDEX journal_subject ON journal (subject);
CREATE INDEX journal_kind ON journal (kind);
CREATE TABLE opening (seq INTEGER NOT NULL, place INTEGER NOT NULL, commitment TEXT NOT NULL, salt BLOB, content BLOB,
    why TEXT, PRIMARY KEY (seq, place)) STRICT, WITHOUT ROWID;
CREATE TABLE tree (only INTEGER PRIMARY KEY, size INTEGER, peaks BLOB NOT NULL, kept BLOB NOT NULL) STRICT;
"""
TREE_ROW = "INSERT OR REPLACE INTO tree VALUES (?, ?, ?, ?)"
JOURNAL_ROW = f"INSERT INTO journal VALUES ({', '.join('?' * 11)})"
OPENING_ROW = "INSERT INTO opening VALUES (?, ?, ?, ?, ?, ?)"


def drafts(kind: str, first: int, count: int) -> list[Draft]:
    """``count`` drafts over a few runs."""
    return [_draft(kind, number) for number in range(first, first + count)]


def _draft(kind: str, number: int) -> Draft:
    run = f"{number % 50:032x}"
    name = f"{kind}-{number:026}"
    if kind == "effect":
        body: dict[str, Any] = {
            "effect": name, "decision": name, "run": run, "tool": "refund", "call": "c" * 64, "binding": "f" * 64,
        }  # fmt: skip
        return Draft("effect.started", name, body, run=run, actor="refunds")
    contents = {
        "order_id": Content(f"A-{number}", os.urandom(16)),
        "amount": Content("900.00", os.urandom(16)),
    }
    body = {
        "decision": name, "run": run, "step": "b" * 16, "agent": "refunds", "workflow": "support", "tool": "refund",
        "tool_digest": "d" * 64, "declaration": None, "arguments": contents, "call": "c" * 64,
        "at": "1700000000000000000", "approved": [], "policy_digest": "f" * 64, "policy_state": "enforced",
        "policy_answer": "allow", "stage": "policy", "answer": "allow", "reasons": ["refunds.cedar: rule 1"],
        "because": None, "group": None, "loop": None, "approval": None, "hold": None,
    }  # fmt: skip
    return Draft("decision.made", name, body, run=run, actor="refunds")


class Pair:
    """The store, and the bare file that gets the same rows."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind = kind
        self.store = SqliteControl(folder / "control.db", clock=SystemClock(), ids=TimeIds())
        self.bare = sqlite3.connect(folder / "bare.db", isolation_level=None, cached_statements=256)
        pragmas = ("journal_mode=WAL", "synchronous=FULL", "cache_size=-32000", "wal_autocheckpoint=1000",
                   "journal_size_limit=8388608", "temp_store=MEMORY", "foreign_keys=ON")  # fmt: skip
        for pragma in pragmas:
            self.bare.execute(f"PRAGMA {pragma}")
        self.bare.executescript(BARE)
        self.reader = sqlite3.connect(folder / "control.db", isolation_level=None)
        self.size = 0

    def _rows(self, table: str, first: int, last: int) -> list[Any]:
        sql = f"SELECT * FROM {table} WHERE seq > ? AND seq <= ? ORDER BY seq"
        return self.reader.execute(sql, (first, last)).fetchall()

    def append(self, count: int) -> tuple[float, float]:
        """Append one batch to both; CPU seconds of the store and of the bare file."""
        batch = drafts(self.kind, self.size, count)
        begun = time.thread_time()
        self.store.append(batch)
        ours = time.thread_time() - begun
        entries, openings = (
            self._rows(table, self.size, self.size + count) for table in ("journal", "opening")
        )
        (tree,) = self.reader.execute("SELECT only, size, peaks, kept FROM tree").fetchall()
        self.size += count
        begun = time.thread_time()
        self.bare.execute("BEGIN IMMEDIATE")
        self.bare.executemany(JOURNAL_ROW, entries)
        if openings:
            self.bare.executemany(OPENING_ROW, openings)
        self.bare.execute(TREE_ROW, tree)
        self.bare.execute("COMMIT")
        return ours, time.thread_time() - begun

    def grow(self, size: int) -> None:
        """Bring both to a size, in large batches."""
        while self.size < size:
            self.append(min(2_000, size - self.size))

    def measure(self, batch: int) -> dict[str, Any]:
        """Medians over blocks, in microseconds an entry."""
        rounds = max(1, 192 // batch)
        ours, bare = [], []
        for _ in range(BLOCKS):
            pairs = [self.append(batch) for _ in range(rounds)]
            ours.append(sum(one for one, _ in pairs) / rounds / batch * 1e6)
            bare.append(sum(one for _, one in pairs) / rounds / batch * 1e6)
        beyond = [one - other for one, other in zip(ours, bare, strict=True)]
        return {
            "kind": self.kind, "entries": self.size, "batch": batch, "store_us": statistics.median(ours),
            "bare_us": statistics.median(bare), "beyond_us": statistics.median(beyond),
            "least_us": min(ours) - min(bare),
        }  # fmt: skip

    def close(self) -> None:
        for one in (self.store, self.bare, self.reader):
            one.close()


def appends(sizes: Sequence[int], say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row for each kind, size and batch."""
    found = []
    for kind in KINDS:
        with tempfile.TemporaryDirectory(prefix="tally-bench-") as folder:
            pair = Pair(Path(folder), kind)
            for size in sizes:
                pair.grow(size)
                for batch in BATCHES:
                    row = pair.measure(batch)
                    found.append(row | {"entries": size})
                    say(f"{kind} at {size:,}, batch {batch}: {row['beyond_us']:.1f} µs beyond the bare write")
            pair.close()
    return found


def build(path: Path, size: int, dice: random.Random) -> SqliteControl:
    """A store whose tree has ``size`` leaves of random bytes; only the leaves behind the last full tile have rows."""
    SqliteControl(path, clock=SystemClock(), ids=TimeIds()).close()
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA synchronous=OFF")
    raw.execute("BEGIN")
    pool = [[dice.randbytes(32) for _ in range(TILE)] for _ in range(64)]
    roots = [merkle.root_of(tile) for tile in pool]
    full = size // TILE
    raw.executemany("INSERT INTO tile VALUES (0, ?, ?)", ((n, b"".join(pool[n % 64])) for n in range(full)))
    level, hashes = 1, [roots[n % 64] for n in range(full)]
    while hashes:
        tiles = [hashes[start : start + TILE] for start in range(0, len(hashes), TILE)]
        raw.executemany(
            "INSERT INTO tile VALUES (?, ?, ?)", ((level, n, b"".join(tile)) for n, tile in enumerate(tiles))
        )
        level, hashes = level + 1, [merkle.root_of(tile) for tile in tiles if len(tile) == TILE]
    raw.executemany(
        "INSERT INTO journal VALUES (?, ?, 0, 'effect.started', 's', NULL, 'bench', ?, '', ?, NULL)",
        ((seq, f"ent_{seq}", b"{}", dice.randbytes(32).hex()) for seq in range(full * TILE + 1, size + 1)),
    )
    peaks = b"".join(read_nodes(raw, merkle.peak_nodes(size)))
    raw.execute("INSERT OR REPLACE INTO tree VALUES (0, ?, ?, ?)", (size, peaks, bytes(32)))
    raw.execute("COMMIT")
    raw.close()
    return SqliteControl(path, clock=SystemClock(), ids=TimeIds())


def proofs(sizes: Sequence[int], say: Callable[[str], None], times: int = 200) -> list[dict[str, Any]]:
    """Median and slowest of some hundred proofs at random places, in milliseconds of wall time."""
    found = []
    for size in sizes:
        dice = random.Random(size)
        with tempfile.TemporaryDirectory(prefix="tally-bench-") as folder:
            store = build(Path(folder) / "control.db", size, dice)
            _, root = store.head()
            inclusion, consistency = [], []
            for _ in range(times):
                index = dice.randrange(size)
                begun = time.perf_counter()
                path = merkle.prove_inclusion(index, size, store.nodes)
                inclusion.append((time.perf_counter() - begun) * 1e3)
                leaf = store.nodes([(0, index)])[0] if index >= size // TILE * TILE else _leaf(store, index)
                assert merkle.root_from_inclusion(index, size, leaf, path) == root
                begun = time.perf_counter()
                proof = merkle.prove_consistency(index, size, store.nodes)
                consistency.append((time.perf_counter() - begun) * 1e3)
                assert merkle.is_consistent(index, size, merkle.root_at(index, store.nodes), root, proof)
            store.close()
        row = {"entries": size}
        for name, one in (("inclusion", inclusion), ("consistency", consistency)):
            row |= {f"{name}_ms": statistics.median(one), f"{name}_slowest_ms": max(one)}
        found.append(row)
        say(f"proofs from {size:,}: {row['inclusion_ms']:.2f} and {row['consistency_ms']:.2f} ms")
    return found


def _leaf(store: SqliteControl, index: int) -> bytes:
    tile = store.tile(0, index // TILE)
    return tile[index % TILE * 32 :][:32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="smaller sizes")
    asked = parser.parse_args()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    rows = appends(SIZES[:2] if asked.quick else SIZES, say)
    times = proofs(PROOF_SIZES[:2] if asked.quick else PROOF_SIZES, say)
    if asked.json:
        print(json.dumps({"appends": rows, "proofs": times}, indent=1))
        return
    print(
        "| entry | entries | batch | store, µs | bare, µs | beyond, µs | least, µs |\n|---|---|---|---|---|---|---|"
    )
    for row in rows:
        print(f"| {row['kind']} | {row['entries']:,} | {row['batch']} | {row['store_us']:.1f} |"
              f" {row['bare_us']:.1f} | {row['beyond_us']:.1f} | {row['least_us']:.1f} |")  # fmt: skip
    print("\n| proof from | inclusion, ms | slowest | consistency, ms | slowest |\n|---|---|---|---|---|")
    for row in times:
        print(f"| {row['entries']:,} | {row['inclusion_ms']:.2f} | {row['inclusion_slowest_ms']:.2f} |"
              f" {row['consistency_ms']:.2f} | {row['consistency_slowest_ms']:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
