"""What is gathered for a first set of declarations."""

from __future__ import annotations

import tomllib

from cli_parts import FakeControl, FakeTraces

from tallystick.app.registry.sketching import observed
from tallystick.model.errors import UnknownThing
from tallystick.model.registry import Use
from tallystick.model.run import Run
from tallystick.ports import Sighting
from tallystick.registry.sketch import Around, sketch


class _Traces(FakeTraces):
    def spans(self, run: str, steps: list[str]) -> dict[str, object]:
        return {}

    def run(self, prefix: str, *, now: int) -> Run:
        raise UnknownThing("it is not here")


def test_a_tool_that_was_always_refused_has_a_file_and_is_given_to_nobody() -> None:
    seen = [Sighting("tool", name, 1, 2, 1, 1, 0, 0, 0) for name in ("look", "refund")]
    traces = _Traces(sighted=seen, used=[Use("desk", "tool", "look", "", 1, 1, 1, 1, 0, "r1", "s1")])
    agents, tools = observed(traces, FakeControl())  # type: ignore[arg-type]
    made = sketch(agents, tools, Around()).files
    assert tomllib.loads(made["tools/refund.toml"]) == {"name": "refund"}
    assert "refused so far" in made["tools/refund.toml"]
    assert "refused so far" not in made["tools/look.toml"]
    assert tomllib.loads(made["agents/desk.toml"])["tools"] == ["look"]
