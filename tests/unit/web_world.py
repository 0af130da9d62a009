"""An invented world to test the pages with: runs, steps, approvals and names of a refund desk."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 11, 22, 10, 30, 0, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 1_000_000_000

Row = dict[str, Any]


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def hex_of(text: str, size: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:size]


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
        "run": hex_of(f"run{index}", 32),
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
        "usage_known": usage(4_120 + index * 97, 812 + index),
        "usage_gaps": 0,
        "cost_nano_usd": 2_140_000 + index * 310_000,
        "cost_known_nano_usd": 2_140_000 + index * 310_000,
        "cost_gaps": 0,
        "started": stamp(started),
        "ended": stamp(started + timedelta(seconds=length / 1e9)),
        "duration_ns": length,
        "seen": stamp(NOW),
        "source": "sdk",
        "stopped_by": "loop" if status == "stopped" else None,
        "version": "1.4.0",
        "environment": "production",
        "archived": False,
        "erased": False,
    }
    run.update(changes)
    return run


def make_step(index: int, parent: str | None, kind: str, name: str, **changes: Any) -> Row:
    started = NOW - timedelta(minutes=2) + timedelta(milliseconds=180 * index)
    length = 150_000_000 + (index % 7) * 90_000_000
    step: Row = {
        "step": hex_of(f"step{index}", 16),
        "parent": parent,
        "trace": hex_of("trace", 32),
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
        "environment": "production",
        "subject": None,
        "conversation": None,
        "depth": 0,
        "input_messages": [],
        "output_messages": [],
        "system": None,
        "tool_definitions": None,
        "documents": None,
        "plan": None,
        "stacktrace": None,
        "handoff": None,
        "retry": None,
        "guardrail": None,
        "first_chunk_ns": None,
        "mapped_from": {},
        "parameters": None,
        "reasoning": None,
        "goal": None,
        "resource": {},
        "links": [],
        "dropped": 0,
        "attributes": {"tallystick.seq": index + 1},
        "events": [],
        "scope": "tallystick",
        "dialect": "canonical",
    }
    step.update(changes)
    return step


def _text(role: str, words: str) -> Row:
    return {"role": role, "parts": [{"type": "text", "content": words}]}


def _opening_steps(root: Row) -> list[Row]:
    """The plan and the first handoff."""
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
    return [plan, hand]


def _research_steps(root: Row) -> list[Row]:
    """The researcher looks the policy up."""
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
        retry={"attempt": 2, "cause": "HTTP 429"},
        guardrail={"name": "pii", "verdict": "deny", "said": None},
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
    return [research, find, ask]


def _look_up_steps(root: Row) -> list[Row]:
    """The case agent looks the order up; one look-up fails."""
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
    return [case, call, look, bad]


def _trouble_steps(case: Row, call: Row) -> list[Row]:
    """What the guard refused and held, and a model call recorded twice."""
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
    return [wire, held, twin]


def refund_steps() -> list[Row]:
    """One run of the desk, root first, depth first."""
    root = make_step(0, None, "agent", "refunds", duration_ns=9_400_000_000)
    looked_up = _look_up_steps(root)
    trouble = _trouble_steps(looked_up[0], looked_up[1])
    output = make_step(
        13, root["step"], "output", "answer", depth=1, output="Your refund waits for our finance team."
    )
    return [root, *_opening_steps(root), *_research_steps(root), *looked_up, *trouble, output]


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
