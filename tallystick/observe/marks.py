"""Marks of what a model was told: which system prompt it was sent and which tools it was offered.

They are made for every model span at ingest, so that nobody has to read contents to learn that nothing changed. A mark
is the first 64 bits of a SHA-256 over the values as they were sent: equal marks are equal texts, and a text that was
sent in another encoding has another mark. No conversation is parsed: only attributes of their own are looked at, and
the first message. What a dialect hides deeper is unknown here: the raw bodies in ``input.value`` (OpenInference for
LangChain where no messages are listed), the messages of LangSmith and of ``pydantic_ai.all_messages``, and the tools in
``llm.invocation_parameters`` and ``model_request_parameters``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from tallystick.model.span import Attributes, Span
from tallystick.observe.dialects.dialect import Reader

MOST_TOOLS: Final = 256  # of one request; those beyond are left out of the mark
_PARTS: Final = 8  # parts of a first message
_FIRST: Final = 262_144  # characters of a conversation in which its first message must end
_HEAD: Final = 48  # characters in which a first message says who speaks
_SYSTEM: Final = ("system", "developer")
_SYSTEM_MARKS: Final = ('"system"', '"developer"')

# Who speaks first, what it says, and where several parts of it stand, as attributes with an index spell it.
_SPOKEN: Final = tuple(
    (f"{prefix}role", f"{prefix}content", tuple(f"{prefix}contents.{n}.message_content.text" for n in range(_PARTS)))
    for prefix in ("llm.input_messages.0.message.", "gen_ai.prompt.0.", "llm.prompts.0.")
)  # fmt: skip
# The attributes of each tool that is listed one by one.
_LISTED: Final = (
    tuple((f"llm.tools.{n}.tool.json_schema",) for n in range(MOST_TOOLS)),
    *(
        tuple(
            (f"{prefix}{n}.name", f"{prefix}{n}.description", f"{prefix}{n}.parameters")
            for n in range(MOST_TOOLS)
        )
        for prefix in ("gen_ai.request.functions.", "gen_ai.request.tools.", "llm.request.functions.")
    ),
)
_KNOWN: Final = 256  # marks remembered
_LONGEST_KNOWN: Final = 32_768  # characters
_known: dict[tuple[int, int, int], tuple[Sequence[str], str]] = {}
_decoder: Final = json.JSONDecoder()


def prompt_mark(span: Span, reader: Reader) -> str | None:
    """The mark of the system prompt that a model span was sent (16 hex digits); None where none is seen."""
    attributes = span.attributes
    for name in reader.contents.get("system", ()):
        value = attributes.get(name)
        if value:
            return _mark((value,))
    for role, content, parts in _SPOKEN:
        if role in attributes:
            if attributes[role] not in _SYSTEM:
                return None
            value = attributes.get(content)
            return _mark(
                (value,) if value else tuple([attributes[name] for name in parts if name in attributes])
            )
    messages = attributes.get("gen_ai.input.messages")
    if messages:
        return _first_message(messages)
    if span.events and span.events[0].name == "gen_ai.system.message":
        return _mark((span.events[0].attributes.get("content"),))
    return None


def offered_mark(attributes: Attributes, reader: Reader) -> str | None:
    """The mark of the tool definitions that a model span was offered (16 hex digits); None where none are seen."""
    for name in reader.contents.get("tool_definitions", ()):
        value = attributes.get(name)
        if value:
            return _mark(tuple(value) if isinstance(value, list | tuple) else (value,))
    for tools in _LISTED:
        if tools[0][0] in attributes:
            found: list[Any] = []
            for names in tools:
                if names[0] not in attributes:
                    break
                for name in names:
                    found.append(attributes.get(name))
            return _mark(tuple(found))
    return None


def _first_message(messages: Any) -> str | None:
    """The mark of a conversation's first message, where that is the system's."""
    if isinstance(messages, list | tuple):
        first = messages[0]
        return _mark((first,)) if isinstance(first, Mapping) and first.get("role") in _SYSTEM else None
    if not isinstance(messages, str):
        return None
    head = messages[:_HEAD]
    # Who speaks stands first, or last behind the words: only then is the message read to its end.
    if '"role"' in head and not any(mark in head for mark in _SYSTEM_MARKS):
        return None
    start = head.find("{")
    if start < 0 or head[:start].strip() not in ("", "["):
        return None
    text = messages if len(messages) <= _FIRST else messages[:_FIRST]
    try:
        first, end = _decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return _mark((messages[start:end],)) if first.get("role") in _SYSTEM else None


def _mark(values: Sequence[Any]) -> str | None:
    """The mark of values in order; None where all are empty, or one cannot be written.

    An agent tells its model the same in every call, and comparing texts costs a tenth of hashing them: some that were
    marked are remembered, by their sizes.
    """
    try:
        sizes = (len(values), len(values[0]), len(values[-1]))
    except (TypeError, IndexError):  # none at all, or not texts
        return _digest(values)
    known = _known.get(sizes)
    if known is not None and known[0] == values:
        return known[1]
    made = _digest(values)
    if made is not None and set(map(type, values)) == {str} and sum(map(len, values)) <= _LONGEST_KNOWN:
        if len(_known) >= _KNOWN:
            _known.clear()
        _known[sizes] = (tuple(values), made)
    return made


def _digest(values: Sequence[Any]) -> str | None:
    try:
        text = "\0".join(values)
    except TypeError:  # not all are text
        try:
            text = "\0".join([one if type(one) is str else repr(one) if one else "" for one in values])
        except RecursionError:
            return None
    if not text.strip("\0"):
        return None
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
