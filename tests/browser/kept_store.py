"""A real store with runs in every state of keeping: archived, erased, redacted, withheld; retried, guarded, lossy."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any, Final, cast

import long_run

from tallystick.config.settings import load
from tallystick.model.span import Source, Span
from tallystick.ports.archive import ArchivingTraces
from tallystick.wiring.loss import counts
from tallystick.wiring.stores import Stores, eraser, open_stores, recorder

START_NS: Final = 1_795_100_000_000_000_000
SUBJECT: Final = "u-4711"
SECRET: Final = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" + "k1L2m3N4o5P6q7R8"
PICTURE: Final = (
    b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script>" + b" " * 20_000 + b"</svg>"
)
ARCHIVED_STEPS: Final = 300
ARCHIVED: Final = long_run.RUN
ERASED, WITHHELD, MARKED = (f"{number:032x}" for number in (0xE1, 0xE2, 0xE3))
_SOURCE: Final = Source({"service.name": "desk", "deployment.environment.name": "staging"}, "tallystick")


def spans(run: str, told: dict[str, Any]) -> list[Span]:
    """``told`` is added to the first of these: an agent's run of which one span was lost."""
    root = f"{int(run, 16) * 100:016x}"

    def one(number: int, name: str, attributes: dict[str, Any], *, status: int = 1, said: str = "") -> Span:
        began = START_NS + int(run, 16) * 10**9 + number * 10_000_000
        return Span(
            run, f"{int(run, 16) * 100 + number:016x}", root if number else None, name, began,
            began + (5_000_000 if number else 90_000_000), _SOURCE, status=status, status_message=said,
            attributes={"tallystick.run.id": run, "tallystick.seq": number + 1 + (number > 3), **attributes},
        )  # fmt: skip

    return [
        one(0, "invoke_agent desk", {
            "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "desk",
            "tallystick.run.root": True, "tallystick.run.steps": 6, "tallystick.run.status": "failed", **told,
        }),
        one(1, "chat gpt-4.1-mini", {
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4.1-mini", "gen_ai.provider.name": "openai",
            "gen_ai.usage.input_tokens": 900, "gen_ai.usage.output_tokens": 40,
            "gen_ai.input.messages": json.dumps([{"role": "user", "content": f"my name is Jane Doe, key {SECRET}"}]),
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "content": "I look you up, Jane Doe"}]),
            "picture": f"data:image/svg+xml;base64,{base64.b64encode(PICTURE).decode()}",
        }),
        one(2, "chat gpt-4.1-mini", {
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4.1-mini", "gen_ai.provider.name": "openai",
            "http.request.resend_count": 2, "tallystick.retry.cause": "HTTP 429",
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "content": "now it went through"}]),
        }),
        one(3, "execute_tool look_up", {
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look_up",
            "gen_ai.tool.call.arguments": json.dumps({"name": "Jane Doe", "token": SECRET}),
            "gen_ai.tool.call.result": "Jane Doe lives in Elm Street",
        }, status=2, said="the directory did not answer"),
        one(4, "guardrail pii", {
            "gen_ai.operation.name": "apply_guardrail", "gen_ai.guardrail.name": "no personal data",
            "gen_ai.guardrail.triggered": True, "tallystick.output": "a street was found",
        }),
    ]  # fmt: skip


def fill(path: Path) -> None:
    """Make the store: the run of 300 steps is in the archive, one run is erased, one withheld, one stays as it is."""
    stores = open_stores(path)
    try:
        _record(stores, list(long_run.spans(ARCHIVED_STEPS)))
        kept = cast(ArchivingTraces, stores.traces).archive(before=2**62, now=2**62, say=print)
        assert kept.runs >= 1
        _record(stores, spans(ERASED, {"user.id": SUBJECT, "tallystick.run.goal": "help Jane Doe"}))
        eraser(stores).erase([ERASED], by="ann", because="request 7", subject=SUBJECT)
        _record(stores, spans(WITHHELD, {"tallystick.run.goal": "help Jane Doe"}), payloads="digest")
        _record(stores, spans(MARKED, {"tallystick.run.goal": "help Jane Doe"}))
        counts(path).flush()
    finally:
        stores.close()


def _record(stores: Stores, batch: list[Span], **given: str) -> None:
    settings = load(given, os.environ, stores.path.parent)
    assert not recorder(stores, settings).record(batch).rejected


if __name__ == "__main__":
    import sys

    fill(Path(sys.argv[1]))
