"""What the SDK's tests share: a sink that remembers, a clock and ids that count, a guard that does as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tallystick.model.control import Answer, Decision, PolicyState, ToolCall
from tallystick.model.span import Span
from tallystick.model.step import EffectOutcome
from tallystick.model.usage import Usage
from tallystick.sdk.active import Recording
from tallystick.sdk.install import flush, install, uninstall
from tallystick.sdk.runtime import ModelCall, Permit, ToolDeclaration, Verdict


class Remembering:
    """A sink that keeps what it was given; ``fail`` makes it raise instead."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.batches = 0
        self.closed = False
        self.fail: Callable[[Sequence[Span]], None] | None = None

    def deliver(self, spans: Sequence[Span]) -> None:
        if self.fail is not None:
            self.fail(spans)
        self.batches += 1
        self.spans.extend(spans)

    def close(self) -> None:
        self.closed = True


class Clock:
    """Nanoseconds that stand still until they are moved."""

    def __init__(self, now: int = 1_800_000_000_000_000_000) -> None:
        self.at = now

    def now(self) -> int:
        return self.at


class Ids:
    def __init__(self) -> None:
        self.count = 0

    def new(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}_{self.count:04d}"


def verdict(allowed: bool = True, text: str = "", answer: Answer | None = None, **facts: Any) -> Verdict:
    said = answer or (Answer.ALLOW if allowed else Answer.DENY)
    return Verdict(
        allowed, Decision("dec_1", said, "policy-digest", PolicyState.ENFORCED, ("rule 1",)), text, **facts
    )


class Obeying:
    """A guard that answers what it is told and remembers every question."""

    def __init__(self) -> None:
        self.calls: list[tuple[ToolCall, ToolDeclaration]] = []
        self.ended: list[tuple[ToolCall, EffectOutcome, Any, str | None]] = []
        self.models: list[ModelCall] = []
        self.settled: list[tuple[Permit, Usage | None, str | None]] = []
        self.threads: list[int] = []
        self.before: Callable[[ToolCall, ToolDeclaration], Verdict] = lambda _call, _declared: verdict()
        self.after: Callable[[], None] = lambda: None
        self.permit: Callable[[ModelCall], Permit] = lambda _call: Permit(None)

    def before_tool(self, call: ToolCall, declaration: ToolDeclaration) -> Verdict:
        self.calls.append((call, declaration))
        self.threads.append(threading.get_ident())
        return self.before(call, declaration)

    def after_tool(
        self, call: ToolCall, verdict: Verdict, outcome: EffectOutcome, *, result: Any, error: str | None
    ) -> None:
        self.ended.append((call, outcome, result, error))
        self.after()

    def before_model(self, call: ModelCall) -> Permit:
        self.models.append(call)
        return self.permit(call)

    def after_model(self, call: ModelCall, permit: Permit, usage: Usage | None, *, model: str | None) -> None:
        self.settled.append((permit, usage, model))


class Kit:
    """One installed recording with its sink and guard."""

    def __init__(self, recording: Recording, sink: Remembering, guard: Obeying | None, clock: Clock) -> None:
        self.recording = recording
        self.sink = sink
        self.guard = guard
        self.clock = clock

    def spans(self) -> list[Span]:
        """Ended spans by sequence number, after a flush."""
        assert flush(10)
        ended = [span for span in self.sink.spans if span.ended is not None]
        return sorted(ended, key=lambda span: (span.attributes.get("tallystick.seq", 0), span.started))

    def named(self, name: str) -> Span:
        found = [span for span in self.spans() if span.name == name]
        assert len(found) == 1, [span.name for span in self.spans()]
        return found[0]

    def started(self) -> list[Span]:
        assert flush(10)
        return [span for span in self.sink.spans if span.ended is None]


@contextmanager
def installed(folder: Path, *, guard: Obeying | None = None, **settings: Any) -> Iterator[Kit]:
    sink, clock = Remembering(), Clock()
    recording = install(
        spool_dir=folder, clock=clock, ids=Ids(), sink=sink, guard=guard, instrument=False, **settings
    )
    try:
        yield Kit(recording, sink, guard, clock)
    finally:
        uninstall()
