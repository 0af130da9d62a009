"""Why two runs part at a step: candidates, read off what differs there. What was not recorded is not guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick.model.step import Kind
from tallystick.observe.compare.differences import ANSWERED, ASKED, Difference
from tallystick.observe.compare.side import Item


@dataclass(frozen=True, slots=True)
class Cause:
    """``kind``: agent, version, input, prompt, tools, model, parameters, answer, result, arguments, policy, error,
    order, only a, only b or unknown; ``text``: one sentence for people."""

    kind: str
    text: str


_ASKED = (  # in the order in which they explain the rest
    ("agent", ("agent",), "Another agent was at work."),
    ("model", ("model",), "Another model was called."),
    ("version", ("version",), "Another version of the agent ran."),
    ("prompt", ("system",), "The system prompt differs."),
    ("tools", ("tools offered", "definition of"), "The model was offered other tools."),
    ("parameters", ("parameters",), "The model was called with other parameters."),
)


def cause_of(a: Item | None, b: Item | None, changes: Sequence[Difference]) -> Cause:
    """The likeliest candidate for the step where two runs part."""
    item = a or b
    assert item is not None
    kind = item.step.kind
    if a is None or b is None:
        here, there = ("A", "B") if b is None else ("B", "A")
        return Cause(f"only {here.lower()}", f"{here} has this {kind.value} step, {there} has not.")
    told = [change for change in changes if change.behaviour]
    asked = [change for change in told if change.sort == ASKED]
    fields = {change.field.split(".")[0].split("[")[0].split(" ")[0]: change for change in told}
    if not told:
        return Cause("order", "Both have this step, in another place.")
    if "decision" in fields:
        return Cause("policy", "The policy decided otherwise.")
    for name, keys, text in _ASKED:
        if any(change.field.startswith(keys) for change in asked):
            return Cause(name, text)
    if kind is Kind.MODEL:
        if asked:
            return Cause("input", "The model was told something else.")
        if any(change.field.startswith("output") for change in told):
            return Cause(
                "answer",
                "The model was asked the same and answered otherwise: models do not repeat themselves.",
            )
    if asked:
        return Cause("arguments", f"The {kind.value} step was given something else.")
    if "status" in fields or "error" in fields or "outcome" in fields:
        return Cause("error", f"The {kind.value} step was given the same and ended otherwise.")
    if any(change.sort == ANSWERED for change in told):
        return Cause("result", f"The {kind.value} step was given the same and gave another result.")
    return Cause("unknown", "What was recorded does not say why.")
