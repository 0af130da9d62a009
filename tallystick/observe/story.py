"""Story: what happened in a step, in one line, in the words of its kind. Pure; everything told is hostile text.

A line is for a row of a list: it is short, it says what matters of this kind of step first, and it never says more than
the span does. What a reader must know of the line itself (it was redacted, its sender claims a decision) is a ``Tag``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tallystick.model import attributes as names
from tallystick.model.span import Span
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.observe.contents import Contents
from tallystick.observe.messages import plain_text

LONGEST: Final = 400  # characters of a text or a result
_DOCUMENTS: Final = 5
_REDACTED: Final = "‹redacted:"
_DIGEST: Final = re.compile(r"‹digest:([0-9a-f]{8})[0-9a-f]{24}›")
_WITHHELD: Final = "digest"
_MEMORY: Final = ("gen_ai.memory.record.id", "gen_ai.memory.store.id")


@dataclass(frozen=True, slots=True)
class Tag:
    """A few words beside a line. ``tone``: bad, warn, held, soft."""

    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class Told:
    """What happened (``text``), what came of it (``result``, None where nothing is said), and what to know of both."""

    text: str
    result: str | None
    tags: tuple[Tag, ...]


class Seen(NamedTuple):
    """A step with its contents and its span."""

    step: Step
    contents: Contents
    span: Span


Said = tuple[str, str | None]


def tell(step: Step, contents: Contents, span: Span, *, held_by_journal: bool | None = None) -> Told:
    """The line of a step. ``held_by_journal``: whether the journal has this decision; None where nobody asked."""
    text, result = _TELLERS.get(step.kind, _plain)(Seen(step, contents, span))
    tags = tuple(_tags(step, contents, span, (text, result), held_by_journal))
    return Told(_cut(text), None if result is None else _cut(result), tags)


def _tags(
    step: Step,
    contents: Contents,
    span: Span,
    said: Said,
    held_by_journal: bool | None,
) -> Iterable[Tag]:
    error = contents.error or {}
    if step.status is StepStatus.ERROR and (error or step.error):
        parts = [part for part in (error.get("type") or step.error, error.get("message")) if part]
        yield Tag(_cut(": ".join(dict.fromkeys(map(str, parts))), 200), "bad")
    yield from _retry(contents)
    if contents.guardrail is not None:
        yield Tag("guardrail", "soft")
    elif step.decision is not None and held_by_journal is False:
        yield Tag("claimed by its sender, not in the journal", "warn")
    if span.attributes.get(names.LOOP) is True:
        yield Tag("repeats itself", "warn")
    if span.attributes.get(names.ERASED) is True:
        yield Tag("contents erased", "soft")
    elif names.REDACTED in span.attributes or any(_REDACTED in one for one in said if one):
        yield Tag(_taken_out(span.attributes.get(names.REDACTED)), "soft")
    if step.dropped:
        yield Tag(f"{step.dropped} dropped by its sender", "warn")
    if step.status is StepStatus.RUNNING:
        yield Tag("no end yet", "soft")


def _retry(contents: Contents) -> Iterable[Tag]:
    if contents.retry is None:
        return
    attempt, cause = contents.retry["attempt"], contents.retry["cause"]
    told = "tried again" if attempt is None else f"attempt {attempt}"
    yield Tag(_cut(f"{told}: {cause}" if cause else told, 120), "warn")


def _taken_out(counts: Any) -> str:
    """What is not in the step, out of the redactor's counts by kind: "withheld", "redacted: 2 secret, 1 email"."""
    try:
        kinds = json.loads(counts)
        told = [
            f"{number:,} {_cut(kind, 20)}"
            for kind, number in kinds.items()
            if kind != _WITHHELD and number > 0
        ]
    except (AttributeError, RecursionError, TypeError, ValueError):
        return "partly redacted"
    redacted = f"redacted: {', '.join(told[:4])}" if told else ""
    return (
        " · ".join(part for part in ("withheld" if _WITHHELD in kinds else "", redacted) if part)
        or "redacted"
    )


def compact(value: Any, limit: int = LONGEST) -> str:
    """Any value on one line: text as it is, JSON without spaces to spare; cut at ``limit`` with an ellipsis."""
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return _cut(value, limit)
    if isinstance(value, Mapping) and all(
        isinstance(one, str | int | float | bool | None) for one in value.values()
    ):
        # the usual case, arguments with plain values, reads best without quotes
        return _cut(", ".join(f"{key}: {_scalar(one)}" for key, one in list(value.items())[:24]), limit)
    try:
        return _cut(json.dumps(value, ensure_ascii=False, default=str), limit)
    except (ValueError, RecursionError):
        return _cut(str(type(value).__name__), limit)


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cut(text: str, limit: int = LONGEST) -> str:
    text = _DIGEST.sub(
        r"‹digest:\1…›", " ".join(text[: limit * 4].split())
    )  # enough to see that two are equal
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _plain(seen: Seen) -> Said:
    said = compact(seen.contents.input)
    made = compact(seen.contents.output) or compact(seen.contents.result)
    return (said, made or None) if said else (made, None)


def _goal(seen: Seen) -> Said:
    return (seen.contents.goal, None) if seen.contents.goal else _plain(seen)


def _plan(seen: Seen) -> Said:
    plan = seen.contents.plan
    if isinstance(plan, list):
        items = [f"{number}. {compact(item, 120)}" for number, item in enumerate(plan[:12], 1)]
        return " · ".join(items) + (f" · and {len(plan) - 12} more" if len(plan) > 12 else ""), None
    return (compact(plan), None) if plan is not None else _plain(seen)


def _model(seen: Seen) -> Said:
    said = plain_text(seen.contents.output_messages) if seen.contents.output_messages else ""
    calls = [
        f"{compact(part.get('name'), 60)}({compact(part.get('arguments'), 100)})"
        for message in seen.contents.output_messages
        for part in message["parts"]
        if part.get("type") == "tool_call"
    ]
    thought = "thought, then " if seen.contents.reasoning and (said or calls) else ""
    if calls:
        asked = ", ".join(calls[:4]) + (f" and {len(calls) - 4} more" if len(calls) > 4 else "")
        return f"{thought}called {asked}", compact(said) or None
    text = compact(said) or compact(seen.contents.output)
    return (f"{thought}{text}" if text else _answered(seen.step)), None


def _answered(step: Step) -> str:
    return compact(step.model)


def _tool(seen: Seen) -> Said:
    result = compact(seen.contents.result)
    return compact(seen.contents.arguments), result or None


def _retrieval(seen: Seen) -> Said:
    query = compact(seen.contents.input) or compact(seen.contents.arguments)
    documents = seen.contents.documents
    if documents is None:
        return query, compact(seen.contents.result) or compact(seen.contents.output) or None
    told = [_document(one) for one in documents[:_DOCUMENTS]]
    more = f" and {len(documents) - _DOCUMENTS} more" if len(documents) > _DOCUMENTS else ""
    many = f"{len(documents)} document" + ("" if len(documents) == 1 else "s")
    return query, f"{many}: {', '.join(told)}{more}" if told else many


def _document(one: Any) -> str:
    if not isinstance(one, Mapping):
        return compact(one, 60)
    metadata = one.get("metadata")
    title = (
        one.get("id")
        or one.get("title")
        or (metadata.get("source") if isinstance(metadata, Mapping) else None)
    )
    score = one.get("score")
    name = compact(title or one.get("content"), 60) or "unnamed"
    known = isinstance(score, int | float) and not isinstance(score, bool)
    return f"{name} ({score:.3g})" if known else name


def _memory(seen: Seen) -> Said:
    operation = str(seen.span.attributes.get("gen_ai.operation.name") or "").replace("_", " ")
    key = next(
        (compact(seen.span.attributes[name], 80) for name in _MEMORY if seen.span.attributes.get(name)), ""
    )
    asked = compact(seen.contents.input) or compact(seen.contents.arguments)
    told = " ".join(part for part in (operation, key, asked) if part)
    made = compact(seen.contents.documents) or compact(seen.contents.result) or compact(seen.contents.output)
    return (told, made or None) if told else _plain(seen)


def _handoff(seen: Seen) -> Said:
    given = seen.contents.handoff or {}
    line = (
        f"{compact(given.get('from'), 60) or 'unknown'} hands to {compact(given.get('to'), 60) or 'unknown'}"
    )
    reason = compact(given.get("reason"), 200)
    return (f"{line}: {reason}" if reason else line), compact(given.get("payload")) or None


def _decision(seen: Seen) -> Said:
    if seen.contents.guardrail is not None:
        guard = seen.contents.guardrail
        said = compact(guard["said"]) or compact(seen.contents.output)
        return f"{compact(guard['name'], 120)}: {guard['verdict'] or 'no verdict'}", said or None
    reasons = seen.span.attributes.get(names.DECISION_REASONS)
    rules = ", ".join(map(str, reasons[:6])) if isinstance(reasons, list | tuple) else compact(reasons)
    said, result = _plain(seen)
    answer = seen.step.decision or ""
    told = ": ".join(part for part in (answer, rules) if part)
    return (told, said or result) if told else (said, result)


def _approval(seen: Seen) -> Said:
    approval = compact(seen.span.attributes.get(names.APPROVAL), 60)
    said, result = _plain(seen)
    asked = compact(seen.contents.arguments)
    return " ".join(part for part in (approval, asked or said) if part), result


def _evaluation(seen: Seen) -> Said:
    found = seen.span.attributes
    score = found.get("gen_ai.evaluation.score.value")
    parts = [
        compact(found.get("gen_ai.evaluation.name"), 80),
        compact(found.get("gen_ai.evaluation.score.label"), 80),
        _scalar(score) if isinstance(score, int | float | str) else "",
    ]
    told = " ".join(part for part in parts if part)
    why = compact(found.get("gen_ai.evaluation.explanation"))
    return (told, why or None) if told else _plain(seen)


_TELLERS: Final[Mapping[Kind, Callable[[Seen], Said]]] = {
    Kind.GOAL: _goal,
    Kind.PLAN: _plan,
    Kind.MODEL: _model,
    Kind.TOOL: _tool,
    Kind.RETRIEVAL: _retrieval,
    Kind.MEMORY: _memory,
    Kind.HANDOFF: _handoff,
    Kind.DECISION: _decision,
    Kind.APPROVAL: _approval,
    Kind.EVALUATION: _evaluation,
}
