"""Questions to large stores, over HTTP and warm: 10 thousand, 100 thousand and a million spans, hot and archived.

Each store is filled through the recorder (bench/large_store.py: thirty days, 2 KB payloads), a real ``tally up`` is
started on it, and each question is asked until it is warm and then several times more; the median is printed in
milliseconds, with what the server spent on it of the CPU. *hot*: all steps are in SQLite. *archived*: all runs were
sealed into Parquet (``tally store archive``), those that are opened among them. *floor* is the
smallest request the same server answers (GET /api/health), so that what HTTP costs on this machine can be taken off.

Run: python bench/large.py [--spans 10000 100000 1000000] [--states hot archived] [--keep FOLDER] [--json]

With ``--keep`` the stores are made once, in FOLDER/SPANS-hot and FOLDER/SPANS-archived, and used again by later runs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.large_store import NEEDLE, Made, fill
from bench.process import cpu_seconds, folder_bytes, start, stop
from tallystick.adapters.clock import SystemClock

SCALES = (10_000, 100_000, 1_000_000)
STATES = ("hot", "archived")
WARM, REPEATS = 2, 15
TARGET_MS = 150.0


def questions(made: Made, step: str) -> dict[str, str]:
    """What is asked, by name: paths of the API and of pages; ``step`` is one of the longest run, if there is such."""
    runs = "/api/runs?limit=50&q="
    one, other = made.common
    return {
        "floor": "/api/health",
        "list": runs,
        "filter": runs + quote("agent:agent-3 status:ok tool:tool_5"),
        "filter by cost and age": runs + quote("cost:>0.001 since:7d -model:none"),
        "text, one run has it": runs + NEEDLE,
        "text, a common word": runs + one,
        "text, a common word and a filter": runs + quote(f"{one} agent:agent-3 status:failed"),
        "text, a phrase that one run has": runs + quote(f'"found {NEEDLE}"'),
        "text, a phrase of common words": runs + quote(f'"{one} {other}"'),
        "attribute": runs + quote("attr.user.id:user-7"),
        "attribute, compared": runs + quote("attr.llm.token_count.prompt:>3995"),
        "attribute, compared, nearly all runs": runs + quote("attr.llm.token_count.prompt:>500"),
        "run of 20": f"/api/runs/{made.short}/skeleton",
        "run of 2,000": f"/api/runs/{made.long}/skeleton",
        "find in a run of 2,000": f"/api/runs/{made.long}/find?q={NEEDLE}",
        **({} if not made.huge else {
            "run of 50,000, packed for the page": f"/runs/{made.huge}/outline",
            "run of 50,000, a look at one step": f"/runs/{made.huge}/steps/{step}.json",
            "run of 50,000, find (4,000 steps an answer)": f"/api/runs/{made.huge}/find?q={NEEDLE}",
            "page: run of 50,000": f"/runs/{made.huge}",
        }),
        "cost by agent": "/api/cost?by=agent",
        "cost by model, a week": "/api/cost?by=model&q=" + quote("since:7d"),
        "cost by tool": "/api/cost?by=tool",
        "cost by tool, a week": "/api/cost?by=tool&q=" + quote("since:7d"),
        "cost by run": "/api/cost?by=run",
        "cost by conversation": "/api/cost?by=conversation",
        "cost by conversation of an agent": "/api/cost?by=conversation&q=" + quote("agent:agent-3 status:ok"),
        "signals by version": "/api/signals?agent=agent-3&by=version",
        "signals by day": "/api/signals?agent=agent-3&by=day",
        "completeness by agent": "/api/completeness?by=agent",
        "page: home": "/",
        "page: runs": "/runs",
        "page: runs, filtered": "/runs?q=" + quote("agent:agent-3 status:failed"),
        "page: run of 2,000": f"/runs/{made.long}",
        "page: cost by conversation": "/cost?by=conversation",
    }  # fmt: skip


@contextmanager
def server(folder: Path) -> Iterator[tuple[int, int]]:
    """A real ``tally up`` on a store: its port and process id."""
    port = _free_port()
    command = [
        sys.executable, "-m", "tallystick", "up", "--store", str(folder), "--port", str(port), "--otlp-port", "0",
    ]  # fmt: skip
    # Else the server would archive within its first hour what is older than two weeks, while it is asked.
    world = {**os.environ, "TALLYSTICK_HOT_DAYS": "36500"}
    process = start(command, env=world, cwd=folder, log=folder.with_suffix(".log"))
    try:
        _wait(port)
        _settle(port, process.pid)
        yield port, process.pid
    finally:
        stop(process)


def ask(port: int, pid: int, path: str) -> dict[str, Any]:
    """One question: the median in milliseconds, the server's CPU for one, and what came back."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    walls: list[float] = []
    used = 0.0
    for number in range(WARM + REPEATS):
        if number == WARM:
            used = cpu_seconds(pid)
        begun = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        walls.append((time.perf_counter() - begun) * 1e3)
        if answer.status != 200:
            return {"fault": f"HTTP {answer.status}: {body[:200]!r}"}
    connection.close()
    if path.startswith("/api/runs?") and json.loads(body)["total"] == 0:
        return {"fault": "nothing was found"}  # then nothing was measured
    spent = (cpu_seconds(pid) - used) * 1e3 / REPEATS
    return {"ms": round(statistics.median(walls[WARM:]), 1), "cpu_ms": round(spent, 1), "bytes": len(body)}


def measure(folder: Path, made: Made) -> dict[str, Any]:
    """Every question to one store."""
    with server(folder) as (port, pid):
        step = ""
        if made.huge:
            columns = _get(port, f"/api/runs/{made.huge}/skeleton")["columns"]
            calls = [
                one for one, kind in zip(columns["step"], columns["kind"], strict=True) if kind == "tool"
            ]
            step = calls[len(calls) // 2]
        return {name: ask(port, pid, path) for name, path in questions(made, step).items()}


def scale(total: int, keep: Path, states: Collection[str]) -> Iterator[dict[str, Any]]:
    """One store, hot and then archived, those that ``states`` names; what ``keep`` has is used again."""
    hot, archived = keep / f"{total}-hot", keep / f"{total}-archived"
    told = keep / f"{total}.json"
    took: dict[str, float] = {}
    if told.exists():
        made = msgspec.json.decode(told.read_bytes(), type=Made)
    else:
        shutil.rmtree(hot, ignore_errors=True)
        hot.mkdir(parents=True)
        begun, used = time.perf_counter(), time.process_time()
        made = fill(hot, total, clock=SystemClock())
        took = {
            "fill_s": round(time.perf_counter() - begun, 1),
            "fill_cpu_s": round(time.process_time() - used, 1),
        }
        told.write_bytes(msgspec.json.encode(made))
    if "hot" in states:
        if any((hot / "archive").glob("*")):
            raise SystemExit(f"{hot} was asked by a server that archived a part of it: fill it anew")
        yield _row(total, "hot", hot, made, measure(hot, made)) | took
    if "archived" not in states:
        return
    took = {}
    if not archived.exists():
        unfinished = archived.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(hot, unfinished)
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "tallystick", "store", "archive", "--store", unfinished, "--before", "0d"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        took = {"archive_s": round(time.perf_counter() - begun, 1)}
        with sqlite3.connect(unfinished / "traces.db") as connection:
            left = connection.execute("SELECT count(*) FROM step").fetchone()[0]
        if left:
            raise SystemExit(f"{left} steps stayed out of the archive")
        unfinished.rename(archived)
    yield _row(total, "archived", archived, made, measure(archived, made)) | took


def _row(total: int, state: str, folder: Path, made: Made, found: dict[str, Any]) -> dict[str, Any]:
    return {
        "spans": total, "runs": made.runs, "state": state, "bytes_per_span": folder_bytes(folder) // total,
        "questions": found,
    }  # fmt: skip


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    """Until the server answers."""
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/api/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


def _settle(port: int, pid: int) -> None:
    """Until the server has indexed what was written without it, and is idle."""
    quiet = 0
    while quiet < 3:
        before = cpu_seconds(pid)
        time.sleep(1)
        calm = (
            cpu_seconds(pid) - before < 0.05 and _get(port, "/api/doctor")["loss"]["indexed"]["behind"] == 0
        )
        quiet = quiet + 1 if calm else 0


def _get(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path)
    found = json.loads(connection.getresponse().read())
    connection.close()
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as Markdown, one column for each store."""
    names = list(max((row["questions"] for row in rows), key=len))
    heads = [f"{row['spans']:,} {row['state']}" for row in rows]
    lines = ["| ms (CPU ms) | " + " | ".join(heads) + " |", "|---" * (len(rows) + 1) + "|"]
    for name in names:
        cells = [row["questions"].get(name, {"fault": ""}) for row in rows]
        shown = [one["fault"] if "fault" in one else f"{one['ms']} ({one['cpu_ms']})" for one in cells]
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    lines.append("| bytes per span | " + " | ".join(str(row["bytes_per_span"]) for row in rows) + " |")
    return "\n".join(lines)


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, nargs="+", default=list(SCALES))
    parser.add_argument("--states", nargs="+", choices=STATES, default=list(STATES))
    parser.add_argument("--keep", type=Path, help="a folder for the stores, which later runs use again")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="large-") as name:
        for total in chosen.spans:
            for row in scale(total, chosen.keep or Path(name), chosen.states):
                rows.append(row)
                print(json.dumps(row), file=sys.stderr)
    print(json.dumps(rows, indent=1) if chosen.json else table(rows))
    late = [
        f"{row['spans']:,} {row['state']}: {name}"
        for row in rows for name, one in row["questions"].items() if one.get("ms", TARGET_MS + 1) > TARGET_MS
    ]  # fmt: skip
    if late:
        raise SystemExit("over the target of 150 ms: " + "; ".join(late))


if __name__ == "__main__":
    main()
