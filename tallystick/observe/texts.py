"""Which texts of a step count for search, and how a text becomes words.

A run is found by what its steps said: messages, system instructions, arguments and results of tools, inputs, outputs,
goals, documents, errors, and the names of steps, tools and agents. JSON is read, so that its keys and its punctuation
are no words. A text that came before in the run (the history that a chat sends again with every call) is skipped. Short
attributes are no text: each becomes a *tag*, by which ``attr.KEY:value`` finds it. Of those that are numbers the least
and the most in a run are kept, which is all that ``attr.KEY:>5`` asks.

A word is a run of letters and digits without case and accents, cut after ``LONGEST_WORD`` characters; each Chinese or
Japanese character is a word. Both stores index exactly these tokens, so both give the same answers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import msgspec

from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.dialects import READERS

LONGEST_WORD: Final = 40  # characters
SHORT: Final = 256  # characters of an attribute that has a tag; a longer one is text
SEEN: Final = 6  # bytes by which a text is remembered
MOST_SEEN: Final = 4_096  # texts of one run that are remembered; beyond, a repeated one is read again
MARK: Final = "·"  # begins every tag: no word can hold it

_KEEP: Final = bytes(
    code + 32 if 65 <= code <= 90 else code if code >= 128 or chr(code).isalnum() else 32
    for code in range(256)
)
_SHAPE: Final = bytes(97 if chr(code).isalnum() and code < 128 else 32 for code in range(256))
_TOO_LONG: Final = b"a" * (LONGEST_WORD + 1)
_LONG_WORD: Final = re.compile(f"([A-Za-z0-9]{{{LONGEST_WORD}}})[A-Za-z0-9]+")
_ACCENTS: Final = re.compile("[\u0300-\u036f]+")
_SINGLE: Final = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")
_OTHER: Final = re.compile(r"[\W_]+")
_DEEPEST: Final = 64
_MOST_SOURCES: Final = 8  # resources that are known to have been read
_BEGINS_NUMBER: Final = frozenset("+-.0123456789")
_NOT_TEXT: Final = ("tool_definitions", "parameters")
_SPEAKS: Final = frozenset(
    {"role", "type", "finish_reason", "mime_type", "modality"}
)  # keys whose value is structure

_read_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_any = msgspec.json.Decoder().decode


def _names() -> tuple[frozenset[str], tuple[str, ...]]:
    names: set[str] = set()
    prefixes: set[str] = set()
    for reader in READERS.values():
        for content, keys in reader.contents.items():
            names.update(() if content in _NOT_TEXT else keys)
        for content, keys in reader.message_prefixes.items():
            prefixes.update(() if content in _NOT_TEXT else keys)
    return frozenset(names), tuple(sorted(prefixes))


_NAMES, _PREFIXES = _names()
_KNOWN_NAMES: Final = 4_096
_is_text_name: dict[str, bool] = {}


def names_text(name: str) -> bool:
    """Whether an attribute of this name holds content, in any dialect's words."""
    known = _is_text_name.get(name)
    if known is None:
        last = name.rpartition(".")[2]
        known = name in _NAMES or (name.startswith(_PREFIXES) and last not in _SPEAKS)
        if len(_is_text_name) >= _KNOWN_NAMES:
            _is_text_name.clear()
        _is_text_name[name] = known
    return known


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def split(text: str) -> list[str]:
    """The words and tags of a text that is folded, in order. The ``ascii`` tokenizer of SQLite's FTS5 does the same."""
    return text.encode("utf-8", "replace").translate(_KEEP).decode().split()


def words_of(text: str) -> list[str]:
    """The words of a text in order."""
    return split(_cut(text) if text.isascii() else _fold(text))


def _fold(text: str) -> str:
    """A text that is not ASCII as its words, separated by white space."""
    text = _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    text = _OTHER.sub(" ", _SINGLE.sub(r" \1 ", text))
    return " ".join([word[:LONGEST_WORD] for word in text.split()])


def _cut(text: str) -> str:
    """An ASCII text without more of its words than counts."""
    if len(text) <= LONGEST_WORD or _TOO_LONG not in text.encode().translate(_SHAPE):
        return text
    return _LONG_WORD.sub(r"\1 ", text)


# ── tags ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=65_536)
def tag(kind: str, key: str, value: str | None = None) -> str:
    """The token of a fact: of an attribute (``kind`` "a") or of a step's column ("s"); without value: it is there."""
    said = f"{kind}:{key}" if value is None else f"{kind}:{key}={value}"
    return MARK + blake2b(said.encode("utf-8", "replace"), digest_size=6).hexdigest()


def scalar_text(value: Any) -> str | None:
    """A scalar as people write it in a query; None for what is no scalar or too long for a tag."""
    if type(value) is str:
        return value if len(value) <= SHORT else None
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        return str(value) if value.bit_length() <= 64 else None
    return repr(value) if type(value) is float else None


def number_of(value: Any) -> float | None:
    """A scalar as a number to compare with, a text if it is written as one; None for what is none (nor is "nan")."""
    if type(value) is int:
        size = value.bit_length()
        return value if size < 64 else float(value) if size == 64 else None
    if type(value) is str:
        if value[:1] not in _BEGINS_NUMBER or len(value) > SHORT:
            return None
        try:
            value = float(value)
        except ValueError:
            return None
    return value if type(value) is float and value == value else None


# ── what a run is found by ──────────────────────────────────────────────────────────────────────────────────────────


class Collector:
    """Collects the tokens and scores of a run, step by step.

    ``seen`` are the texts of the run that earlier passes read (``SEEN`` bytes each); those read now join them.
    Facts: "s", a step's column and its value; or the type of an attribute (1, 1.0 and true are equal), name and value.
    """

    def __init__(self, seen: Iterable[bytes] = ()) -> None:
        self.seen = set(seen)
        self.scores: set[tuple[str, float | None, str | None]] = set()
        self._here: set[int] = set()  # of texts that were read in this pass: their hashes
        self._texts: list[str] = []
        self._facts: set[tuple[Any, str, Any]] = set()
        self._sources: list[Mapping[str, Any]] = []

    def add(self, step: Step, span: Span) -> None:
        """Take in one step."""
        facts = self._facts
        for name, value in span.attributes.items():
            kind = type(value)
            if kind is str:
                if len(value) > SHORT:
                    self._text(value)
                    continue
                facts.add((kind, name, value))
                if names_text(name):
                    self._text(value)
            elif kind in _SCALARS:
                facts.add((kind, name, value))
                if names_text(name):
                    self._walk(value, 0)
            else:
                self._parts(name, value)
                if names_text(name):
                    self._walk(value, 0)
        resource = span.source.resource
        if resource and resource not in self._sources:
            self._sources = [resource, *self._sources[:_MOST_SOURCES]]
            for name, value in resource.items():
                if type(value) not in _SCALARS:
                    self._parts(name, value)
                elif type(value) is not str or len(value) <= SHORT:
                    facts.add((type(value), name, value))
        facts.add(("s", "kind", step.kind._value_))
        for text in (step.name, step.tool, step.agent, step.error, span.status_message):
            if text:
                self._text(text)
        if step.error:
            facts.add(("s", "error", step.error))
        for label in step.classes:
            facts.add(("s", "label", label))
        if step.facts is not None and isinstance(step.facts.get("stopped_by"), str):
            facts.add(("s", "stopped", step.facts["stopped_by"]))
        for event in span.events:
            for value in event.attributes.values():
                self._text(value) if type(value) is str else self._walk(value, 0)
        if step.kind._value_ == "evaluation" or span.events or _MAY_SCORE & span.attributes.keys():
            self.scores.update(scores_of(span))

    def text(self) -> str:
        """What the run is found by, as one text: its words as ``split`` reads them, and its tags."""
        tags = [tag("a", key) for key in {key for kind, key, _ in self._facts if kind != "s"}]
        for kind, key, value in self._facts:
            text = value if type(value) is str else scalar_text(value)
            if text is not None:
                tags.append(tag("s" if kind == "s" else "a", key, text))
        plain = [text for text in self._texts if text.isascii()]
        other = [_fold(text) for text in self._texts if not text.isascii()]
        return "\n".join([*map(_cut, plain), *other, *tags])

    def numbers(self) -> dict[str, tuple[float, float]]:
        """The least and the most of each attribute that is a number somewhere in the run, by its name."""
        found: dict[str, tuple[float, float]] = {}
        for kind, key, value in self._facts:
            number = None if kind == "s" else number_of(value)
            if number is not None:
                least, most = found.get(key, (number, number))
                found[key] = min(least, number), max(most, number)
        return found

    def _parts(self, name: str, value: Any) -> None:
        """A list of scalars: each of them is a value of the attribute."""
        if isinstance(value, list | tuple):
            self._facts.update(
                (type(one), name, one) for one in value[:SHORT] if scalar_text(one) is not None
            )

    def _is_new(self, raw: Any) -> bool:
        """Whether a text (as it was sent) comes for the first time in the run."""
        known = hash(raw)
        if known in self._here:
            return False
        self._here.add(known)
        if len(raw) < 24:
            return True  # words so few cost less than remembering them over passes
        digest = blake2b(
            raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace"), digest_size=SEEN
        ).digest()
        if digest in self.seen:
            return False
        if len(self.seen) < MOST_SEEN:
            self.seen.add(digest)
        return True

    def _text(self, text: str) -> None:
        if not self._is_new(text):
            return
        if text[:1] in ("[", "{"):
            try:
                self._json(text)
                return
            except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
                pass  # it only looks like JSON
        self._take(text)

    def _json(self, text: str) -> None:
        if text[0] == "[":
            for item in _read_items(text):
                raw = bytes(item)
                if self._is_new(raw):
                    self._walk(_read_any(raw), 0)
        else:
            self._walk(_read_any(text), 0)

    def _walk(self, value: Any, depth: int) -> None:
        """Texts and numbers inside a value that was sent as JSON or as a structure."""
        kind = type(value)
        if kind is str:
            if value[:1] in ("{", "[") and depth < _DEEPEST:  # JSON in JSON: a tool's arguments
                try:
                    self._walk(_read_any(value), depth + 1)
                    return
                except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
                    pass
            self._take(value)
        elif kind is dict:
            if depth < _DEEPEST:
                for key, item in value.items():
                    if key not in _SPEAKS or type(item) is not str or len(item) > 24:
                        self._walk(item, depth + 1)
        elif kind is list or kind is tuple:
            if depth < _DEEPEST:
                for item in value:
                    self._walk(item, depth + 1)
        elif kind is int or kind is float:
            self._take(repr(value))

    def _take(self, text: str) -> None:
        self._texts.append(text)


_SCALARS: Final = frozenset({str, int, float, bool})


def texts_of(step: Step, span: Span) -> Iterator[str]:
    """Every text of a step that counts, as it is read: where a phrase is looked for."""
    one = _Texts()
    one.add(step, span)
    yield from one.found


class _Texts(Collector):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def _take(self, text: str) -> None:
        self.found.append(text)


# ── scores ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_SCORES: Final = (  # where the name, the value and the label of an evaluation stand
    ("gen_ai.evaluation.name", ("gen_ai.evaluation.score.value", "gen_ai.evaluation.score"),
     "gen_ai.evaluation.score.label"),
    ("gen_ai.evaluation.name", (), "gen_ai.evaluation.label"),
    ("annotation.name", ("annotation.score",), "annotation.label"),
    ("evaluation.name", ("evaluation.score", "evaluation.score.value"), "evaluation.label"),
    ("eval.name", ("eval.score",), "eval.label"),
)  # fmt: skip
_LISTS: Final = ("tallystick.import.scores", "langfuse.trace.scores", "langfuse.scores")
_MAY_SCORE: Final = frozenset({name for name, _, _ in _SCORES} | set(_LISTS))
_MOST_SCORES: Final = 256  # of one step


def scores_of(span: Span) -> list[tuple[str, float | None, str | None]]:
    """Evaluations that a span or its events carry: (name, value, label)."""
    found: list[tuple[str, float | None, str | None]] = []
    for attributes in (span.attributes, *(event.attributes for event in span.events)):
        if not _MAY_SCORE & attributes.keys():
            continue
        for named, values, labelled in _SCORES:
            name = attributes.get(named)
            if isinstance(name, str) and name:
                value = next((attributes[key] for key in values if key in attributes), None)
                _score(found, name, value, attributes.get(labelled))
        for key in _LISTS:
            _listed(found, attributes.get(key))
    return found[:_MOST_SCORES]


def _listed(found: list[tuple[str, float | None, str | None]], value: Any) -> None:
    if isinstance(value, str):
        try:
            value = _read_any(value)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return
    for one in value if isinstance(value, list | tuple) else ():
        if isinstance(one, Mapping) and isinstance(one.get("name"), str):
            label = one.get("stringValue", one.get("label"))
            _score(found, one["name"], one.get("value"), label)


def _score(found: list[tuple[str, float | None, str | None]], name: str, value: Any, label: Any) -> None:
    number: float | None = None
    if isinstance(value, bool | int | float) and abs(value) < 1e300:
        number = float(value)
    elif isinstance(value, str) and not isinstance(label, str):
        label = value
    said = label[:SHORT].encode("utf-8", "replace").decode() if isinstance(label, str) and label else None
    if number is not None or said is not None:
        found.append((name[:SHORT].encode("utf-8", "replace").decode(), number, said))
