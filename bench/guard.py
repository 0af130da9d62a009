"""What one guarded tool call costs, journal included, beside the evaluator alone: CPU milliseconds a call.

``python bench/guard.py [--calls N] [--json]``. The whole path is ``before_tool`` and ``after_tool`` of a guard on a
real SQLite store, with labels, pins, loop rules and the pack; a write is on disk before it runs. The peer
is cedarpy with its rules parsed before, deciding the same request by the same rules. Both are measured in turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cedarpy

from tallystick.adapters.clock import SystemClock
from tallystick.adapters.ids import TimeIds
from tallystick.adapters.policy_files import shipped_policies
from tallystick.adapters.sqlite.control import SqliteControl
from tallystick.app.acting.feed import StoreFeed
from tallystick.app.acting.guard import GuardSettings, RunGuard
from tallystick.app.acting.policies import PolicyBook
from tallystick.config.keys import PACKS
from tallystick.cost.loops import LoopLimits
from tallystick.govern.policy import PolicyFile
from tallystick.govern.schema import request
from tallystick.model.control import ToolCall
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.step import Effect, EffectOutcome
from tallystick.wiring import rate_card

SIZES = (10, 100, 1_000)
ROUNDS = 7
TYPES = {"id": "string", "amount": "decimal"}
RULE = """@hold("g{n}")
forbid (principal, action == Action::"t{tool}", resource)
when {{ context.args.amount.greaterThan(decimal("{n}.00")) && context.agent == "agent{n}" }}
unless {{ context.approvals.contains("g{n}") }};
"""


def rules(count: int) -> str:
    """A permit, and so many rules over 20 tools less one."""
    return "permit (principal, action, resource);\n" + "".join(
        RULE.format(n=n, tool=n % 20) for n in range(count - 1)
    )


class World:
    """A guard on a store of its own, and the evaluator with the same rules."""

    def __init__(self, folder: Path, count: int, effect: Effect) -> None:
        text = rules(count)
        self.tools = [ToolDeclaration(f"t{n}", effect, arguments=TYPES) for n in range(20)]
        control = SqliteControl(folder / f"{count}-{effect.value}.db", clock=SystemClock(), ids=TimeIds())
        book = PolicyBook(
            [PolicyFile("policies/bench.cedar", text)],
            self.tools,
            pack=shipped_policies(PACKS),
            now=time.time_ns,
        )
        self.guard = RunGuard(
            control, SystemClock(), TimeIds(), book, rate_card(), waiter=lambda _ns: None,
            settings=GuardSettings(loops=LoopLimits(calls=10**9)), feed=StoreFeed(control, SystemClock()),
        )  # fmt: skip
        self.guard.know(self.tools)
        self.guard.open_run("r1", words="do t1 with everything")
        found = book.policies
        assert found.schema is not None
        assert found.entities is not None
        self.alone = (cedarpy.PolicySet.from_str(text), found.entities, found.schema)
        self.asked = request(self.call(1), self.tools[1], ())

    def call(self, number: int) -> ToolCall:
        """One call, each about something else."""
        arguments = {"id": str(number), "amount": "40.00"}
        return ToolCall("r1", f"s{number}", "desk", "t1", "d", arguments, "w", number)

    def guarded(self, number: int) -> None:
        """The whole path."""
        call = self.call(number)
        verdict = self.guard.before_tool(call, self.tools[1])
        assert verdict.allowed, verdict
        self.guard.after_tool(call, verdict, EffectOutcome.LANDED, result={"row": number}, error=None)

    def evaluated(self, _number: int) -> None:
        """The evaluator, and nothing else."""
        cedarpy.is_authorized(self.asked, *self.alone)


def milliseconds(work: Callable[[int], None], first: int, calls: int) -> float:
    """CPU of one call."""
    began = time.process_time()
    for number in range(first, first + calls):
        work(number)
    return (time.process_time() - began) / calls * 1e3


def measure(folder: Path, count: int, effect: Effect, calls: int) -> dict[str, Any]:
    """The medians of several rounds, each side in turn."""
    world = World(folder, count, effect)
    world.guarded(0)
    found: dict[str, list[float]] = {"guard": [], "evaluator": []}
    for turn in range(ROUNDS):
        found["evaluator"].append(milliseconds(world.evaluated, 0, calls))
        found["guard"].append(milliseconds(world.guarded, 1 + turn * calls, calls))
    world.guard.close()
    guard, alone = (statistics.median(found[side]) for side in ("guard", "evaluator"))
    return {
        "policies": count, "effect": effect.value, "guard_ms": round(guard, 4), "evaluator_ms": round(alone, 4),
        "ratio": round(guard / alone, 2), "guard_least_ms": round(min(found["guard"]), 4),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--calls", type=int, default=300, help="calls of a round")
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    with TemporaryDirectory(prefix="tally-bench-guard-") as folder:
        rows = [
            measure(Path(folder), count, effect, given.calls)
            for effect in (Effect.READ, Effect.WRITE)
            for count in SIZES
        ]
    if given.json:
        print(json.dumps({"rows": rows}))
        return
    print("policies  effect  guard ms  evaluator ms  ratio")
    for row in rows:
        print(
            f"{row['policies']:>8}  {row['effect']:<6}  {row['guard_ms']:>8.3f}  {row['evaluator_ms']:>12.3f}"
            f"  {row['ratio']:>5.2f}"
        )


if __name__ == "__main__":
    main()
