"""Find a text in a run: which of its steps say it, in which field, with a few words around it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from tallystick.app.reading.shapes import Json
from tallystick.model.errors import BadInput
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.contents import Contents, read_contents
from tallystick.observe.messages import Message
from tallystick.observe.texts import names_text
from tallystick.ports import Traces

MOST: Final = 1_000  # matches in one answer
AT_ONCE: Final = 4_000  # steps looked through for one answer
LONGEST: Final = 1_000  # characters of what is looked for
SNIPPET: Final = 200  # characters shown of a match
_BEFORE: Final = 60  # characters shown before a match

Texts = Iterator[tuple[str, str]]  # field, text


def find_in_run(traces: Traces, run: str, text: str, *, now: int, limit: int, after: str | None) -> Json:
    """``{"run", "query", "matches", "searched", "more"}``: one match a step and field, in the order of arrival.

    Upper and lower case are alike. ``after``: the cursor of the answer before. One answer looks through at most
    ``AT_ONCE`` steps: in a longer run it may have fewer matches than were asked for, or none, and ``more`` goes on.
    ``searched`` counts the steps of the run that were looked through up to here.
    Raises BadInput for an empty text, UnknownThing, and StoreFault.
    """
    if not text.strip() or len(text) > LONGEST:
        raise BadInput(
            f"a text to find has 1 to {LONGEST} characters", hint="for example: tally runs find RUN timeout"
        )
    if not 1 <= limit <= MOST:
        raise BadInput(f"limit must be between 1 and {MOST}, not {limit}", hint="page with after=CURSOR")
    needle = text.lower()
    first, skip = _cursor(after)
    steps = traces.run(run, now=now).steps
    matches: list[Json] = []
    for place, step, span in traces.holding(run, text, after=first, most=AT_ONCE):
        found = list(_matches(step, span, needle))[skip if place == first else 0 :]
        room = limit - len(matches)
        if len(found) > room:
            done = room + (skip if place == first else 0)
            matches += found[:room]
            return _answer(run, text, matches, place + 1, f"{place}.{done}")
        matches += found
    end = first + AT_ONCE
    return _answer(run, text, matches, min(end, steps), f"{end}.0" if end < steps else None)


def _answer(run: str, text: str, matches: Sequence[Json], searched: int, more: str | None) -> Json:
    return {"run": run, "query": text, "matches": list(matches), "searched": searched, "more": more}


def _cursor(after: str | None) -> tuple[int, int]:
    if after is None:
        return 0, 0
    step, _, match = after.partition(".")
    if not (step.isascii() and match.isascii() and step.isdigit() and match.isdigit() and len(after) < 24):
        raise BadInput(f"{after[:40]!r} is no cursor", hint='give "more" of the answer before')
    return int(step), int(match)


def _matches(step: Step, span: Span, needle: str) -> Iterator[Json]:
    """One match for each field that holds the text."""
    found = False
    for field, text in _fields(step, span):
        at = text.lower().find(needle)
        if at >= 0:
            found = True
            yield _match(step, field, text, at, len(needle))
    for field, text in _attributes(span, everything=not found):
        at = text.lower().find(needle)
        if at >= 0:
            yield _match(step, field, text, at, len(needle))


def _match(step: Step, field: str, text: str, at: int, length: int) -> Json:
    start = max(0, at - _BEFORE)
    snippet = text[start : start + SNIPPET].encode("utf-8", "replace").decode()
    return {
        "step": step.span, "field": field, "snippet": snippet, "at": at - start,
        "length": max(0, min(length, len(snippet) - (at - start))),
    }  # fmt: skip


def _fields(step: Step, span: Span) -> Texts:
    """What a step carried, field by field; the same text is in one field only."""
    read = read_contents(step, span)
    for field, values in _contents(read):
        text = "\n".join(text for value in values for text in _texts(value))
        if text:
            yield field, text
    error = [span.status_message, step.error, *((read.error or {}).values())]
    yield "error", "\n".join(dict.fromkeys(part for part in error if isinstance(part, str) and part))
    yield "name", step.name if span.name == step.name else f"{step.name}\n{span.name}"


def _contents(read: Contents) -> Iterator[tuple[str, Sequence[Any]]]:
    yield "goal", (read.goal,)
    yield "input", (read.input, _spoken(read.input_messages))
    yield "output", (read.output if not read.output_messages else _spoken(read.output_messages), read.plan)
    yield "arguments", (read.arguments, None if read.handoff is None else read.handoff.get("payload"))
    yield "result", (read.result, read.documents)
    yield "reasoning", (read.reasoning,)
    yield "system", (read.system,)


def _spoken(messages: Sequence[Message]) -> list[Any]:
    """What messages say: every part but reasoning, which is a field of its own."""
    return [
        value for message in messages for part in message["parts"] if part.get("type") != "reasoning"
        for key, value in part.items() if key not in ("type", "id")
    ]  # fmt: skip


def _texts(value: Any) -> Iterator[str]:
    """A value as text: as it is, or as JSON."""
    if value is None or value == [] or value == "":
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and all(isinstance(one, str) for one in value):
        yield from value
    else:
        yield _json(value)


def _attributes(span: Span, *, everything: bool) -> Texts:
    """Attributes by their name; those of contents and errors only where no field held the text: they say the same."""
    found = [(name, value) for name, value in span.attributes.items() if everything or not names_text(name)]
    for event in span.events:
        if everything or event.name != "exception":
            found += [(f"{event.name}.{name}", value) for name, value in event.attributes.items()]
    if everything:  # what every step of a sender has alike
        found += span.source.resource.items()
    for name, value in found:
        text = value if isinstance(value, str) else _json(value)
        if everything or len(text) <= SNIPPET:
            yield f"attribute:{name}"[:SNIPPET], text


def _json(value: Any) -> str:
    """A structure as JSON; what JSON does not have is shown as Python shows it."""
    return json.dumps(value, ensure_ascii=False, default=repr)
