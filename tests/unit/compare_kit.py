"""Runs made by hand, to be held against each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tallystick.model.span import Source, Span
from tallystick.model.step import Step
from tallystick.observe.normalise import read_span

SOURCE = Source({"service.name": "shop"}, "shop.scope")
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


@dataclass
class Story:
    """A run that is told step by step; each takes a second unless it says when it was."""

    trace: int = 1
    source: Source = field(default_factory=lambda: SOURCE)
    spans: list[Span] = field(default_factory=list)
    now: int = START

    def add(self, attributes: Mapping[str, Any], parent: str | None, *, name: str, took: int, status: int = 0,
            at: int | None = None) -> str:  # fmt: skip
        number = f"{self.trace:08x}{len(self.spans) + 1:08x}"
        began = self.now if at is None else at
        self.spans.append(
            Span(f"{self.trace:032x}", number, parent, name, began, began + took, self.source, status=status,
                 attributes=dict(attributes))
        )  # fmt: skip
        self.now = max(self.now, began + took)
        return number

    def agent(self, name: str, parent: str | None = None) -> str:
        marks = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
        return self.add(marks, parent, name=f"invoke_agent {name}", took=0)

    def model(self, parent: str | None, asked: Sequence[Any], said: str = "", calls: Sequence[Any] = (), *,
              took: int = SECOND, **more: Any) -> str:  # fmt: skip
        parts = [{"type": "text", "content": said}] if said else []
        for at, (tool, arguments) in enumerate(calls):
            call = f"call_{self.trace}{len(self.spans)}{at}abcdef"
            parts.append({"type": "tool_call", "id": call, "name": tool, "arguments": arguments})
        told = [{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in asked]
        marks = {
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20, "gen_ai.input.messages": json.dumps(told),
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts}]), **more,
        }  # fmt: skip
        return self.add(marks, parent, name="chat m-1", took=took)

    def tool(self, parent: str | None, name: str, arguments: Any, result: Any, *, took: int = SECOND, status: int = 0,
             at: int | None = None, **more: Any) -> str:  # fmt: skip
        marks = {
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": f"call_{self.trace}{len(self.spans)}",
            "gen_ai.tool.call.arguments": json.dumps(arguments),
            "gen_ai.tool.call.result": json.dumps(result), **more,
        }  # fmt: skip
        return self.add(marks, parent, name=f"execute_tool {name}", took=took, status=status, at=at)

    @property
    def told(self) -> tuple[list[Step], dict[str, Span]]:
        """Steps in order of their start, and spans by id."""
        steps = [read_span(span)[0][0] for span in self.spans]
        return sorted(steps, key=lambda step: step.started), {span.span: span for span in self.spans}


def refund(trace: int, *, amount: Any = 40, found: Any = "paid", said: str = "Done.", **more: Any) -> Story:
    """An agent that looks an order up, refunds it and says so."""
    story = Story(trace)
    top = story.agent("refunds")
    story.model(top, [("user", "Refund A-1")], calls=[("find", {"order": "A-1"})], **more)
    story.tool(top, "find", {"order": "A-1"}, {"order": "A-1", "state": found})
    story.model(
        top, [("user", "Refund A-1"), ("tool", json.dumps(found))], calls=[("refund", {"amount": amount})]
    )
    story.tool(top, "refund", {"amount": amount}, {"ok": True})
    story.model(top, [("user", "Refund A-1")], said)
    return story
