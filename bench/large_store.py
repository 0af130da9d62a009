"""A store of many spans over thirty days, written through the recorder as a server writes it.

The spans are those of bench/load.py (its words, sizes and payloads), made without protobuf: runs of 15 to 25 spans by
eight agents, one run of 2,000 in every 8,000 spans, and in a store of a million spans one of 50,000. ``NEEDLE`` stands
in one tool result of the whole store, in the run that ``Made.needle`` names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.load import KINDS, LONG_RUN, Text, _sizes
from tallystick.adapters.sqlite import SqliteControl, SqliteTraces
from tallystick.app.recording.record import Recorder
from tallystick.model.span import Source, Span
from tallystick.ports import Clock
from tallystick.testing.ids import CountingIds
from tallystick.wiring.machine import rate_card

BATCH = 400
DAYS = 30
DAY = 86_400_000_000_000
HUGE = 50_000  # spans of the one longest run, in stores that have room for it
SILENT = DAY // 12  # two hours ago the last span came, so that every run may be archived
NEEDLE = "quetzalcoatlus"
SOURCE = Source(
    {"service.name": "bench", "deployment.environment.name": "production"}, "openinference.instrumentation.openai",
    "0.1.66",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Made:
    """What was written: the ids of an ordinary run, of a run of 2,000 spans, of the one that has the needle, and of the
    one of 50,000 (empty where there is none)."""

    spans: int
    runs: int
    short: str
    long: str
    needle: str
    common: tuple[str, str]  # two words that nearly every run has
    huge: str = ""


class Past:
    """A clock that is ``SILENT`` behind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> int:
        """Unix nanoseconds."""
        return self._clock.now() - SILENT


def fill(folder: Path, total: int, *, clock: Clock) -> Made:
    """Write ``total`` spans into a new store; the newest run ended two hours ago, the oldest began 30 days before."""
    clock = Past(clock)
    traces = SqliteTraces(folder / "traces.db")
    SqliteControl(folder / "control.db", clock=clock, ids=CountingIds()).close()
    recorder = Recorder(traces, rate_card(), clock)
    chance, text = random.Random(11), Text(random.Random(7))
    huge = HUGE if total >= 20 * HUGE else 0
    sizes = list(_sizes(total - huge))
    if huge:
        sizes.insert(len(sizes) // 2, huge)
    first, step = clock.now() - DAYS * DAY, DAYS * DAY // len(sizes)
    short = long = longest = needle = ""
    batch: list[Span] = []
    for number, size in enumerate(sizes):
        trace = chance.randbytes(16)
        hides = number == len(sizes) // 3
        batch += _run(size, trace, first + number * step, chance, text, hides)
        if size == HUGE:
            longest = trace.hex()
        elif size == LONG_RUN:
            long = trace.hex()
        else:
            short = trace.hex()
        needle = trace.hex() if hides else needle
        if len(batch) >= BATCH:
            recorder.record(batch)
            batch = []
    if batch:
        recorder.record(batch)
    traces.close()
    return Made(total, len(sizes), short, long or short, needle, (text.words[0], text.words[1]), longest)


def _run(
    size: int, trace: bytes, started: int, chance: random.Random, text: Text, hides: bool
) -> Iterator[Span]:
    root = parent = chance.randbytes(8).hex()
    length = max(1, min(1_000_000, DAY // 24 // size))
    for index in range(size):
        span = root if index == 0 else chance.randbytes(8).hex()
        kind = "AGENT" if index == 0 else KINDS[index % len(KINDS)]
        about = parent if index % 5 else root
        if kind == "CHAIN":
            parent = span
        begun = started + index * length
        ended = started + size * length if index == 0 else begun + length * 9 // 10
        attributes = _attributes(kind, trace, index, chance, text)
        if hides and kind == "TOOL" and index < 5:
            attributes["output.value"] = f"found {NEEDLE} at last"
        yield Span(
            trace.hex(), span, about if index else None, f"{kind.lower()}_{index % 7}", begun, ended, SOURCE, 1,
            2 if chance.random() < 0.02 else 1, "", attributes,
        )  # fmt: skip


def _attributes(
    kind: str, trace: bytes, index: int, chance: random.Random, text: Text
) -> dict[str, str | int]:
    made: dict[str, str | int] = {
        "openinference.span.kind": kind, "session.id": f"session-{trace[:4].hex()}", "user.id": f"user-{trace[0]}",
        "metadata": '{"environment": "production", "release": "1.4.0"}', "agent.name": f"agent-{trace[1] % 8}",
        "gen_ai.agent.version": f"{1 + trace[2] % 4}.0",
    }  # fmt: skip
    if kind == "LLM":
        prompt, completion = chance.randint(200, 4_000), chance.randint(5, 600)
        made |= {
            "llm.model_name": "gpt-4o-mini", "llm.provider": "openai", "llm.token_count.prompt": prompt,
            "llm.token_count.completion": completion, "llm.token_count.total": prompt + completion,
            "llm.invocation_parameters": '{"temperature": 0.2, "max_tokens": 600}',
        }  # fmt: skip
    elif kind == "TOOL":
        made |= {
            "tool.name": f"tool_{index % 11}", "tool.description": "Looks something up.",
            "tool_call.id": f"call_{trace[:6].hex()}{index}",
        }  # fmt: skip
    if chance.random() < 0.77:
        size = 50_000 if chance.random() < 0.005 else max(40, int(chance.gammavariate(2.0, 880)))
        made |= {
            "input.value": text.take(size * 2 // 3), "input.mime_type": "text/plain",
            "output.value": text.take(size // 3), "output.mime_type": "text/plain",
        }  # fmt: skip
    return made
