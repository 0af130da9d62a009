"""Stand-ins for what is behind the doors: a server in a thread whose answers and faults a test can steer.

The doors over the real stores are tested in test_server_wired.py and test_server_process.py.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from compare_double import CannedComparing
from registry_double import canned_registry

from tallystick.api.app import App, create_app
from tallystick.api.server import ServerThread, address_of, listen
from tallystick.api.settings import ServerSettings
from tallystick.app.recording.record import Receipt, Rejection
from tallystick.model.blob import Blob
from tallystick.model.errors import Conflict, StoreFull, UnknownThing
from tallystick.model.people import Caller
from tallystick.model.span import Span
from tallystick.ports import Change

USAGE = dict.fromkeys(
    ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
)


class SystemClock:
    def now(self) -> int:
        return time.time_ns()


class DurableRecorder:
    """Commits spans to SQLite. Names in ``bad`` are rejected, "bug" trips a fault, ``full`` refuses everything."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._base = sqlite3.connect(folder / "double.db", check_same_thread=False, isolation_level=None)
        self._base.execute("pragma journal_mode=wal")
        self._base.execute("create table if not exists span (trace, span, name, primary key (trace, span))")
        self.full = False
        self.sizes: list[int] = []

    def record(self, spans: Sequence[Span]) -> Receipt:
        if self.full:
            raise StoreFull("no room on the disk", hint="make room")
        rejected = [Rejection(s.trace, s.span, "its name is bad") for s in spans if s.name == "bad"]
        if any(span.name == "bug" for span in spans):
            raise ZeroDivisionError
        good = [(s.trace, s.span, s.name) for s in spans if s.name != "bad"]
        with self._lock:
            self._base.execute("begin immediate")
            before = self._base.total_changes
            self._base.executemany("insert or ignore into span values (?, ?, ?)", good)
            added = self._base.total_changes - before
            self._base.execute("commit")
            self.sizes.append(len(spans))
        return Receipt(len(good), len(good) - added, tuple(rejected), ())

    def ids(self) -> set[str]:
        with self._lock:
            return {row[0] for row in self._base.execute("select span from span")}

    def count(self) -> int:
        with self._lock:
            return int(self._base.execute("select count(*) from span").fetchone()[0])


RUN: dict[str, Any] = {
    "run": "a" * 32, "agent": "refunds", "workflow": None, "goal": "<script>alert(1)</script>", "status": "ok",
    "completeness": "complete", "missing": 0, "steps": 1, "errors": 0, "model_calls": 1, "tool_calls": 0, "denials": 0,
    "usage": USAGE, "usage_known": USAGE, "usage_gaps": 1,
    "cost_nano_usd": None, "cost_known_nano_usd": 0, "cost_gaps": 1,
    "started": "2026-11-22T10:00:00.000000Z", "ended": None, "duration_ns": None, "seen": None, "source": "otlp",
    "stopped_by": None,
    "version": None,
    "environment": None,
    "archived": False,
    "erased": False,
}  # fmt: skip
STEP: dict[str, Any] = {
    "step": "b" * 16, "parent": None, "trace": "a" * 32, "kind": "model", "name": "chat", "agent": None, "status": "ok",
    "arguments": None, "result": None, "output": None, "usage": USAGE, "cost_nano_usd": None, "cost_gap": "no price",
    "started": None, "ended": None, "duration_ns": None, "decision": None, "tool": None, "call_id": None, "model": None,
    "provider": None, "error": None, "effect": None, "outcome": None, "seq": None, "same_as": None, "derived": False,
    "environment": None, "subject": None, "conversation": None,
}  # fmt: skip
STEP_MORE: dict[str, Any] = {
    "input_messages": [{"role": "user", "parts": []}], "output_messages": None, "system": None,
    "tool_definitions": None,
    "documents": None, "plan": None, "handoff": None, "retry": None, "guardrail": None, "first_chunk_ns": None,
    "mapped_from": {},
    "parameters": None, "reasoning": None, "goal": None,
    "input": None,
    "stacktrace": None,
    "attributes": {"k": b"\x00\xff", "n": 2**62}, "resource": {}, "events": [], "links": [], "dropped": 0,
    "scope": "s", "dialect": "canonical",
}  # fmt: skip
APPROVAL: dict[str, Any] = {
    "approval": "apr_1", "state": "waiting", "run": "a" * 32, "agent": "refunds", "tool": "refund", "arguments": {},
    "group": "finance", "because": None, "requested": "2026-11-22T10:00:00.000000Z",
    "expires": "2026-11-22T10:05:00.000000Z", "answered": None, "by": None, "note": None, "decision": "dec_1",
    "quorum": 1, "groups": {"finance": 1}, "lacking": ["finance"], "given": [], "apart": [], "asks": None, "rules": [],
    "facts": None, "editable": False, "edits": None,
}  # fmt: skip


class CannedReader(CannedComparing):
    """One run, one step, one approval; ``changes`` is what /events tells. ``asked`` counts the polls."""

    def __init__(self, recorder: DurableRecorder | None = None) -> None:
        super().__init__(RUN)
        self.changes: list[Change] = []
        self.asked = 0
        self.recorder = recorder

    def runs(self, query: str = "", *, limit: int = 50, before: str | None = None) -> Mapping[str, Any]:
        total = self.recorder.count() if self.recorder else 1
        return {"total": total, "at_least": False, "runs": [RUN][:limit]}

    def find(self, prefix: str, text: str, *, limit: int = 50, after: str | None = None) -> Mapping[str, Any]:
        self.run(prefix)
        match = {
            "step": STEP["step"],
            "field": "name",
            "snippet": text[:200],
            "at": 0,
            "length": len(text[:200]),
        }
        return {"run": RUN["run"], "query": text, "matches": [match][:limit], "searched": 1, "more": after}

    def run(self, prefix: str) -> Mapping[str, Any]:
        self._known(prefix, RUN["run"])
        totals = (
            "steps",
            "model_calls",
            "tool_calls",
            "errors",
            "denials",
            "usage",
            "usage_known",
            "usage_gaps",
        )
        money = ("cost_nano_usd", "cost_known_nano_usd", "cost_gaps")
        return {"run": RUN, "steps": [STEP], "totals": {key: RUN[key] for key in totals + money}}

    def skeleton(self, prefix: str) -> Mapping[str, Any]:
        self._known(prefix, RUN["run"])
        names = (
            "step",
            "kind",
            "name",
            "agent",
            "status",
            "duration_ns",
            "cost_nano_usd",
            "decision",
            "same_as",
        )
        columns = {name: [STEP[name]] for name in names}
        return {
            "run": RUN,
            "columns": columns | {"parent": [-1], "depth": [0], "started_ns": [0], "tokens": [None]},
        }

    def blob(self, sha256: str) -> tuple[Blob, bytes]:
        raise UnknownThing(f"no blob {sha256!r}")

    def step(self, prefix: str, step_id: str) -> Mapping[str, Any]:
        self._known(prefix, RUN["run"])
        self._known(step_id, STEP["step"])
        return STEP | STEP_MORE

    def cost(self, by: str, query: str = "", *, limit: int = 100, after: int = 0) -> Mapping[str, Any]:
        row = {"key": None, "cost_nano_usd": None, "cost_known_nano_usd": 0, "gaps": 1, "steps": 1, "runs": 1}
        rows = [row | {"input_tokens": None, "output_tokens": None, "token_gaps": 1}]
        sums = {"total_nano_usd": None, "known_nano_usd": 0, "gaps": 1}
        return {"by": by, **sums, "total": 1, "more": None, "rows": rows[after:]}

    def completeness(self, by: str = "agent", query: str = "") -> Mapping[str, Any]:
        row = {"key": None, "runs": 1, "complete": 1, "lossy": 0, "open": 0, "crashed": 0, "missing": 0}
        return {"by": by, "rows": [row | {"missing_unknown": 0}]}

    def approvals(self, state: str | None = None, run: str | None = None) -> Mapping[str, Any]:
        return {"approvals": [APPROVAL] if state in (None, "waiting") else []}

    def approval(self, approval: str) -> Mapping[str, Any]:
        self._known(approval, APPROVAL["approval"])
        return APPROVAL

    def asking(self) -> str:
        return "none"

    def events(self, after: int) -> tuple[Sequence[Change], int]:
        self.asked += 1
        newest = self.changes[-1].cursor if self.changes else -1
        if after == -1:
            return [], newest
        fresh = [change for change in self.changes if change.cursor > after][:500]
        return fresh, fresh[-1].cursor if fresh else after

    def _known(self, prefix: str, whole: str) -> None:
        if not whole.startswith(prefix):
            raise UnknownThing(f"nothing starts with {prefix!r}")


LAMPS = {
    "integrity": "holds", "completeness": "grey", "why": "All is well. Nobody else looked.",
    "integrity_why": "All is well.", "completeness_why": "Nobody else looked.",
}  # fmt: skip
JOURNAL: dict[str, Any] = {
    "origin": "example.com/log", "size": 2, "root": "c" * 64, "key": "example.com/log+00000000+AQ==",
    "checkpoints": [{"size": 2, "root": "c" * 64, "at": "2026-11-22T10:00:00.000000Z", "witnesses": ["w.example"]}],
    "witnesses": [{"name": "w.example", "url": "http://w.example", "outside": False, "state": "signed", "size": 2,
                   "error": None}],
    "exports": [{"target": "file:checkpoints.txt", "state": "failed", "error": "no room"}], "lamps": LAMPS,
}  # fmt: skip


class CannedJournal:
    """A journal of two entries."""

    def state(self) -> Mapping[str, Any]:
        return JOURNAL

    def verify_steps(self) -> Iterator[Mapping[str, Any]]:
        yield {"step": "entries", "state": "holds", "detail": "all are what they were", "count": 2}

    def lamps(self) -> Mapping[str, Any]:
        return LAMPS

    def file(self, path: str) -> bytes:
        if path not in ("checkpoint", "tile/0/000.p/2"):
            raise UnknownThing("the journal has no such tile")
        return path.encode()


class CannedAnswer:
    """Takes one answer; the second is a Conflict."""

    def __init__(self) -> None:
        self.given: list[tuple[str, str, str, str | None]] = []

    def __call__(
        self, approval: str, answer: str, *, by: Caller, note: str | None, **_: Any
    ) -> Mapping[str, Any]:  # fmt: skip
        if not "apr_1".startswith(approval):
            raise UnknownThing(f"no approval starts with {approval!r}")
        if self.given:
            raise Conflict("this approval was answered already", by=self.given[0][2])
        self.given.append((approval, answer, by.name, note))
        return APPROVAL | {"state": answer, "by": by.name, "note": note}


class Serving:
    """A server in a thread, over the stand-ins, with what a test wants to look at."""

    def __init__(
        self, folder: Path, settings: ServerSettings, *, otlp: bool = False, extra: Sequence[Any] = ()
    ) -> None:
        self.recorder = DurableRecorder(folder)
        self.reader = CannedReader(self.recorder)
        self.answer = CannedAnswer()
        sockets = [listen("127.0.0.1", 0, token=settings.token)]
        if otlp:
            sockets.append(listen("127.0.0.1", 0, token=settings.token))
            settings = replace(settings, otlp_port=sockets[1].getsockname()[1])
            self.otlp_url = address_of(sockets[1])
        self.url = address_of(sockets[0])
        self.port: int = sockets[0].getsockname()[1]
        self.app: App = create_app(
            self.reader,
            self.recorder,
            self.answer,
            settings,
            clock=SystemClock(),
            journal=CannedJournal(),
            registry=canned_registry(),
            extra_routes=extra,
        )
        self._thread = ServerThread(self.app, sockets)

    def __enter__(self) -> Serving:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.stop()
