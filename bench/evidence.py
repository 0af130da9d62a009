"""How long it takes to write and to verify the evidence of a run, and how large the file is.

A run of n steps is n/2 model calls and n/2 guarded tool calls (every fourth writes), in a store on disk; a model call
carries the whole chat of the last 50 turns. Times are CPU seconds of this process, the best of three; the verifier has
all rules at hand. Run it with ``python bench/evidence.py`` (``--steps 20 200`` for less).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tallystick.adapters.ids import TimeIds
from tallystick.adapters.signer import open_signer
from tallystick.adapters.sqlite import SqliteControl, SqliteTraces
from tallystick.app.acting.guard import GuardSettings, RunGuard
from tallystick.app.acting.policies import PolicyBook
from tallystick.app.prove.checkpoints import Signed
from tallystick.app.prove.evidence import EvidenceDesk
from tallystick.app.prove.notary import Notary
from tallystick.app.prove.verification import HouseJudge
from tallystick.app.recording.pricing import CardNotice
from tallystick.app.recording.record import Recorder
from tallystick.cost.loops import LoopLimits
from tallystick.cost.rates import load_card
from tallystick.govern.policy import PolicyFile
from tallystick.model.control import ToolCall
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.span import Source, Span
from tallystick.model.step import Effect, EffectOutcome
from tallystick.proof.keys import VerifierKey
from tallystick.proof.notes import checkpoint_text, format_note, parse_checkpoint, sign_note
from tallystick.proof.verify import Trust, verify

RUN = "5e" * 16
LOOK = ToolDeclaration("look", Effect.READ, arguments={"id": "string"})
PAY = ToolDeclaration("pay", Effect.WRITE, arguments={"id": "string", "amount": "long"})
POLICY = """
permit (principal, action == Action::"look", resource);
permit (principal, action == Action::"pay", resource) when { context.args.amount < 1000 };
"""
TURNS = 50
SOURCE = Source({"service.name": "bench", "service.instance.id": "one"}, "bench", "1")


class Clock:
    at = 1_790_000_000_000_000_000

    def now(self) -> int:
        self.at += 1_000
        return self.at


def play(folder: Path, steps: int) -> EvidenceDesk:
    """Record a run and put a desk over its stores."""
    clock, ids = Clock(), TimeIds()
    traces, control = (
        SqliteTraces(folder / "traces.db"),
        SqliteControl(folder / "control.db", clock=clock, ids=ids),
    )
    card = load_card(json.loads(files("tallystick.cost").joinpath("card.json").read_text("utf-8")))
    book = PolicyBook([PolicyFile("bench.cedar", POLICY)], [LOOK, PAY])
    guard = RunGuard(
        control,
        clock,
        ids,
        book,
        card,
        waiter=lambda _: None,
        settings=GuardSettings(loops=LoopLimits(rounds=10**6)),
    )
    spans = [span(0, None, {"tallystick.run.id": RUN, "tallystick.run.root": True}, clock)]
    chat: list[dict[str, str]] = []
    for step in range(1, steps + 1):
        if step % 2:
            if len(chat) >= 2 * TURNS:
                chat = []
            chat.append(
                {
                    "role": "user",
                    "content": f"Turn {step}: " + "please look at the order and say what to do. " * 4,
                }
            )
            spans.append(span(step, 0, thought(chat), clock))
            chat.append({"role": "assistant", "content": f"Answer {step}: " + "I shall look at it. " * 8})
        else:
            spans.append(span(step, 0, acted(guard, step), clock))
    guard.flush()
    recorder = Recorder(traces, card, clock, notice=CardNotice(control, card))
    for start in range(0, len(spans), 500):
        recorder.record(spans[start : start + 500])
    signer = open_signer(folder / "journal.key", name="bench.example/log")

    def keep() -> Signed:
        size, root = control.head()
        text = checkpoint_text(signer.key.name, size, root)
        return Signed(parse_checkpoint(text), format_note(sign_note(text, signer.key, signer.sign)))

    return EvidenceDesk(
        traces, control, Notary(traces, control, clock), keep, lambda: signer, card, clock, "bench"
    )


def span(number: int, parent: int | None, attributes: dict[str, Any], clock: Clock) -> Span:
    name = f"{number + 1:016x}"
    above = None if parent is None else f"{parent + 1:016x}"
    started = clock.now()
    given = {"tallystick.run.id": RUN, "tallystick.seq": number + 1, **attributes}
    return Span(RUN, name, above, "step", started, clock.now(), SOURCE, attributes=given)


def thought(chat: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 50 * len(chat), "gen_ai.usage.output_tokens": 40,
        "gen_ai.input.messages": json.dumps(chat), "gen_ai.agent.name": "desk",
    }  # fmt: skip


def acted(guard: RunGuard, step: int) -> dict[str, Any]:
    tool = PAY if step % 8 == 0 else LOOK
    arguments: dict[str, Any] = {"id": str(step)} | ({"amount": step % 900} if tool is PAY else {})
    call = ToolCall(RUN, f"{step + 1:016x}", "desk", tool.name, "d", arguments)
    verdict = guard.before_tool(call, tool)
    assert verdict.allowed
    guard.after_tool(call, verdict, EffectOutcome.LANDED, result=f"order {step}", error=None)
    return {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool.name, "tallystick.decision": "allow",
        "gen_ai.tool.call.arguments": json.dumps(arguments), "gen_ai.tool.call.result": f"order {step}",
    }  # fmt: skip


def best(function: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, the best of three, and what came out."""
    times, out = [], None
    for _ in range(3):
        start = time.process_time()
        out = function()
        times.append(time.process_time() - start)
    return min(times), out


def measured(desk: EvidenceDesk, steps: int, *, redact: bool) -> str:
    """One row of the table."""
    carried = sum(len(json.dumps(dict(one.span.attributes))) for one in desk.traces.kept(RUN))
    wrote, lines = best(lambda: list(desk.evidence(RUN, redact=redact)))
    trust = Trust((VerifierKey.parse(desk.signer().verifier_key),))
    took, report = best(lambda: verify(lines, trust, HouseJudge()))
    if not report.ok:
        sys.exit(f"not verified: {report.findings[:3]}")
    size = sum(map(len, lines))
    entries = sum(line.endswith(b',"line":"entry"}\n') for line in lines)
    cells = (
        f"{steps:,}", "redacted" if redact else "whole", f"{entries:,}", f"{wrote:.2f}", f"{took:.2f}", f"{size:,}",
        f"{size // steps:,}", f"{carried:,}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[20, 200, 2_000, 20_000])
    print(
        "| steps | what | entries | written in s | verified in s | file, bytes | bytes a step | contents, bytes |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for steps in parser.parse_args().steps:
        with TemporaryDirectory() as folder:
            desk = play(Path(folder), steps)
            list(desk.evidence(RUN))  # attests and seals, which is done once
            for redact in (False, True):
                print(measured(desk, steps, redact=redact), flush=True)


if __name__ == "__main__":
    main()
