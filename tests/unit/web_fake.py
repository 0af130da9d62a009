"""A reader with a small invented world (a refund desk), for the tests of the pages and for looking at them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tallystick.model.errors import Conflict, UnknownThing
from tallystick.model.query import parse_query

NOW = datetime(2026, 11, 22, 10, 30, 0, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 1_000_000_000

Row = dict[str, Any]


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _hex(text: str, size: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:size]


def usage(given: int | None, made: int | None) -> Row:
    cached = None if given is None else given // 3
    return {
        "input_tokens": given,
        "output_tokens": made,
        "cache_read_tokens": cached,
        "cache_write_tokens": None,
        "reasoning_tokens": None,
    }


def make_run(index: int, status: str = "ok", **changes: Any) -> Row:
    started = NOW - timedelta(minutes=7 * index + 2)
    length = 2_400_000_000 + index * 731_000_000
    run: Row = {
        "run": _hex(f"run{index}", 32),
        "agent": ("refunds", "planner", "triage")[index % 3],
        "workflow": "refund desk" if index % 3 else "support",
        "goal": f"Resolve ticket {4700 + index}: refund order A-{1000 + index}",
        "status": status,
        "completeness": "crashed" if status == "crashed" else "complete",
        "missing": None if status == "crashed" else 0,
        "steps": 14 + index,
        "errors": 1 if status in ("failed", "crashed") else 0,
        "model_calls": 5,
        "tool_calls": 4,
        "denials": 1 if status == "stopped" else 0,
        "usage": usage(4_120 + index * 97, 812 + index),
        "usage_gaps": 0,
        "cost_nano_usd": 2_140_000 + index * 310_000,
        "cost_known_nano_usd": 2_140_000 + index * 310_000,
        "cost_gaps": 0,
        "started": stamp(started),
        "ended": stamp(started + timedelta(seconds=length / 1e9)),
        "duration_ns": length,
        "source": "sdk",
        "stopped_by": "loop" if status == "stopped" else None,
    }
    run.update(changes)
    return run


def make_step(index: int, parent: str | None, kind: str, name: str, **changes: Any) -> Row:
    started = NOW - timedelta(minutes=2) + timedelta(milliseconds=180 * index)
    length = 150_000_000 + (index % 7) * 90_000_000
    step: Row = {
        "step": _hex(f"step{index}", 16),
        "parent": parent,
        "trace": _hex("trace", 32),
        "kind": kind,
        "name": name,
        "agent": "refunds",
        "status": "ok",
        "arguments": None,
        "result": None,
        "output": None,
        "usage": usage(None, None),
        "cost_nano_usd": None,
        "cost_gap": None,
        "started": stamp(started),
        "ended": stamp(started + timedelta(seconds=length / 1e9)),
        "duration_ns": length,
        "decision": None,
        "tool": None,
        "call_id": None,
        "model": None,
        "provider": None,
        "error": None,
        "effect": None,
        "outcome": None,
        "seq": index + 1,
        "same_as": None,
        "derived": False,
        "depth": 0,
        "input_messages": [],
        "output_messages": [],
        "system": None,
        "tool_definitions": None,
        "documents": None,
        "plan": None,
        "handoff": None,
        "parameters": None,
        "reasoning": None,
        "attributes": {"tallystick.seq": index + 1},
        "events": [],
        "scope": "tallystick",
        "dialect": "canonical",
    }
    step.update(changes)
    return step


def _text(role: str, words: str) -> Row:
    return {"role": role, "parts": [{"type": "text", "content": words}]}


def refund_steps() -> list[Row]:
    """One run of the desk, root first, depth first."""
    root = make_step(0, None, "agent", "refunds", duration_ns=9_400_000_000)
    plan = make_step(
        1, root["step"], "plan", "plan", depth=1, plan=["find the order", "check the policy", "refund"]
    )
    hand = make_step(
        2,
        root["step"],
        "handoff",
        "planner to researcher",
        depth=1,
        handoff={"from": "planner", "to": "researcher", "reason": "needs the policy page", "payload": None},
    )
    research = make_step(
        3, root["step"], "agent", "researcher", depth=1, agent="researcher", duration_ns=1_900_000_000
    )
    find = make_step(
        4,
        research["step"],
        "retrieval",
        "policy pages",
        depth=2,
        agent="researcher",
        documents=[{"id": "refunds.md", "score": 0.83, "content": "Refunds over 100 USD need finance."}],
    )
    ask = make_step(
        5,
        research["step"],
        "model",
        "chat gpt-4.1-mini",
        depth=2,
        agent="researcher",
        model="gpt-4.1-mini",
        provider="openai",
        usage=usage(1_204, 96),
        cost_nano_usd=635_200,
        duration_ns=812_000_000,
        system="You look up the refund policy.",
        input_messages=[_text("user", "What does the policy say of a refund of 400 USD?")],
        output_messages=[
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "The page says over 100 needs finance."},
                    {"type": "text", "content": "A refund over 100 USD needs finance."},
                ],
            }
        ],
    )
    case = make_step(6, root["step"], "agent", "case agent", depth=1, agent="case", duration_ns=4_000_000_000)
    call = make_step(
        7,
        case["step"],
        "model",
        "chat gpt-4.1-mini",
        depth=2,
        agent="case",
        model="gpt-4.1-mini",
        provider="openai",
        usage=usage(1_530, 44),
        cost_nano_usd=682_400,
        duration_ns=640_000_000,
        output_messages=[
            {
                "role": "assistant",
                "parts": [
                    {
                        "type": "tool_call",
                        "id": "call_0001aa",
                        "name": "lookup_order",
                        "arguments": {"order_id": "A-1003"},
                    }
                ],
            }
        ],
    )
    look = make_step(
        8,
        case["step"],
        "tool",
        "lookup_order",
        depth=2,
        agent="case",
        tool="lookup_order",
        effect="read",
        decision="allow",
        call_id="call_0001aa",
        arguments={"order_id": "A-1003"},
        duration_ns=12_000_000,
        result={"order": "A-1003", "total": "400.00", "state": "paid", "ledger": 9_007_199_254_740_993},
    )
    bad = make_step(
        9,
        case["step"],
        "tool",
        "lookup_customer",
        depth=2,
        agent="case",
        tool="lookup_customer",
        status="error",
        error="TimeoutError: the directory did not answer in 2 s",
        duration_ns=2_000_000_000,
        arguments={"id": 77},
    )
    wire = make_step(
        10,
        case["step"],
        "tool",
        "wire_transfer",
        depth=2,
        agent="case",
        tool="wire_transfer",
        status="denied",
        decision="deny",
        arguments={"to": "DE89 3704", "amount": "400.00"},
        duration_ns=180_000,
        result="This action is not allowed.",
    )
    held = make_step(
        11,
        case["step"],
        "tool",
        "refund",
        depth=2,
        agent="case",
        tool="refund",
        effect="irreversible",
        decision="hold",
        status="held",
        arguments={"order_id": "A-1003", "amount": "400.00"},
        ended=None,
        duration_ns=None,
    )
    twin = make_step(
        12,
        case["step"],
        "model",
        "ChatCompletion",
        depth=2,
        agent="case",
        same_as=call["step"],
        scope="openinference",
    )
    output = make_step(
        13, root["step"], "output", "answer", depth=1, output="Your refund waits for our finance team."
    )
    return [root, plan, hand, research, find, ask, case, call, look, bad, wire, held, twin, output]


def make_approval(index: int, run: str, state: str = "waiting") -> Row:
    asked = NOW - timedelta(minutes=3 + index)
    return {
        "approval": f"apr_{index:04}",
        "state": state,
        "run": run,
        "agent": "case",
        "tool": "refund",
        "arguments": {"order_id": f"A-100{index}", "amount": "400.00", "reason": "arrived broken"},
        "group": "finance",
        "because": "refunds over 100 USD are approved by finance",
        "requested": stamp(asked),
        "expires": stamp(asked + timedelta(minutes=15)),
        "answered": None if state == "waiting" else stamp(NOW),
        "by": None if state == "waiting" else "maria",
        "note": None,
        "decision": f"dec_{index:04}",
    }


def thing(name: str, declared: bool, observed: bool, **changes: Any) -> Row:
    row: Row = {
        "name": name,
        "declared": declared,
        "observed": observed,
        "version": "1.4.0" if declared else None,
        "effect": None,
        "owner": "support" if declared else None,
        "runs": 42 if observed else 0,
        "steps": 310 if observed else 0,
        "errors": 0,
        "cost_nano_usd": 91_400_000 if observed else 0,
        "cost_gaps": 0,
        "first": stamp(NOW - timedelta(days=6)) if observed else None,
        "last": stamp(NOW - timedelta(minutes=2)) if observed else None,
    }
    row.update(changes)
    return row


def columns_of(steps: list[Row]) -> dict[str, list[Any]]:
    """Steps in depth-first order as the columns that the tree reads."""
    place = {step["step"]: index for index, step in enumerate(steps)}
    first = min((datetime.fromisoformat(step["started"]) for step in steps if step["started"]), default=NOW)
    offset = [
        int((datetime.fromisoformat(s["started"]) - first).total_seconds() * 1e9) if s["started"] else 0
        for s in steps
    ]
    tokens = [
        None
        if s["usage"]["input_tokens"] is None or s["usage"]["output_tokens"] is None
        else s["usage"]["input_tokens"] + s["usage"]["output_tokens"]
        for s in steps
    ]
    plain = (
        "step",
        "depth",
        "kind",
        "name",
        "agent",
        "status",
        "duration_ns",
        "cost_nano_usd",
        "decision",
        "same_as",
    )
    return {
        **{key: [step[key] for step in steps] for key in plain},
        "parent": [place.get(step["parent"], -1) for step in steps],
        "started_ns": offset,
        "tokens": tokens,
    }


def big_columns(size: int) -> dict[str, list[Any]]:
    """A run of ``size`` steps: agents with tool and model calls under them, some in trouble, an hour of idleness."""
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
            moment += 3_600 * 1_000_000_000
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
        self, *, empty: bool = False, taint: Callable[[str], str] | None = None, big: int = 0
    ) -> None:
        statuses = ["running", "ok", "ok", "failed", "ok", "stopped", "ok", "crashed"]
        self._runs = [] if empty else [make_run(index, statuses[index % 8]) for index in range(130)]
        self._steps = [] if empty else refund_steps()
        self._big = big
        self._approvals: list[Row] = []
        self.answers: list[tuple[str, str, str, str | None]] = []
        if not empty:
            self._bend()
        self._agents = (
            []
            if empty
            else [
                thing("refunds", True, True),
                thing("planner", True, True, errors=3, cost_gaps=4),
                thing("reviewer", True, False),
                thing("triage", False, True, cost_nano_usd=1_200_000),
            ]
        )
        self._tools = (
            []
            if empty
            else [
                thing("lookup_order", True, True, effect="read"),
                thing("refund", True, True, effect="irreversible"),
                thing("wire_transfer", False, True, errors=2),
            ]
        )
        self._models = (
            []
            if empty
            else [
                thing("gpt-4.1-mini", True, True),
                thing("house-llm-7b", False, True, cost_gaps=12, cost_nano_usd=0),
            ]
        )
        if taint:
            for rows in (self._runs, self._steps, self._approvals, self._agents, self._tools, self._models):
                for row in rows:
                    _poison(row, taint)

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

    def runs(self, query: str = "", *, limit: int = 50, before: str | None = None) -> Row:
        found = [run for run in self._runs if all(_holds(run, term) for term in parse_query(query).terms)]
        ids = [run["run"] for run in found]
        start = ids.index(before) + 1 if before in ids else 0
        return {"total": len(found), "runs": found[start : start + limit]}

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

    def step(self, prefix: str, step: str) -> Row:
        self._one(prefix)
        for found in self._steps:
            if found["step"] == step:
                return found
        if self._big and len(step) == 16:
            return make_step(int(step, 16) % 1_000, None, "tool", f"step {int(step, 16)}", step=step)
        raise UnknownThing(f"the run has no step {step!r}")

    def agents(self) -> list[Row]:
        return self._agents

    def agent(self, name: str) -> Row:
        for row in self._agents:
            if row["name"] == name:
                return row
        raise UnknownThing(f"no agent is called {name!r}", hint="tally agents ls shows them")

    def tools(self) -> list[Row]:
        return self._tools

    def models(self) -> list[Row]:
        return self._models

    def cost(self, by: str, query: str = "") -> Row:
        parse_query(query)
        named = {"agent": self._agents, "tool": self._tools, "model": self._models}.get(by)
        keys = [row["name"] for row in named or []] or [
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
                }
            )
        known = sum(row["cost_known_nano_usd"] for row in rows)
        gaps = sum(row["gaps"] for row in rows)
        return {
            "by": by,
            "total_nano_usd": None if gaps else known,
            "known_nano_usd": known,
            "gaps": gaps,
            "rows": rows,
        }

    def approvals(self, state: str | None = None) -> Row:
        return {"approvals": [a for a in self._approvals if state in (None, a["state"])]}

    def approval(self, id: str) -> Row:
        for approval in self._approvals:
            if approval["approval"] == id:
                return approval
        raise UnknownThing(f"no approval is called {id!r}")

    def answer(self, approval: str, answer: str, *, by: str, note: str | None) -> Mapping[str, Any]:
        found = self.approval(approval)
        if found["state"] != "waiting":
            raise Conflict("this approval was answered already", hint=f"by {found['by']}")
        found.update(state=answer, by=by, note=note, answered=stamp(NOW))
        self.answers.append((approval, answer, by, note))
        return found


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


_CLOSED = {
    "run",
    "step",
    "parent",
    "trace",
    "started",
    "ended",
    "requested",
    "expires",
    "answered",
    "approval",
    "state",
    "first",
    "last",
    "same_as",
    "kind",
    "completeness",
    "type",
}


def _poison(value: Any, taint: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return taint(value)
    if isinstance(value, dict):
        for key in list(value):
            if key not in _CLOSED:
                value[key] = (
                    taint("nothing")
                    if value[key] is None and key not in _QUIET
                    else _poison(value[key], taint)
                )
        return value
    if isinstance(value, list):
        return [_poison(item, taint) for item in value]
    return value


_QUIET = {
    "missing",
    "duration_ns",
    "cost_nano_usd",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "seq",
    "started_ns",
    "usage",
}
