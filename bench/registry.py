"""What the access question costs: "which agents can read customer_pii, by which tool, under which policy, did they".

A registry of 2,000 agents, 5,000 tools, 300 data sources and 40 policies with scopes is generated and declared through
the real SQLite control store; a third of the grants was used in the last 60 days. At 3 and 10 times that size again
(the number of policies stays). *cold*: both stores are opened, the registry read, the graph built, the question
answered; modules are imported already. *again*: the same catalog asked again, nothing having changed. *command*: the
whole process ``tally data access customer_pii --json`` with Python's start and all imports.

*floor* is the same question answered by hand over the same files in the same run: two SELECTs, JSON, dictionaries,
without policies; agent, chain, tool and grant of its rows must be those of the catalog. Printed is the best of several,
in milliseconds: *wall*, and *cpu* of this process, which does not count the time that others had the processor.

Run: python bench/registry.py [--quick] [--json]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tallystick.adapters.clock import SystemClock
from tallystick.adapters.ids import TimeIds
from tallystick.adapters.sqlite import SqliteControl, SqliteTraces
from tallystick.app.registry.catalog import Catalog
from tallystick.cli.root import spare_collector

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.registry_world import DAY, fill, world

SCALES = (1, 3, 10)
WHAT = "customer_pii"
REPEATS = 5
T = TypeVar("T")
Row = tuple[str, tuple[str, ...], str, bool, bool]  # agent, chain, tool, granted, used since


def best(ask: Callable[[], T], repeats: int) -> tuple[tuple[float, float], T]:
    """The shortest of several, wall and CPU in milliseconds, and the last answer."""
    found = []
    for _ in range(repeats):
        gc.collect()
        start, used = time.perf_counter(), time.process_time()
        answer = ask()
        found.append((time.perf_counter() - start, time.process_time() - used))
    wall, cpu = (round(min(one) * 1e3, 1) for one in zip(*found, strict=True))
    return (wall, cpu), answer


def cold(folder: Path) -> list[dict[str, Any]]:
    """Open, build, answer, close."""
    control = SqliteControl(folder / "control.db", clock=SystemClock(), ids=TimeIds())
    traces = SqliteTraces(folder / "traces.db")
    try:
        rows: list[dict[str, Any]] = Catalog(control, traces, SystemClock()).access(WHAT)["rows"]
        return rows
    finally:
        traces.close()
        control.close()


def again(folder: Path, repeats: int) -> tuple[float, float]:
    """The same catalog once more."""
    control = SqliteControl(folder / "control.db", clock=SystemClock(), ids=TimeIds())
    traces = SqliteTraces(folder / "traces.db")
    catalog = Catalog(control, traces, SystemClock())
    catalog.access(WHAT)
    took, _ = best(lambda: catalog.access(WHAT), repeats)
    traces.close()
    control.close()
    return took


def floor(folder: Path, since: int) -> set[Row]:
    """The question by hand."""
    with sqlite3.connect(folder / "control.db") as control:
        bodies: dict[str, dict[str, Any]] = {"agent": {}, "tool": {}, "data": {}}
        for (content,) in control.execute(
            "SELECT object FROM declared WHERE NOT retired AND type IN ('agent', 'tool', 'data')"
        ):
            one = msgspec.json.decode(content)
            bodies[one["type"]][one["name"]] = one["body"]
    with sqlite3.connect(folder / "traces.db") as traces:
        used = {(agent, tool): last for agent, tool, last in traces.execute(
            "SELECT agent, name, last FROM use_sum WHERE type = 0"
        )}  # fmt: skip
    sources = {name for name, body in bodies["data"].items() if WHAT in body["classes"]}
    tools = {
        name
        for name, body in bodies["tool"].items()
        if WHAT in body["data"] or not sources.isdisjoint(body["sources"])
    }
    agents = bodies["agent"]
    held = {name: tools.intersection(body["tools"]) for name, body in agents.items()}
    rows: set[Row] = set()
    for agent in agents:
        chains, level, found = {agent: (agent,)}, [agent], {}
        while level:
            following = []
            for one in level:
                for tool in held[one]:
                    found.setdefault(tool, chains[one])
                for delegate in sorted(agents[one]["delegates"]):
                    if delegate not in chains:
                        chains[delegate] = (*chains[one], delegate)
                        following.append(delegate)
            level = following
        for tool, chain in found.items():
            rows.add((agent, chain, tool, True, len(chain) == 1 and used.get((agent, tool), 0) >= since))
    return rows


def command(folder: Path, repeats: int) -> float:
    """The whole process."""
    program = [sys.executable, "-m", "tallystick", "data", "access", WHAT, "--json", "--store", str(folder)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    (took, _), _ = best(lambda: subprocess.run(program, check=True, capture_output=True, env=env), repeats)
    return took


def measure(scale: int, repeats: int) -> dict[str, Any]:
    """One row of the table. Raises SystemExit where the catalog and the floor disagree."""
    now = SystemClock().now()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        made = world(scale, now)
        start = time.perf_counter()
        fill(folder, made)
        filled = time.perf_counter() - start
        by_hand, expected = best(lambda: floor(folder, now - 30 * DAY), repeats)
        first, rows = best(lambda: cold(folder), repeats)
        second = again(folder, repeats)
        answer = {
            (row["agent"], tuple(row["chain"]), row["tool"], row["granted"], row["used"] is not None) for row in rows
        }  # fmt: skip
        if {row[:4] for row in answer ^ expected} or len(rows) != len(expected):
            raise SystemExit(f"the answers differ: {sorted(answer ^ expected)[:5]}")
        return {
            "scale": scale, "objects": len(made.objects), "uses": len(made.uses), "rows": len(rows),
            "floor_wall": by_hand[0], "floor_cpu": by_hand[1], "cold_wall": first[0], "cold_cpu": first[1],
            "again_wall": second[0], "again_cpu": second[1], "command_wall": command(folder, min(repeats, 3)),
            "declared_s": round(filled, 1),
        }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="only the smallest size, three repeats")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    spare_collector()  # as every command and the server do
    scales, repeats = (SCALES[:1], 3) if options.quick else (SCALES, REPEATS)
    found = [measure(scale, repeats) for scale in scales]
    if options.json:
        print(json.dumps(found))
        return
    keys = list(found[0])
    print("| " + " | ".join(keys) + " |\n|" + "---|" * len(keys))
    for row in found:
        print("| " + " | ".join(f"{row[key]:,}" for key in keys) + " |")


if __name__ == "__main__":
    main()
