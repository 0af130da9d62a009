"""Withholding: contents that are not stored because of where they stand, whatever they say.

Rules by field (``redact_fields``) put marks in the place of fields of tools and classes of data. Digests (``payloads``,
or ``class:CLASS=digest``) put a keyed digest in the place of each content, from which equality can be seen and nothing
else: without the store's key nobody can try short values until one fits.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate
from hashlib import sha256
from typing import Any, Final

from tallystick.app.recording.redacting import HANDLES
from tallystick.govern.redaction import Counts, is_marked
from tallystick.model import attributes as own
from tallystick.model.errors import BadInput
from tallystick.model.masking import mark_of
from tallystick.model.span import Attributes, Event, Link, Span
from tallystick.observe.dialects import reader_for
from tallystick.observe.dialects.dialect import Reader

DIGEST: Final = "digest"
FIELD: Final = "field"
_CONTENTS: Final = frozenset(
    {own.RUN_GOAL, own.PLAN, own.INPUT, own.OUTPUT, own.HANDOFF_PAYLOAD, own.HANDOFF_REASON}
)
_OWN: Final = frozenset(
    value for name, value in vars(own).items() if name.isupper() and isinstance(value, str)
)
_LONGEST_NAME: Final = 128  # characters: what stays because of how its name begins is a name, and no content
_PLAIN: Final = (
    "gen_ai.usage.", "gen_ai.request.", "gen_ai.response.", "service.", "telemetry.", "otel.", "server.",
    "network.", "llm.token_count.", "llm.usage.",
)  # fmt: skip
_PLAIN_NAMES: Final = frozenset({"error.type", "exception.type", "gen_ai.tool.definitions"})
_STAYS: Final = frozenset({"role", "type", "id", "tool_call_id", "call_id", "finish_reason", "tool_use_id"})
_INSIDE: Final = frozenset({"parts", "tool_calls", "function", "tool_call", "message"})
_GIVEN: Final = ("arguments", "args", "parameters")
_ANSWERED: Final = ("result", "response", "content", "output")
_DEEPEST: Final = 32
_DIGESTED: Final = re.compile("‹digest:[0-9a-f]{32}›")

Digest = Callable[[Any], str]
Classes = Callable[[str], Sequence[str]]  # tool -> classes of data that its declaration names


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One rule: whom it concerns ("class", "tool" or "attr" with a name) and which paths; none: digests."""

    about: str
    name: str
    paths: tuple[tuple[str, ...], ...]


def read_rule(text: str) -> FieldRule:
    """A rule as the setting has it. Raises BadInput."""
    about, _, rest = text.partition(":")
    name, _, paths = rest.partition("=")
    if about not in ("class", "tool", "attr") or not name or bool(paths) == (about == "attr"):
        raise BadInput(
            f"{text!r} is no rule about fields", hint="class:customer_pii=arguments.email+result.*"
        )
    if about == "attr" or paths == DIGEST:
        return FieldRule(about, name, ())
    return FieldRule(about, name, tuple(tuple(path.split(".")) for path in paths.split("+")))


def keyed(key: bytes) -> Digest:
    """Digests under a key: equal values have equal ones in one store."""

    def digest(value: Any) -> str:
        raw = value if isinstance(value, bytes) else _text(value).encode("utf-8", "surrogatepass")
        return f"‹digest:{hmac.new(key, raw, sha256).hexdigest()[:32]}›"

    return digest


class Withholding:
    """Rules by field and digests as one rule of the redactor (``redacting.Rule``)."""

    def __init__(
        self, rules: Sequence[FieldRule], digest: Digest, *, everything: bool, classes: Classes
    ) -> None:
        self._attrs = [re.compile(translate(rule.name)) for rule in rules if rule.about == "attr"]
        self._rules = [rule for rule in rules if rule.about != "attr"]
        self._digest = digest
        self._everything = everything
        self._classes = classes

    def apply(self, span: Span, counts: Counts) -> Span:
        """The span without the contents that rules name."""
        reader = reader_for(span)
        tool = _column(span.attributes, reader, "tool")
        rules = self._rules_for(tool, span.attributes)
        if self._everything or any(not rule.paths for rule in rules):
            return self._digested(span, reader, counts)
        made: dict[str, Any] = {}
        for name in span.attributes:
            if any(one.match(name) for one in self._attrs):
                counts[FIELD] += 1
                made[name] = mark_of(FIELD)
        if tool is not None:
            for rule in rules:
                self._fields({**span.attributes, **made}, reader, rule, made, counts)
        if self._rules:
            self._said({**span.attributes, **made}, made, counts)
        return replace(span, attributes={**span.attributes, **made}) if made else span

    def _rules_for(self, tool: str | None, attributes: Attributes) -> list[FieldRule]:
        stamped = attributes.get(own.DATA_CLASSES)
        classes = (
            {one for one in stamped if isinstance(one, str)}
            if isinstance(stamped, list | tuple)
            else {stamped}
        )
        if tool is not None:
            classes |= set(self._classes(tool))
        return [rule for rule in self._rules if rule.name in (classes if rule.about == "class" else (tool,))]

    # ── rules by field ──────────────────────────────────────────────────────────────────────────────────────────

    def _fields(
        self, attributes: Attributes, reader: Reader, rule: FieldRule, made: dict[str, Any], counts: Counts
    ) -> None:
        kind = rule.name if rule.about == "class" else FIELD
        for path in rule.paths:
            for name in reader.contents.get(path[0], ()):
                if name in attributes:
                    value = made.get(name, attributes[name])
                    made[name] = _without(value, path[1:], kind, counts)

    def _said(self, attributes: Attributes, made: dict[str, Any], counts: Counts) -> None:
        """The same fields where messages tell them again: calls with arguments, and answers to those calls."""
        for name, value in attributes.items():
            if isinstance(value, str) and value[:1] in ("[", "{") and not _is_content(name):
                try:
                    read = json.loads(value)
                except (ValueError, RecursionError):
                    continue
                new = self._walk(read, {}, counts, 0)
                if new != read:
                    made[name] = json.dumps(new, ensure_ascii=False)
            elif isinstance(value, list | dict) and not _is_content(name):
                new = self._walk(value, {}, counts, 0)
                if new != value:
                    made[name] = new

    def _walk(self, value: Any, calls: dict[str, str], counts: Counts, depth: int) -> Any:
        """``calls``: id of a call -> its tool, as far as they were met."""
        if depth > _DEEPEST:
            return value
        if isinstance(value, list):
            return [self._walk(one, calls, counts, depth + 1) for one in value]
        if not isinstance(value, dict):
            return value
        made = dict(value)
        function = value.get("function")
        called = function if isinstance(function, dict) else value
        tool, number = (
            called.get("name"),
            value.get("id") or value.get("tool_call_id") or value.get("tool_use_id"),
        )
        given = next((key for key in (*_GIVEN, "input") if key in called), None)
        if isinstance(tool, str) and given is not None:
            if isinstance(number, str):
                calls[number] = tool
            new = self._ruled(tool, "arguments", called[given], counts)
            if called is value:
                made[given] = new
            else:
                made["function"] = {**called, given: new}
            return made
        asked = calls.get(number) if isinstance(number, str) else None
        asked = asked or (tool if value.get("role") == "tool" and isinstance(tool, str) else None)
        for key, item in value.items():
            if asked is not None and key in _ANSWERED:
                made[key] = self._ruled(asked, "result", item, counts)
            else:
                if asked is not None and key == "parts":
                    item = [
                        {**one, "id": one.get("id", number)} if isinstance(one, dict) else one for one in item
                    ]
                made[key] = self._walk(item, calls, counts, depth + 1)
        return made

    def _ruled(self, tool: str, part: str, value: Any, counts: Counts) -> Any:
        for rule in self._rules_for(tool, {}):
            if not rule.paths:
                return self._one(value, counts)
            for path in rule.paths:
                if path[0] == part:
                    value = _without(value, path[1:], rule.name if rule.about == "class" else FIELD, counts)
        return value

    # ── digests ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _digested(self, span: Span, reader: Reader, counts: Counts) -> Span:
        message = span.status_message
        if message:
            message = self._one(message, counts)
        return replace(
            span, status_message=message, attributes=self._mapping(span.attributes, reader, counts),
            events=tuple(Event(one.name, one.at, self._mapping(one.attributes, reader, counts)) for one in span.events),
            links=tuple(Link(one.trace, one.span, self._mapping(one.attributes, reader, counts)) for one in span.links),
        )  # fmt: skip

    def _mapping(self, attributes: Attributes, reader: Reader, counts: Counts) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, value in attributes.items():
            if value is None or isinstance(value, bool | int | float) or _stays(name, value, reader):
                made[name] = value
            else:
                made[name] = self._shaped(value, counts)
        return made

    def _shaped(self, value: Any, counts: Counts) -> Any:
        """Messages and arguments keep their shape: roles, tools and names of fields, with digests of the rest."""
        if isinstance(value, str) and value[:1] in ("[", "{"):
            try:
                read = json.loads(value)
            except (ValueError, RecursionError):
                return self._one(value, counts)
            return json.dumps(self._inside(read, counts, 0), ensure_ascii=False)
        return self._inside(value, counts, 0) if isinstance(value, list | dict) else self._one(value, counts)

    def _inside(self, value: Any, counts: Counts, depth: int) -> Any:
        if isinstance(value, list) and depth < _DEEPEST and all(isinstance(one, dict) for one in value):
            return [self._inside(one, counts, depth + 1) for one in value]
        if not isinstance(value, dict) or depth >= _DEEPEST:
            return self._one(value, counts)
        if not value.keys() & {"role", "type", "function", "tool_calls", "parts"}:  # arguments
            return {key: self._one(item, counts) for key, item in value.items()}
        made: dict[str, Any] = {}
        calls = any(key in value for key in _GIVEN) or value.get("role") == "tool"
        for key, item in value.items():
            if (key in _STAYS and isinstance(item, str) and len(item) <= 128) or (
                key == "name" and calls and isinstance(item, str)
            ):
                made[key] = item
            elif key == "function" and isinstance(item, dict):
                made[key] = {
                    one: inner if one == "name" else self._shaped(inner, counts)
                    for one, inner in item.items()
                }
            elif key in _INSIDE or (key == "content" and isinstance(item, list)):
                made[key] = self._inside(item, counts, depth + 1)
            else:
                made[key] = self._shaped(item, counts) if key in _GIVEN else self._one(item, counts)
        return made

    def _one(self, value: Any, counts: Counts) -> Any:
        if value is None or value in ("", [], {}) or _is_digest(value) or is_marked(value):
            return value
        counts[DIGEST] += 1
        return self._digest(value)


def _stays(name: str, value: Any, reader: Reader) -> bool:
    if name in _CONTENTS:
        return False
    if name in reader.keys or name in HANDLES or name in _PLAIN_NAMES or name in _OWN:
        return True
    items = value if isinstance(value, list | tuple) else (value,)
    return name.startswith(_PLAIN) and all(
        len(one) <= _LONGEST_NAME if isinstance(one, str) else isinstance(one, int | float) for one in items
    )


def _is_content(name: str) -> bool:
    return name.startswith("tallystick.") and name not in _CONTENTS


def _column(attributes: Attributes, reader: Reader, column: str) -> str | None:
    best: tuple[int, str] | None = None
    for name, value in attributes.items():
        known = reader.keys.get(name)
        if known is None or known[0] != column or not isinstance(value, str):
            continue
        if best is None or known[1] < best[0]:
            best = (known[1], value)
    return None if best is None else best[1]


def _without(value: Any, path: Sequence[str], kind: str, counts: Counts) -> Any:
    """The value with a mark at a path; a text that is not JSON has no fields, and goes whole."""
    if not path:
        if is_marked(value):
            return value
        counts[kind] += 1
        return mark_of(kind)
    if isinstance(value, str):
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, dict | list):
            return _without(value, (), kind, counts)
        new = _without(read, path, kind, counts)
        return value if new == read else json.dumps(new, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return [_without(one, path, kind, counts) for one in value]
    if not isinstance(value, Mapping):
        return _without(value, (), kind, counts)
    head, rest = path[0], path[1:]
    return {
        key: _without(item, rest, kind, counts) if head in ("*", key) else item for key, item in value.items()
    }


def _is_digest(value: Any) -> bool:
    """Whether a value is a digest already: an agent's process made it before its spool."""
    return isinstance(value, str) and _DIGESTED.fullmatch(value) is not None


def _text(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    )
