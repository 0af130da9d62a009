"""What the processes of the store tests do; run as a program: store_work.py TASK DIRECTORY ARGUMENTS…"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from tallystick.adapters.clock import SystemClock
from tallystick.adapters.ids import TimeIds
from tallystick.adapters.sqlite import SqliteControl
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.model.commitment import Content
from tallystick.model.errors import OverBudget
from tallystick.model.journal import Draft
from tallystick.model.query import EVERYTHING
from tallystick.model.span import Source, Span
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.model.usage import Usage
from tallystick.testing import CountingIds, FakeClock

SECOND = 10**9
START = 1_700_000_000 * SECOND
SOURCE = Source({"service.name": "shop"}, "scope", "1")


def batch(writer: int, number: int, size: int = 20, payload: int = 500) -> list[tuple[Step, Span]]:
    """One run of ``size`` steps: a root and model calls of one nano-dollar each."""
    trace = f"{writer:016x}{number + 1:016x}"
    made = []
    for index in range(size):
        span_id = f"{writer:04x}{number:08x}{index + 1:04x}"
        parent = None if index == 0 else f"{writer:04x}{number:08x}0001"
        begun = START + index * SECOND
        kind = Kind.MODEL if index else Kind.AGENT
        text = f"writer {writer} batch {number} step {index} " + "word " * (payload // 5)
        step = Step(
            trace, span_id, parent, None, kind, "chat", StepStatus.OK, begun, begun + SECOND, "scope", "canonical",
            agent=f"agent-{writer}", model="m" if index else None, usage=Usage(1, 1) if index else Usage(),
            cost_nano=1 if index else None,
        )  # fmt: skip
        made.append(
            (
                step,
                Span(
                    trace, span_id, parent, "chat", begun, begun + SECOND, SOURCE, attributes={"text": text}
                ),
            )
        )
    return made


def write(directory: Path, writer: int, seconds: float) -> None:
    """Write batches and name each on stdout once it is committed."""
    store = SqliteTraces(directory / "traces.db")
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        written = store.write(batch(writer, number), at=time.time_ns())
        assert written.steps == 20
        print(number, flush=True)
        number += 1
    store.close()


def read(directory: Path, _number: int, seconds: float) -> None:
    """Ask everything again and again; each answer must hold together."""
    store = SqliteTraces(directory / "traces.db")
    until = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < until:
        page = store.runs(EVERYTHING, now=time.time_ns())
        for run in page.runs[:3]:
            steps = store.steps(run.run)
            assert len(steps) == 20
            assert len(store.spans(run.run)) == 20
            assert run.cost_nano == 19
        spent = store.spend("agent", EVERYTHING, now=time.time_ns())
        assert sum(row.cost_nano for row in spent) == 19 * sum(row.runs for row in spent)
        store.changes(0, limit=10)
        rounds += 1
    print(rounds, flush=True)
    store.close()


def spend(directory: Path, writer: int, seconds: float) -> None:
    """Hold and settle under one budget until there is no room; print what was spent."""
    store = SqliteControl(directory / "control.db", clock=SystemClock(), ids=TimeIds())
    until = time.monotonic() + seconds
    spent = number = 0
    while time.monotonic() < until:
        name = f"{writer}-{number}"
        number += 1
        body = {
            "hold": name, "amount_nano": 7, "scopes": ["agent:a"], "run": "r", "for": "s",
            "expires_ns": time.time_ns() + 3600 * SECOND,
        }  # fmt: skip
        try:
            store.append([Draft("hold.taken", name, body)])
        except OverBudget:
            break
        cost = number % 7
        store.append([Draft("hold.settled", name, {"hold": name, "spent_nano": cost, "basis": "reported"})])
        spent += cost
    print(spent, flush=True)
    store.close()


def journal(directory: Path, writer: int, seconds: float) -> None:
    """Append, now one entry and now many, and name each batch on stdout once it is committed."""
    store = SqliteControl(directory / "control.db", clock=SystemClock(), ids=TimeIds())
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        drafts = [
            Draft("effect.ended", f"{writer}-{number}", {"n": n, "result": Content("done", bytes(16))}, run=f"r{n % 2}")
            for n in range((1, 3, 40)[number % 3])
        ]  # fmt: skip
        made = store.append(drafts)
        print(made[0].seq, made[-1].seq, made[-1].digest, flush=True)
        number += 1
    store.close()


def registry_of(store: SqliteControl) -> dict[str, Any]:
    """What a store says of the registry, as JSON has it."""
    objects = store.declared(retired=True)
    return json.loads(
        msgspec.json.encode(
            {
                "objects": objects, "versions": [store.versions(one.type, one.name) for one in objects],
                "aliases": store.aliases(), "shown": store.shown(), "revision": store.registry_revision(),
            }
        )
    )  # fmt: skip


def golden_control(directory: Path, _writer: int, _seconds: float) -> None:
    """The control store in tests/golden, with what is expected of it: a new directory for each schema."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "contract"))
    from journal_samples import fill

    store = SqliteControl(directory / "control.db", clock=FakeClock(), ids=CountingIds())
    fill(store, 270)
    size, root = store.head()
    expected = {
        "entries": size, "root": root.hex(), "checkpoints": len(store.checkpoints()),
        "budgets": [[one.name, one.spent_nano, one.held_nano] for one in store.budgets()],
        "approvals": len(store.approvals()), "open": sum(map(len, store.openings(range(size + 1)).values())),
        "registry": registry_of(store),
    }  # fmt: skip
    store.close()
    directory.with_suffix(".json").write_text(json.dumps(expected, indent=1) + "\n", "utf-8")


def golden(directory: Path, writer: int, _seconds: float) -> None:
    """The trace store in tests/golden: made anew only while its schema is unreleased."""
    store = SqliteTraces(directory / "traces.db")
    for number in range(2):
        store.write(batch(writer, number, size=5), at=START + number)
    store.close()


def golden_shop(directory: Path, _writer: int, _seconds: float) -> None:
    """Both stores in tests/golden/shop-2: steps with records that the journal attests."""
    from audit_shop import Shop, work

    directory.mkdir(parents=True, exist_ok=True)
    shop = Shop(directory)
    for sent in work():
        shop.record(sent)
        shop.attest()
    shop.close()


if __name__ == "__main__":
    tasks = {
        "write": write, "read": read, "spend": spend, "journal": journal, "golden": golden,
        "golden-control": golden_control, "golden-shop": golden_shop,
    }  # fmt: skip
    tasks[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
