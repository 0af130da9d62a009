"""Parts for tests of the command line: a read model with known answers, and stores that remember what was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from tallystick.adapters.memory.control import MemoryControl
from tallystick.app.registry.catalog import Catalog
from tallystick.app.registry.push import PolicyDesk
from tallystick.cli.parts import Parts
from tallystick.cli.root import root
from tallystick.config import load
from tallystick.model.errors import BadInput, StoreFault, UnknownThing
from tallystick.model.journal import Entry
from tallystick.model.registry import Use
from tallystick.model.span import Span
from tallystick.ports import Change, Flaw, RunPage, Sighting, Spend, TallyRow
from tallystick.registry.sketch import Sketch
from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202eevil\x9b31m"
NONE = {"input_tokens": None, "output_tokens": None, "cache_read_tokens": None, "cache_write_tokens": None,
        "reasoning_tokens": None}  # fmt: skip
SOME = {**NONE, "input_tokens": 1200, "output_tokens": 34}


def run_row(run: str, **changes: Any) -> dict[str, Any]:
    row = {
        "run": run, "agent": "refunds", "workflow": "support", "goal": "Resolve ticket 4711", "status": "ok",
        "completeness": "complete", "missing": None, "steps": 3, "errors": 0, "model_calls": 1, "tool_calls": 1,
        "denials": 0, "usage": SOME, "usage_known": SOME, "usage_gaps": 0, "cost_nano_usd": 1_500_000,
        "cost_known_nano_usd": 1_500_000, "cost_gaps": 0, "started": "2026-11-22T10:00:00.000000Z",
        "ended": "2026-11-22T10:00:02.500000Z", "duration_ns": 2_500_000_000, "seen": None, "source": "sdk",
        "stopped_by": None, "version": None, "environment": None, "archived": False, "erased": False,
    }  # fmt: skip
    return {**row, **changes}


def step_row(step: str, parent: str | None, kind: str, name: str, **changes: Any) -> dict[str, Any]:
    row = {
        "step": step, "parent": parent, "trace": "t", "seq": None, "kind": kind, "name": name, "agent": "refunds",
        "status": "ok", "error": None, "tool": None, "call_id": None, "arguments": None, "result": None,
        "output": None, "model": None, "provider": None, "usage": NONE, "cost_nano_usd": None, "cost_gap": None,
        "started": None, "ended": None, "duration_ns": 5_000_000, "decision": None, "effect": None,
        "outcome": None, "same_as": None, "derived": False,
        "environment": None, "subject": None, "conversation": None,
    }  # fmt: skip
    return {**row, **changes}


RUNS = [
    run_row("aaaa11112222333344445555", goal=HOSTILE),
    run_row("bbbb11112222333344445555", agent=None, goal=None, status="crashed", completeness="lossy", missing=2,
            usage=NONE, cost_nano_usd=None, cost_known_nano_usd=900, cost_gaps=2, started=None, ended=None,
            duration_ns=None),
]  # fmt: skip
STEPS = [
    step_row("s1", None, "agent", "refunds"),
    step_row("s2", "s1", "model", "gpt-4.1-mini", usage=SOME, cost_nano_usd=1_500_000),
    step_row("s3", "s1", "tool", "refund", tool="refund", status="denied", decision="deny", error=HOSTILE,
             outcome="did not happen", arguments={"order": "A\tB"}),
    step_row("s4", "gone", "model", "gpt-4.1-mini", same_as="s2", cost_gap="no price"),
]  # fmt: skip
APPROVAL = {
    "approval": "apr_1", "state": "waiting", "run": "aaaa11112222333344445555", "agent": "refunds", "tool": "refund",
    "arguments": {"order_id": "A-1", "amount": "400"}, "group": "finance", "because": "Over 100 dollars.",
    "requested": "2026-11-22T10:00:00.000000Z", "expires": "2026-11-22T10:05:00.000000Z", "answered": None,
    "by": None, "note": None, "decision": "dec_1",
}  # fmt: skip


class FakeReader:
    """Answers from the tables above; refuses what the real one refuses."""

    def __init__(self, runs: Sequence[Mapping[str, Any]] = RUNS) -> None:
        self.listed = list(runs)
        self.asked: list[tuple[str, int, str | None]] = []

    def runs(self, query: str = "", *, limit: int = 50, before: str | None = None) -> dict[str, Any]:
        assert 1 <= limit <= 1000
        self.asked.append((query, limit, before))
        matching = self.listed
        if "run:" in query:
            wanted = query.rsplit("run:", 1)[1].strip('"')
            matching = [run for run in matching if run["run"] == wanted]
        names = [run["run"] for run in matching]
        first = names.index(before) + 1 if before else 0
        return {
            "total": len(matching),
            "at_least": False,
            "runs": [dict(run) for run in matching[first : first + limit]],
        }

    def run(self, prefix: str) -> dict[str, Any]:
        for run in self.listed:
            if run["run"].startswith(prefix):
                return {"run": dict(run), "steps": STEPS, "totals": dict(run)}
        raise UnknownThing(f"no run starts with {prefix!r}", hint="tally runs ls")

    def spans(self, prefix: str) -> tuple[str, list[Span]]:
        return self.run(prefix)["run"]["run"], []

    def cost(self, by: str, query: str = "", *, limit: int = 100, after: int = 0) -> dict[str, Any]:
        row = {"key": "refunds", "cost_nano_usd": None, "cost_known_nano_usd": 5_000_000, "gaps": 2, "steps": 4,
               "runs": 2, "input_tokens": 10, "output_tokens": 20, "token_gaps": 0}  # fmt: skip
        more = 2 if (limit, after) == (1, 1) else None
        return {"by": by, "total_nano_usd": None, "known_nano_usd": 5_000_000, "gaps": 2, "total": 1 if not more else 3,
                "more": more, "rows": [row]}  # fmt: skip

    def completeness(self, by: str = "agent", query: str = "") -> dict[str, Any]:
        row = {"key": HOSTILE, "runs": 4, "complete": 1, "lossy": 2, "open": 0, "crashed": 1, "missing": 3,
               "missing_unknown": 1}  # fmt: skip
        return {"by": by, "rows": [row, {**row, "key": None, "lossy": 0, "missing": 0}]}

    def approvals(self, state: str | None = None) -> dict[str, Any]:
        return {"approvals": [APPROVAL] if state in (None, "waiting") else []}

    def approval(self, approval: str) -> dict[str, Any]:
        return dict(APPROVAL)

    def budgets(self) -> list[dict[str, Any]]:
        return [{"name": "every-run", "scope": "run:*", "mode": "hard", "limit_nano_usd": 500_000_000,
                 "spent_nano_usd": 20, "held_nano_usd": 0, "available_nano_usd": 499_999_980}]  # fmt: skip


@dataclass
class FakeTraces:
    """A change feed, and a store without runs for those who look through it."""

    feed: list[Change] = field(default_factory=list)
    sighted: list[Sighting] = field(default_factory=list)
    used: list[Use] = field(default_factory=list)

    def runs(self, *_: Any, **__: Any) -> RunPage:
        return RunPage(0, ())

    def unsealed(self, **_: Any) -> list[Any]:
        return []

    def sightings(self, type: str) -> list[Sighting]:
        return [one for one in self.sighted if one.type == type]

    def seen(self) -> list[tuple[str, str]]:
        return sorted((one.type, one.name) for one in self.sighted)

    def uses(self, **_: Any) -> list[Use]:
        return self.used

    def tallies(self, *_: Any, **__: Any) -> list[TallyRow]:
        return []

    def spend(self, *_: Any, **__: Any) -> list[Spend]:
        return []

    def uses_revision(self) -> int:
        return len(self.used)

    def flaws(self) -> tuple[Flaw, ...]:
        return ()

    def blob_flaws(self, **_: Any) -> tuple[Flaw, ...]:
        return ()

    def logs(self) -> dict[str, int]:
        return {}

    def changes(self, after: int, *, limit: int = 500) -> list[Change]:
        if after == -1:
            return [Change(0, "")]
        return [change for change in self.feed if change.cursor > after]

    def info(self) -> Mapping[str, Any]:
        return {"schema": 1, "runs": 2}


class FakeControl(MemoryControl):
    """A real journal in memory that can be told to be damaged."""

    def __init__(self) -> None:
        super().__init__(clock=FakeClock(), ids=CountingIds())
        self.damaged: str | None = None
        self.changed = 0

    @property
    def entries_(self) -> list[Entry]:
        return list(self.entries())

    def verify(self) -> int:
        if self.damaged:
            raise StoreFault(self.damaged, seq=3)
        return super().verify()

    def rebuild(self) -> Mapping[str, int]:
        return {"approvals": 1, "budgets": 1, "changed": self.changed}

    def info(self) -> Mapping[str, Any]:
        return {"schema": 1, "entries": self.head()[0]}


@dataclass
class FakeStores:
    """Both, with a path."""

    path: Path
    traces: Any = field(default_factory=FakeTraces)
    control: Any = field(default_factory=FakeControl)
    closed: bool = False
    frozen: StoreFault | None = None
    doubt: StoreFault | None = None

    def close(self) -> None:
        self.closed = True


class FakeExport:
    """Runs that hold nothing."""

    def otlp(self, what: str) -> Iterator[dict[str, Any]]:
        return iter(())


class FakeParts(Parts):
    """Everything the command line asks for, and what it asked."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.env = dict(env or {})
        self.stores = FakeStores(folder / "store")
        self.reading = FakeReader()
        self.served: list[Any] = []
        self.executed: list[Any] = []
        self.answered: list[Any] = []
        self.scenes: list[dict[str, Any]] = []
        self.imported: dict[str, bytes] = {}
        self.sketched: dict[str, str] = {}
        self.refused: list[dict[str, str]] = []

    def settings(self, flags: Mapping[str, Any]) -> Any:
        return load(flags, self.env, self.folder)

    def find_store(self, settings: Any) -> Path:
        return settings.store or self.folder / "store"

    def open(self, path: Path, settings: Any, *, create: bool, writing: bool) -> Any:
        if writing and self.stores.doubt is not None:
            raise self.stores.doubt
        return self.stores

    def reader(self, stores: Any) -> Any:
        return self.reading

    def run_export(self, stores: Any) -> Any:
        return FakeExport()

    def catalog(self, stores: Any) -> Any:
        return Catalog(stores.control, stores.traces, FakeClock())

    def loss(self, stores: Any, settings: Any) -> Mapping[str, Any]:
        return {
            "accepted": 12, "repeats": 2, "rejected": [{"reason": HOSTILE, "count": 3}], "watermark": 9,
            "dropped": [{"where": "agent", "why": "there was no room for a record", "count": 4, "since": None}],
            "indexed": {"revision": 8, "behind": 1, "uses": {"revision": 9, "behind": 0},
                        "texts": {"revision": 8, "behind": 1}},
            "unattested": {"records": 5, "runs": 1},
            "aging": {"able": False, "hot_days": 30, "due": 7, "rules": 1,
                      "last": [{"what": "delete", "at": "2026-01-02T03:04:05Z", "runs": 2, "error": HOSTILE}]},
        }  # fmt: skip

    def policy_desk(self, stores: Any) -> PolicyDesk:
        return PolicyDesk(stores.control, self.catalog(stores).graph(), FakeClock())

    def recorder(self, stores: Any) -> Any:
        return "recorder"

    def serve(self, path: Path, settings: Any) -> None:
        self.served.append((path, settings))

    def serve_demo(self, store: Path, settings: Any) -> None:
        self.served.append((store, settings))

    def run_environment(self, settings: Any) -> Mapping[str, str]:
        return {"PYTHONPATH": "switch", "TALLYSTICK_AGENT": settings.agent or ""}

    def import_file(
        self, recorder: Any, name: str, format: str, content: bytes, progress: Callable[[int, int], None]
    ) -> Mapping[str, Any]:
        if not content.startswith(b"["):
            raise BadInput(f"{name}: a list was expected at line 1", file=name)
        progress(1, 1)
        known = self.imported.get(name) == content
        self.imported[name] = content
        return {
            "runs": 1,
            "steps": 3,
            "added": 0 if known else 3,
            "repeats": 3 if known else 0,
            "rejected": self.refused,
        }

    def answer(
        self, stores: Any, settings: Any, approval: str, answer: str, *, by: Any, note: str | None
    ) -> Mapping[str, Any]:
        self.answered.append((approval, answer, by.name, note))
        return {**APPROVAL, "state": answer, "by": by, "note": note}

    def declare(
        self, stores: Any, settings: Any, *, by: str, prune: bool, because: str | None
    ) -> Mapping[str, Any]:
        one = {"type": "agent", "name": "refunds", "digest": "ab" * 32, "version": None, "action": "add"}
        return {
            "declared": [one], "retired": [{"type": "tool", "name": HOSTILE}],
            "budgets": [{"scope": "agent:refunds", "limit_nano_usd": 5}], "refused": [], "unchanged": 2, "entries": 3,
        }  # fmt: skip

    def sketch(self, stores: Any, folder: Path) -> tuple[bool, Sketch]:
        return bool(self.sketched), Sketch(
            self.sketched, tuple([f"agent {HOSTILE!a} is not declared"] if self.sketched else [])
        )

    def check_policies(self, settings: Any) -> Mapping[str, Any]:
        return {"files": 2, "rules": 7, "digest": "ab" * 32}

    def play(
        self,
        store: Path | None,
        on_scene: Callable[[Mapping[str, Any]], None],
        on_start: Callable[[str, str], None],
    ) -> Mapping[str, Any]:
        for scene in self.scenes:
            on_start(scene["name"], "A scene")
            on_scene(scene)
        return {"scenes": self.scenes, "store": str(store or self.folder / "demo")}

    def execute(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.executed.append((tuple(command), dict(environment)))


def call(parts: FakeParts, *arguments: str) -> Result:
    """Run one command line with these parts; errors are raised, not printed."""
    return CliRunner().invoke(root, list(arguments), obj=parts, standalone_mode=False)
