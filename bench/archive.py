"""The archive: CPU per span archived, bytes per span, and the time to read archived runs.

Run: ``python -m bench.archive --spans 50000``

The load is that of the spine bench (bench/load.py): all of one day, in runs of about 20 spans and some of 2,000.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from importlib import resources
from pathlib import Path

from bench import load
from bench.ingest_core import START_NS, Clock
from tallystick.adapters.parquet import ParquetArchive
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.api.otlp import read_protobuf
from tallystick.app.recording.record import Recorder
from tallystick.cost.rates import load_card
from tallystick.model.query import EVERYTHING

FOREVER = 2**62


def main() -> None:
    """Fill a store, archive all of it, read from it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=50_000)
    given = parser.parse_args()
    card = load_card(json.loads(resources.files("tallystick.cost").joinpath("card.json").read_text("utf-8")))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traces.db"
        store = SqliteTraces(path, archive=ParquetArchive(Path(folder) / "archive"))
        recorder = Recorder(store, card, Clock())
        for body in load.make(given.spans, seed=1, now_ns=START_NS).bodies:
            recorder.record(read_protobuf(body).spans)
        hot = store.info()
        runs = store.runs(EVERYTHING, now=FOREVER, limit=100_000).runs
        _read(store, runs, "hot")
        start = time.process_time()
        done = store.archive(before=FOREVER, now=FOREVER)
        spent = time.process_time() - start
        print(f"archived {done.runs} of {len(runs)} runs, {done.steps} steps, {done.segments} segments:"
              f" {spent / max(1, done.steps) * 1e6:.0f} µs CPU a span")  # fmt: skip
        store._database._writing_connection().execute("VACUUM")
        store._database.empty_log()
        left = path.stat().st_size
        print(f"hot {hot['bytes'] / given.spans:.0f} B a span; archived {done.bytes / done.steps:.0f} B a span in"
              f" files and {left / done.steps:.0f} B left in traces.db")  # fmt: skip
        for name, size in _sizes(Path(folder)).items():
            print(f"  {name:<20}{size / done.steps:8.1f} B a span")
        _read(store, runs, "archived")
        store.close()


def _sizes(folder: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for file in folder.rglob("*.parquet"):
        found[file.name] = found.get(file.name, 0) + file.stat().st_size
    return found


def _read(store: SqliteTraces, runs: tuple, where: str) -> None:
    for least, most in ((15, 25), (1_900, 2_100)):
        chosen = [run.run for run in runs if least <= run.steps <= most][:20]
        for what in ("steps", "spans"):
            times = []
            for run in chosen:
                start = time.perf_counter()
                getattr(store, what)(run)
                times.append((time.perf_counter() - start) * 1e3)
            if times:
                times.sort()
                print(f"  {where}: {what} of a run of {least}-{most} steps: median {times[len(times) // 2]:.1f} ms,"
                      f" most {times[-1]:.1f} ms ({len(times)} runs)")  # fmt: skip


if __name__ == "__main__":
    main()
