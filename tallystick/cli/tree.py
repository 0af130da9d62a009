"""A run as an indented tree in a terminal: what happened, in whose name, how long, at what cost, under which decision.

Built without recursion, so a run of any depth or length can be shown. A step whose parent is not here stands at the
root; a cycle (hostile input can claim one) is cut at the step that starts first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tallystick.cli.clean import one_line
from tallystick.cli.output import json_text
from tallystick.cli.wording import count, duration, glyph, money

Step = Mapping[str, Any]


def depth_first(steps: Sequence[Step]) -> Iterator[tuple[Step, int, tuple[bool, ...]]]:
    """Steps with their depth and, for each level, whether it was the last of its siblings; every step comes once."""
    here = {step["step"] for step in steps}
    children: dict[str | None, list[Step]] = {}
    for step in steps:
        parent = step.get("parent")
        orphan = parent not in here or parent == step["step"]
        children.setdefault(None if orphan else parent, []).append(step)
    done: set[str] = set()
    yield from _walk(children.get(None, []), children, done)
    # Whatever is left hangs in a cycle of parents.
    for step in steps:
        if step["step"] not in done:
            yield from _walk([step], children, done)


def _walk(
    tops: Sequence[Step], children: Mapping[str | None, Sequence[Step]], done: set[str]
) -> Iterator[tuple[Step, int, tuple[bool, ...]]]:
    stack: list[tuple[Step, tuple[bool, ...]]] = []
    stack.extend((step, (at == len(tops) - 1,)) for at, step in reversed(list(enumerate(tops))))
    while stack:
        step, lasts = stack.pop()
        if step["step"] in done:
            continue
        done.add(step["step"])
        yield step, len(lasts) - 1, lasts
        below = [child for child in children.get(step["step"], ()) if child["step"] not in done]
        stack.extend(
            (child, (*lasts, at == len(below) - 1)) for at, child in reversed(list(enumerate(below)))
        )


def guides(lasts: tuple[bool, ...]) -> str:
    """The lines that join a step to its parent; deep levels are folded to a number."""
    inner = lasts[1:]
    if not inner:
        return ""
    folded = ""
    if len(inner) > 12:
        folded, inner = f"[{len(inner) - 12}] ", inner[-12:]
    return folded + "".join("   " if last else "│  " for last in inner[:-1]) + ("└─ " if inner[-1] else "├─ ")


def under(lasts: tuple[bool, ...]) -> str:
    """What stands before a line of text below a step, so that the lines of the tree go on past it."""
    above = guides(lasts)
    return (above[:-3] + ("   " if lasts[-1] else "│  ") if above else "") + "    "


def label(step: Step) -> str:
    """What a step is, in one line: kind and name, and the agent where it is not said already."""
    own = (
        step.get("tool") if step["kind"] == "tool" else step.get("model") if step["kind"] == "model" else None
    )
    name = own or _bare(step["kind"], str(step.get("name") or ""))
    agent = step.get("agent")
    named = f"{step['kind']} {one_line(str(name), 60)}{asked(step)}".rstrip()
    return named if not agent or agent == name else f"{named} · {one_line(str(agent), 30)}"


# How instrumentation begins the names of these kinds of steps; the kind stands before the name already.
_OPERATIONS = {
    "agent": "invoke_agent ",
    "tool": "execute_tool ",
    "retrieval": "execute_tool ",
    "handoff": "handoff ",
}


def _bare(kind: str, name: str) -> str:
    return "" if name == kind else name.removeprefix(_OPERATIONS.get(kind, f"{kind} "))


def asked(step: Step) -> str:
    """The arguments of a tool call, cut to what fits on its line."""
    arguments = step.get("arguments")
    if step["kind"] != "tool" or arguments in (None, {}, []):
        return ""
    if not isinstance(arguments, Mapping):
        return f"({one_line(arguments if isinstance(arguments, str) else json_text(arguments), 48)})"
    shown = ", ".join(f"{name}={json_text(value)}" for name, value in arguments.items())
    return f"({one_line(shown, 48)})"


def note(step: Step) -> str:
    """What must not be overlooked: decision, outcome, error, repeat, derived."""
    said = []
    if step.get("decision") not in (None, "allow"):
        said.append(str(step["decision"]))
    if step.get("outcome") not in (None, "landed"):
        said.append(str(step["outcome"]))
    if step.get("error") and (step.get("status") != "stopped" or step["kind"] in ("tool", "model", "goal")):
        said.append(one_line(wrong(step["error"]), 80))
    if step.get("same_as"):
        said.append(f"repeats {one_line(str(step['same_as']), 16)}, not counted")
    if step.get("derived"):
        said.append("read from the message history")
    return "; ".join(said)


def wrong(error: Any) -> str:
    """An error in one line: its type without the module, and its message."""
    if not isinstance(error, Mapping):
        return str(error)
    kind = str(error.get("type") or "").rsplit(".", 1)[-1]
    return ": ".join(part for part in (kind, str(error.get("message") or "")) if part)


def row(step: Step, lasts: tuple[bool, ...]) -> dict[str, Any]:
    """One line of the tree as cells: what, time, tokens, cost, note, and what stands before a line below it."""
    usage = step.get("usage") or {}
    used = [usage.get("input_tokens"), usage.get("output_tokens")]
    counted = "" if used == [None, None] else "→".join(count(number) for number in used)
    priced = step.get("cost_nano_usd") is not None or step.get("cost_gap")
    return {
        "what": f"{guides(lasts)}{glyph(step.get('status'))} {label(step)}",
        "status": step.get("status"),
        "time": duration(step.get("duration_ns")),
        "tokens": counted,
        "cost": money(step.get("cost_nano_usd")) if priced else "",
        "note": note(step),
        "under": under(lasts),
        "dim": bool(step.get("same_as")),
    }
