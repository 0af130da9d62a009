"""A reader over the invented world, which answers in the read model's shapes."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from web_held_fake import make_approval, make_held
from web_journal_world import check_steps, journal_state, make_entry
from web_poison import poison
from web_registry_fake import FakeCatalog
from web_run_fake import found_in, line_of, packed_skeleton
from web_sets_fake import FakeSets, completeness_of, diff_of
from web_world import (
    NOW,
    Row,
    columns_of,
    make_run,
    make_step,
    refund_steps,
    stamp,
    usage,
)

from tallystick.model.errors import Conflict, UnknownThing
from tallystick.model.people import Caller
from tallystick.model.query import parse_query


def big_columns(size: int, idle_s: int = 3_600) -> dict[str, list[Any]]:
    """A run of ``size`` steps: agents with tool and model calls under them, some in trouble, one idle hour."""
    dice = random.Random(7)
    columns: dict[str, list[Any]] = {
        key: []
        for key in (
            "step",
            "parent",
            "depth",
            "kind",
            "name",
            "agent",
            "status",
            "started_ns",
            "duration_ns",
            "cost_nano_usd",
            "tokens",
            "decision",
            "same_as",
        )
    }
    moment, group = 0, 0
    for index in range(size):
        if index == size // 2:
            moment += idle_s * 1_000_000_000
        if index == 0:
            row = (-1, 0, "agent", "long run", "ok")
        elif index % 25 == 1:
            group = index
            row = (0, 1, "agent", f"worker {index // 25}", "ok")
        else:
            kind = ("model", "tool")[index % 2]
            row = (group, 2, kind, f"{kind} call {index}", "error" if dice.random() < 0.002 else "ok")
        length = dice.randrange(1_000_000, 900_000_000)
        values = (
            f"{index:016x}",
            *row[:4],
            "worker",
            row[4],
            moment,
            length,
            1_000 * index if row[2] == "model" else None,
            900 if row[2] == "model" else None,
            None,
            None,
        )
        for key, value in zip(columns, values, strict=True):
            columns[key].append(value)
        moment += length
    columns["duration_ns"][0] = moment
    return columns


class FakeReader:
    """Answers like the read model; ``taint`` is applied to every text, to see what hostile content does."""

    def __init__(
        self,
        *,
        empty: bool = False,
        taint: Callable[[str], str] | None = None,
        big: int = 0,
        runs: int = 130,
        agents: int = 0,
    ) -> None:
        statuses = ["running", "ok", "ok", "failed", "ok", "stopped", "ok", "crashed"]
        self._runs = [] if empty else [make_run(index, statuses[index % 8]) for index in range(runs)]
        self._steps = [] if empty else refund_steps()
        self._big = big
        self._taint = taint
        self._approvals: list[Row] = []
        self.answers: list[tuple[str, str, str, str | None]] = []
        self.more: list[Row] = []
        if not empty:
            self._bend()
        self.catalog = FakeCatalog(empty=empty, taint=taint, agents=agents)
        self.sets = FakeSets(taint("x") if taint else "")
        self.catalog.signals_over = self.sets.signals_over  # type: ignore[method-assign]
        self.contrast = self.sets.contrast
        self._entries = [] if empty else self._journal()
        if taint:
            for rows in (
                self._entries,
                self._runs,
                self._steps,
                self._approvals,
            ):
                for row in rows:
                    poison(row, taint)

    def _bend(self) -> None:
        first = self._runs[0]
        first.update(
            goal="Resolve ticket 4711: the blender arrived broken, refund 400 USD",
            steps=14,
            errors=1,
            denials=1,
            ended=None,
            duration_ns=None,
            completeness="open",
            missing=None,
        )
        self._runs[2].update(cost_nano_usd=None, cost_gaps=3, completeness="lossy", missing=2)
        self._runs[4].update(
            cost_nano_usd=None,
            cost_known_nano_usd=0,
            cost_gaps=5,
            usage=usage(None, None),
            usage_gaps=5,
            goal=None,
            agent=None,
            workflow=None,
        )
        self._runs[6].update(started=None, ended=None, duration_ns=None, source="tau-bench", status="unknown")
        self._approvals = [
            make_approval(1, first["run"]),
            make_approval(2, self._runs[1]["run"]),
            make_approval(3, self._runs[3]["run"], "approved"),
        ]

    def _journal(self) -> list[Row]:
        run = self._runs[0]["run"]
        told = [
            ("key.created", "tallystick.local/5f2a9c01", None),
            ("policy.loaded", "refunds", None),
            ("decision.made", "dec_0001", run),
            ("approval.requested", "apr_0001", run),
            ("records.accepted", run, run),
            ("run.sealed", run, run),
        ]
        return [make_entry(seq, *told[(seq - 1) % len(told)]) for seq in range(1, 121)]

    def entries(self, *, limit: int = 50, before: int | None = None) -> Row:
        found = [entry for entry in self._entries if before is None or entry["seq"] < before]
        return {"total": len(self._entries), "entries": found[::-1][:limit]}

    def recorded(self, run: str) -> Row:
        place = [one["run"] for one in self._runs].index(run)
        sealed = {"seq": 100, "at": stamp(NOW), "records": 17} if place % 3 == 1 else None
        return {"run": run, "records": 17 if place % 3 else 0, "sealed": sealed}

    def statuses(self, query: str = "") -> None:
        return None  # the page counts them one by one

    def runs(self, query: str = "", *, limit: int = 50, before: str | None = None) -> Row:
        found = [run for run in self._runs if all(_holds(run, term) for term in parse_query(query).terms)]
        ids = [run["run"] for run in found]
        start = ids.index(before) + 1 if before in ids else 0
        return {"total": len(found), "at_least": False, "runs": found[start : start + limit]}

    def _one(self, prefix: str) -> Row:
        found = [run for run in self._runs if run["run"].startswith(prefix)]
        if len(found) != 1:
            raise UnknownThing(
                f"no run starts with {prefix!r}", hint="tally runs ls shows the runs there are"
            )
        return found[0]

    def run(self, prefix: str) -> Row:
        return {"run": self._one(prefix), "steps": self._steps, "totals": {"steps": len(self._steps)}}

    def skeleton(self, prefix: str) -> Row:
        run = self._one(prefix)
        return {"run": run, "columns": big_columns(self._big) if self._big else columns_of(self._steps)}

    def outline(self, prefix: str) -> bytes:
        return packed_skeleton(self.skeleton(prefix))

    def lines(self, prefix: str, steps: Sequence[str]) -> Row:
        self._one(prefix)
        return {"lines": {step: line_of(self.step(prefix, step)) for step in steps}}

    def find(self, prefix: str, text: str, *, limit: int = 200, after: str | None = None) -> Row:
        found = found_in(self._steps, text)[int(after or 0) :]
        run = self._one(prefix)["run"]
        more = str(int(after or 0) + limit) if len(found) > limit else None
        return {
            "run": run,
            "query": text,
            "matches": found[:limit],
            "searched": len(self._steps),
            "more": more,
        }

    def step(self, prefix: str, step: str) -> Row:
        self._one(prefix)
        for found in self._steps:
            if found["step"] == step:
                return found
        if self._big and len(step) == 16:
            return make_step(int(step, 16) % 1_000, None, "tool", f"step {int(step, 16)}", step=step)
        raise UnknownThing(f"the run has no step {step!r}")

    def diff(self, a: str, b: str, *, every: bool = False) -> Row:
        return diff_of(self._one(a), self._one(b), self._steps, every=every)

    def completeness(self, by: str, query: str = "") -> Row:
        return completeness_of(self.runs(query, limit=1_000)["runs"], by)

    def cost(self, by: str, query: str = "", *, limit: int = 100, after: int = 0) -> Row:
        parse_query(query)
        named = self.catalog.things.get(by, [])[:4]
        keys = [row["name"] for row in named] or [
            run["run" if by == "run" else "workflow"] for run in self._runs[:4]
        ]
        rows = []
        for index, key in enumerate(keys):
            gaps = 12 if index == len(keys) - 1 else 0
            known = 0 if gaps else 91_400_000 // (index + 1)
            rows.append(
                {
                    "key": key,
                    "cost_nano_usd": None if gaps else known,
                    "cost_known_nano_usd": known,
                    "gaps": gaps,
                    "steps": 310,
                    "runs": 42,
                    "input_tokens": 120_400,
                    "output_tokens": 9_120,
                    "token_gaps": 0,
                }
            )
        known = sum(row["cost_known_nano_usd"] for row in rows)
        gaps = sum(row["gaps"] for row in rows)
        return {
            "by": by,
            "total_nano_usd": None if gaps else known,
            "known_nano_usd": known,
            "gaps": gaps,
            "total": len(rows),
            "more": after + limit if after + limit < len(rows) else None,
            "rows": rows[after : after + limit],
        }

    def approvals(self, state: str | None = None) -> Row:
        return {"approvals": [a for a in self._approvals if state in (None, a["state"])]}

    def approval(self, approval: str) -> Row:
        for found in self._approvals:
            if found["approval"] == approval:
                return found
        raise UnknownThing(f"no approval is called {approval!r}")

    def held(self, approval: str) -> Row:
        found = make_held(self.approval(approval))
        return poison(found, self._taint) if self._taint else found

    def answer(
        self, approval: str, answer: str, *, by: Caller, note: str | None, **more: Any
    ) -> Mapping[str, Any]:
        found = self.approval(approval)
        if found["state"] != "waiting":
            raise Conflict("this approval was answered already", hint=f"by {found['by']}")
        found.update(state=answer, by=by.name, note=note, answered=stamp(NOW))
        self.answers.append((approval, answer, by.name, note))
        self.more.append(more)
        return found


class FakeJournal:
    """The journal's book over an invented journal; ``steps`` and ``told`` may be changed by a test."""

    def __init__(self, reader: FakeReader) -> None:
        size = reader.entries()["total"]
        self.told: Row = journal_state(size)
        self.steps: list[Row] = check_steps(size)
        if not size:
            self.told.update(origin=None, key=None, checkpoints=[], witnesses=[], exports=[])
        self.fault: Exception | None = None
        self.go = threading.Event()  # a test holds the last step back by clearing it
        self.go.set()
        self.begun = threading.Event()

    def state(self) -> Row:
        return self.told

    def verify_steps(self) -> Iterator[Row]:
        self.begun.set()
        yield from self.steps[:-1]
        assert self.go.wait(20)
        if self.fault is not None:
            raise self.fault
        yield from self.steps[-1:]


class FakeEvidence:
    """Evidence in a few pieces; ``asked`` remembers what was wanted."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []
        self.fault: Exception | None = None

    def __call__(self, run: str, redact: bool) -> Iterator[bytes]:
        self.asked.append((run, redact))
        if self.fault is not None:
            raise self.fault
        yield b'{"line":"header"}\n'
        yield b'{"line":"entry"}\n' * 9_000
        yield b'{"line":"trailer"}\n'


def _holds(run: Row, term: Any) -> bool:
    if term.field in ("since", "until"):
        return True
    if term.field == "text":
        return term.value.lower() in f"{run['goal']} {run['agent']} {run['run']}".lower()
    if term.field == "run":
        return bool(run["run"].startswith(term.value))
    if term.field in ("errors", "steps"):
        return bool(run[term.field] > term.value) if term.op == ">" else bool(run[term.field] == term.value)
    return bool(run.get(term.field) == term.value)
