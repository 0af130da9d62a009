"""A run of many steps in a real store, made through the recorder, and the real server over it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tallystick.model.span import Source, Span
from tallystick.wiring.stores import open_stores, recorder

ROOT: Final = Path(__file__).resolve().parents[2]
START_NS: Final = 1_795_000_000_000_000_000
RUN: Final = "5eed" * 8
SHORT: Final = "5a0b" * 8
SHORT_STEPS: Final = 8
NEEDLE: Final = "heron-needle-37123"
NEEDLE_AT: Final = 37_123
_SOURCE: Final = Source({"service.name": "long", "deployment.environment.name": "production"}, "tallystick")
_GROUP: Final = 12  # steps under one sub-agent


def span_id(number: int) -> str:
    """The id of the step with this number; the root is number 0."""
    return f"{number + 1:016x}"


def spans(count: int, run: str = RUN) -> Iterator[Span]:
    """The root and ``count - 1`` steps under it: sub-agents with model calls, tools and a few errors."""
    for one in _spans(count):
        told = {**one.attributes, "tallystick.run.id": run}
        yield replace(one, trace=run, attributes=told) if run != RUN else one


def _spans(count: int) -> Iterator[Span]:
    yield _span(0, None, "invoke_agent long", count + 1, {
        "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "long",
        "tallystick.run.goal": "walk fifty thousand steps", "tallystick.run.root": True,
        "tallystick.run.steps": count, "tallystick.run.status": "ok",
    })  # fmt: skip
    for number in range(1, count):
        place = number % _GROUP
        parent = span_id(0 if place == 1 or number < _GROUP else number - (place - 1) % _GROUP)
        if place == 1 or number < _GROUP:
            yield _span(number, span_id(0), f"invoke_agent helper {number // _GROUP % 7}", _GROUP, {
                "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": f"helper {number // _GROUP % 7}",
            })  # fmt: skip
        elif place % 4 == 2:
            yield _span(number, parent, "chat gpt-4.1-mini", 1, {
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4.1-mini", "gen_ai.response.model": "gpt-4.1-mini-2025-04-14",
                "gen_ai.usage.input_tokens": 900 + number % 97, "gen_ai.usage.output_tokens": 40 + number % 13,
                "gen_ai.input.messages": _message("user", f"what does record {number} say?"),
                "gen_ai.output.messages": _message("assistant", f"record {number} is in order"),
            })  # fmt: skip
        else:
            found = (
                f"record {number}: {NEEDLE}" if number == NEEDLE_AT else f"record {number}: in order, checked"
            )
            yield _span(number, parent, "execute_tool look_up", 1, {
                "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": ("look_up", "search", "fetch")[number % 3],
                "gen_ai.tool.call.arguments": json.dumps({"record": number}), "gen_ai.tool.call.result": found,
            }, failed=number % 997 == 0)  # fmt: skip


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def _span(
    number: int, parent: str | None, name: str, length: int, told: dict[str, object], *, failed: bool = False
) -> Span:
    began = START_NS + number * 2_000_000
    told |= {"tallystick.run.id": RUN, "tallystick.seq": number + 1}
    return Span(
        RUN, span_id(number), parent, name, began, began + length * 1_900_000, _SOURCE, attributes=told,
        status=2 if failed else 1, status_message="the record is locked" if failed else "",
    )  # fmt: skip


def fill(path: Path, count: int) -> None:
    """Record the run in a new store, and a short one beside it."""
    stores = open_stores(path)
    try:
        into = recorder(stores)
        waiting: list[Span] = []
        for one in spans(count):
            waiting.append(one)
            if len(waiting) == 2_000:
                assert not into.record(waiting).rejected
                waiting = []
        into.record([*waiting, *spans(SHORT_STEPS, SHORT)])
    finally:
        stores.close()


@dataclass(frozen=True)
class Up:
    """A server: the address of its pages, and its process."""

    url: str
    pid: int

    def cpu_ms(self) -> float:
        """Processor time of the process until now, in milliseconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return 1_000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def up(store: Path, *flags: str) -> Iterator[Up]:
    """``tally up`` over a store, as a process of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TALLYSTICK_OTLP_PORT": "0",
        "TALLYSTICK_GRPC_PORT": "0",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, *flags, "-m", "tallystick", "up", "--port", "0", "--store", str(store)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, text=True
    ) as one:
        assert one.stderr is not None
        try:
            yield Up(
                next(line.split()[-1] for line in one.stderr if line.strip().startswith("pages")), one.pid
            )
        finally:
            one.send_signal(signal.SIGINT)
            assert one.wait(30) == 0
