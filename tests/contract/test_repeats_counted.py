"""A span that comes for the first time is new, whatever is read out of it; one that comes again is a repeat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tallystick.api.otlp import read_json
from tallystick.app.recording.record import Recorder
from tallystick.cost.rates import load_card
from tallystick.model.span import Source, Span

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "dialects"
NAMES = sorted(file.stem for file in GOLDEN.glob("*.json") if ".truth" not in file.name)


def turns(count: int) -> list[Span]:
    """Calls of one conversation that nobody numbered: each sends the history again, with the tool calls before it."""
    spans, history = [], list[dict[str, Any]]()
    for number in range(count):
        call = {
            "type": "tool_call",
            "id": f"call_{number:08}",
            "name": "look_up",
            "arguments": {"nth": number},
        }
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.conversation.id": "one",
            "gen_ai.input.messages": json.dumps(history),
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [call]}]),
        }
        ids = (f"{number + 1:032x}", f"{number + 1:016x}", None)
        spans.append(
            Span(*ids, "chat", number + 1, number + 2, Source({}, "chat", "1"), attributes=attributes)
        )
        answer = {"type": "tool_call_response", "id": call["id"], "response": "found"}
        history += [{"role": "assistant", "parts": [call]}, {"role": "tool", "parts": [answer]}]
    return spans


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_what_is_read_out_of_a_history_again_is_no_repeat(traces, clock, at_once: int) -> None:
    recorder, spans = Recorder(traces, load_card([]), clock), turns(8)
    parts = [spans[at : at + at_once] for at in range(0, len(spans), at_once)]
    assert [recorder.record(part).repeats for part in parts] == [0] * len(parts)
    assert traces.info()["steps"] == 8 + 7
    assert [recorder.record(part).repeats for part in parts] == list(map(len, parts))


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_run_is_new_once(traces, clock, name: str) -> None:
    recorder = Recorder(traces, load_card([]), clock)
    spans = read_json((GOLDEN / f"{name}.json").read_bytes()).spans
    twice = sum(1 for _ in spans) - len({(span.trace, span.span) for span in spans})
    assert recorder.record(spans).repeats == twice
    assert recorder.record(spans).repeats == len(spans)
