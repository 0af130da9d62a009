"""Redaction of texts and values: what finders find is replaced by marks, and JSON stays JSON.

A text that is JSON keeps its structure, spelling and numbers byte for byte; only what holds something is written anew.
Strings in it are read as what they stand for, so that a secret behind an escape is found, and JSON inside a string of
JSON is treated the same.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tallystick.govern.finding import Finder, Place, first_look, merged
from tallystick.govern.json_text import COLON, TOKENS, looks_like_json, quoted
from tallystick.model.masking import MARK, mark_of

DEEPEST: Final = (
    64  # levels of lists, mappings and JSON in JSON; what lies deeper is taken out whole if it holds anything
)
_NESTED_TEXTS: Final = 8  # JSON in a string in JSON in a string …: deeper ones are read as plain text
# Letters, digits and signs behind an escape of JSON, where hardly any encoder writes one: only reading the string tells
# what they say. (Signs of HTML are left out, which some encoders escape everywhere.)
_ESCAPED: Final = (
    r"\\u00(?:2[2BbDdEeFf]|3[0-9AaDd]|4[0-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9Aa])|:\\{1,4}/\\{1,4}/"
)
_LONGEST_NAME: Final = 128

_MARKED: Final = re.compile(rf"{MARK}[\w.:-]{{1,64}}›")

Counts = Counter[str]


class Redactor:
    """Takes out what ``finders`` find. Without finders nothing is changed."""

    def __init__(self, finders: Sequence[Finder]) -> None:
        self._finders = tuple((first_look(one.first), one) for one in finders)
        looks = [*(one.first for one in finders), _ESCAPED]
        self._first = first_look("|".join(f"(?:{one})" for one in looks)) if finders else None

    def may_hold(self, text: bytes) -> bool:
        """Whether UTF-8 may hold something: cheap (about 3 ns a byte), never wrong when it says no."""
        return self._first is not None and self._first(text) is not None

    def text(self, text: str, counts: Counts) -> str:
        """A text without what was found in it; ``counts`` grows by kind. JSON remains JSON."""
        if not self.may_hold(text.encode("utf-8", "replace")):
            return text
        return self._text(text, counts, 0)

    def value(self, value: Any, counts: Counts, depth: int = 0) -> Any:
        """The same for all texts in a value (keys too). A value that holds nothing is returned itself."""
        if isinstance(value, str):
            return self.text(value, counts)
        if isinstance(value, bytes | bytearray | memoryview):
            return self._bytes(bytes(value), counts)
        if isinstance(value, list | tuple):
            if depth >= DEEPEST:
                return self._too_deep(value, counts)
            made = [self.value(item, counts, depth + 1) for item in value]
            if all(new is old for new, old in zip(made, value, strict=True)):
                return value
            return made if isinstance(value, list) else tuple(made)
        if isinstance(value, Mapping):
            return self._too_deep(value, counts) if depth >= DEEPEST else self._mapping(value, counts, depth)
        return value

    def _mapping(self, value: Mapping[Any, Any], counts: Counts, depth: int) -> Mapping[Any, Any]:
        made: dict[Any, Any] = {}
        changed = False
        for key, item in value.items():
            name = self.text(key, counts) if isinstance(key, str) else key
            kind = self.kind_of_name(key) if isinstance(item, str) and isinstance(key, str) else None
            if kind is not None and item and not is_marked(item):
                counts[kind] += 1
                kept: Any = mark_of(kind)
            else:
                kept = self.value(item, counts, depth + 1)
            if name is not key:
                name = _free(name, made)
            changed = changed or name is not key or kept is not item
            made[name] = kept
        return made if changed else value

    def _too_deep(self, value: Any, counts: Counts) -> Any:
        try:
            shown = repr(value)
        except RecursionError:
            shown = None
        if shown is not None and not self.may_hold(shown.encode("utf-8", "replace")):
            return value
        counts["deep"] += 1
        return mark_of("deep")

    def _bytes(self, raw: bytes, counts: Counts) -> bytes:
        if not self.may_hold(raw):
            return raw
        text = raw.decode("utf-8", "surrogateescape")
        made = self._text(text, counts, 0)
        return raw if made == text else made.encode("utf-8", "surrogateescape")

    def _text(self, text: str, counts: Counts, nested: int) -> str:
        if nested < _NESTED_TEXTS and looks_like_json(text):
            return self._json(text, counts, nested)
        return _replaced(text, self._places(text), counts)

    def _places(self, text: str) -> Sequence[Place]:
        seen = text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if len(seen) != len(text):  # lone surrogates: any text of the same length will do
            seen = "".join("?" if "\ud800" <= one <= "\udfff" else one for one in text)
        raw = seen.encode()
        return merged(place for look, one in self._finders if look(raw) for place in one.find(seen))

    def _json(self, text: str, counts: Counts, nested: int) -> str:
        """String by string and number by number; what stands between them is kept.

        Places are looked for in the text as it is written, because what stands before a string may say what it is. One
        that reaches over the end of its string says nothing: that string is read by itself.
        """
        places = self._places(text)
        made: list[str] = []
        at = nth = at_key = 0
        kind: str | None = None  # of a value whose key says what it is
        for found in TOKENS.finditer(text):
            start, end = found.span()
            while nth < len(places) and places[nth].end <= start:
                nth += 1
            own: list[Place] = []
            for ahead in range(nth, len(places)):
                if places[ahead].start >= end:
                    break
                own.append(places[ahead])
            token = text[start:end]
            if kind is not None and token[0] == '"' and not text[at_key:start].strip(" \t\r\n:"):
                new = self._whole(token, kind, counts)
            else:
                inside = [Place(one.start - start, one.end - start, one.kind) for one in own]
                new = self._token(token, inside, counts, nested)
            kind, at_key = self._said_by(token) if COLON.match(text, end) else None, end
            if new is not token:
                made += (text[at:start], new)
                at = end
        made.append(text[at:])
        return "".join(made)

    def _token(self, token: str, places: Sequence[Place], counts: Counts, nested: int) -> str:
        """One string or number of a JSON text, with what was found where it stands."""
        if token[0] != '"':
            whole = [one for one in places if one.start <= 0 and one.end >= len(token)]
            return self._whole(token, whole[0].kind, counts) if whole else token
        inside = [one for one in places if one.start >= 1 and one.end <= len(token) - 1]
        plain = "\\" not in token
        if plain and len(inside) == len(places):
            return _replaced(token, inside, counts) if inside else token
        try:
            value = json.loads(token)
        except ValueError:
            return token
        if not inside and not self.may_hold(value.encode("utf-8", "replace")):
            return token
        new = self._text(value, counts, nested + 1)
        if new == value and inside:  # only its surroundings say what it is: all of it is taken out
            return self._whole(token, inside[0].kind, counts)
        return token if new == value else quoted(new)

    def _said_by(self, token: str) -> str | None:
        """The kind of whatever stands under a key, where the key says it."""
        return self.kind_of_name(token.strip('"')) if len(token) <= _LONGEST_NAME else None

    def _whole(self, token: str, kind: str, counts: Counts) -> str:
        if len(token) <= 2 or token.startswith(f'"{MARK}') or token.endswith('\\u203a"'):
            return token
        counts[kind] += 1
        return quoted(mark_of(kind))

    def kind_of_name(self, name: str) -> str | None:
        """The kind of any text under a name ("password": secret), or None where the name says nothing."""
        for _, finder in self._finders:
            kind = finder.named(name)
            if kind is not None:
                return kind
        return None


def _replaced(text: str, places: Sequence[Place], counts: Counts) -> str:
    if not places:
        return text
    made: list[str] = []
    at = 0
    for place in places:
        counts[place.kind] += 1
        made += (text[at : place.start], mark_of(place.kind))
        at = place.end
    made.append(text[at:])
    return "".join(made)


def _free(name: str, taken: Mapping[Any, Any]) -> str:
    """A key that no other key has: two keys that hold secrets may not become one."""
    if name not in taken:
        return name
    number = 2
    while f"{name} {number}" in taken:
        number += 1
    return f"{name} {number}"


def is_marked(value: Any) -> bool:
    """Whether a value was taken out already, all of it: words behind a mark are words."""
    return isinstance(value, str) and _MARKED.fullmatch(value) is not None
