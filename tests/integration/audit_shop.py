"""A shop whose agents sent a bit of everything, in stores on disk, for the tests of the audit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tallystick.adapters.ids import TimeIds
from tallystick.adapters.sqlite import SqliteControl
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.app.prove.audit import Audited, audit
from tallystick.app.prove.notary import Notary
from tallystick.app.recording.record import Recorder
from tallystick.app.registry.uses import UseLister
from tallystick.cost.rates import load_card
from tallystick.model.span import Event, Link, Source, Span
from tallystick.ports import Flaw
from tallystick.testing import FakeClock

NOW = 1_700_000_000 * 10**9
SDK = Source({"service.name": "shop", "service.instance.id": "one"}, "tallystick", "1")
OTHER = Source({"service.name": "shop"}, "opentelemetry.instrumentation.openai_v2", "2")
CARD = load_card([])


def span(trace: int, number: int, parent: int | None, *, ended: bool = True, source: Source = SDK, at: int = 0,
         name: str = "chat", run: str | None = None, events: tuple[Event, ...] = (), status: int = 0,
         **attributes: Any) -> Span:  # fmt: skip
    begun = NOW + (at or number) * 1_000_000
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    if run is not None:
        named["tallystick.run.id"] = run
    return Span(
        f"{trace:032x}", f"{number:016x}", None if parent is None else f"{parent:016x}", name, begun,
        begun + 900_000 if ended else None, source, 3, status, "", named, events,
        (Link("e" * 32, "f" * 16, {"why": "retry"}),) if number % 7 == 0 else (), number % 5 // 4,
    )  # fmt: skip


def model(trace: int, number: int, parent: int | None, **more: Any) -> Span:
    history = json.dumps(
        [{"role": "user", "content": f"turn {n} of {trace} " + "word " * 30} for n in range(number % 9)]
    )
    given = {
        "gen_ai__operation__name": "chat", "gen_ai__provider__name": "openai", "gen_ai__request__model": "gpt-4o-mini",
        "gen_ai__response__id": f"resp-{trace}-{number}", "gen_ai__usage__input_tokens": 100 + number,
        "gen_ai__usage__output_tokens": number, "tallystick__seq": number % 20, "gen_ai__agent__name": "refunds",
        "gen_ai__input__messages": history, "temperature": 1.0, "stop": ["a", "b"],
    }  # fmt: skip
    return span(trace, number, parent, **{**given, **more})


def work() -> Iterator[list[Span]]:
    """What a shop's agents sent: recorded runs, foreign traces, repeats, merges, tools, errors, starts."""
    root = {
        "tallystick__run__root": True, "tallystick__run__goal": "Resolve ticket 4711", "tallystick__run__status": "ok",
        "tallystick__workflow__name": "support", "tallystick__kind": "agent", "gen_ai__agent__name": "refunds",
        "tallystick__process": "host/boot/1/2",
    }  # fmt: skip
    for run in range(1, 4):
        name, base = f"run-{run}", run * 100
        yield [span(run, base, None, ended=False, run=name, tallystick__seq=1, **root)]
        yield [
            model(run, base + 1, base, run=name, tallystick__seq=2, tallystick__cost__nano_usd=1_000 + run),
            span(run, base + 2, base, run=name, name="refund", gen_ai__operation__name="execute_tool",
                 gen_ai__tool__name="refund", gen_ai__tool__call__id=f"call-{run}", tallystick__seq=3,
                 tallystick__effect="write", tallystick__decision="deny" if run == 2 else "allow",
                 tallystick__effect__outcome="landed", gen_ai__tool__call__arguments='{"order": 1}',
                 tallystick__tool__price_nano_usd=50),
            model(run, base + 3, base, run=name, tallystick__seq=4, error__type="timeout", status=2,
                  events=(Event("exception", NOW, {"exception.type": "timeout", "n": 2**60}),)),
        ]  # fmt: skip
        yield [span(run, base, None, run=name, tallystick__seq=1, tallystick__run__steps=4, **root)]
    for trace in (20, 21, 22):  # foreign traces: two instrumentors see each call
        base = trace * 100
        yield [
            span(
                trace,
                base,
                None,
                source=OTHER,
                gen_ai__operation__name="invoke_agent",
                gen_ai__agent__name="clerk",
            ),
            model(trace, base + 1, base, source=OTHER, gen_ai__response__id=f"shared-{trace}"),
            model(trace, base + 2, base, source=SDK, gen_ai__response__id=f"shared-{trace}", at=base + 1),
        ]
    yield [model(30, 3001, None, gen_ai__conversation__id="conversation-one"), model(31, 3101, None)]
    yield [
        model(31, 3102, 3101),
        model(31, 3103, None, gen_ai__conversation__id="conversation-one"),
    ]  # now one run
    yield [
        model(32, 3201, None, big="x" * 20_000, raw=b"\x00" * 400, nested={"a": [1, {"b": None}], "$c": 1.5})
    ]


class Shop:
    """Stores on disk that everything of ``work`` went through, attested and sealed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock(NOW + 3600 * 10**9)
        self.open()

    def open(self) -> None:
        self.traces = SqliteTraces(self.folder / "traces.db", alive=lambda name: False)
        self.control = SqliteControl(self.folder / "control.db", clock=self.clock, ids=TimeIds())

    def close(self) -> None:
        self.traces.close()
        self.control.close()

    def record(self, spans: list[Span]) -> None:
        assert Recorder(self.traces, CARD, self.clock).record(spans).rejected == ()

    def attest(self) -> None:
        Notary(self.traces, self.control, self.clock).attest()

    def list_uses(self) -> int:
        """How many runs were listed."""
        return UseLister(self.traces, self.control, self.clock).list_due().runs

    def audit(self) -> list[Audited]:
        return list(audit(self.traces, self.control, self.clock))

    def flaws(self) -> list[Flaw]:
        return [flaw for one in self.audit() for flaw in one.flaws]
