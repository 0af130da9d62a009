"""What the store may not keep does not reach the spool either, which is on disk too.

Whatever ends a span waits for its record to be on disk, so the rules run in that thread: a cheap look first, which says
no for most spans, and the rules only where it does not. A span that has events or links, or a value that is nested, is
given to the rules at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from tallystick.model.span import Event, Link, Source, Span
from tallystick.sdk.spool import encodable

_SHORTEST: Final = 6  # characters: nothing shorter is of any kind
_KEPT_LENGTH: Final = 64
_MOST_KEPT: Final = 2_048
_PLAIN: Final = frozenset({int, float, bool, type(None)})
_KNOWN: Final = _PLAIN | {str}


class Redacts(Protocol):
    """Rules for what may be kept (``app.recording.redacting.SpanRedactor``)."""

    @property
    def ruled(self) -> bool:
        """Whether there are rules that no look at the text can answer: fields of tools, digests."""
        ...

    def may_hold(self, texts: Sequence[str]) -> bool:
        """Whether any of some texts may hold something; never wrong when it says no."""
        ...

    def is_clean(self, text: str) -> bool:
        """Whether a text holds nothing, for certain: asked of short ones that come again."""
        ...

    def tells(self, names: tuple[str, ...]) -> bool:
        """Whether any of some names of attributes says what stands under it (a password)."""
        ...

    def spans(self, spans: Sequence[Span]) -> Sequence[Span]:
        """The spans as they may be kept."""
        ...


class BeforeSpool:
    """Applies ``rules`` to what is about to be spooled. Safe from any thread."""

    def __init__(self, rules: Redacts) -> None:
        self._rules = rules
        self._ruled = rules.ruled
        self._clean: set[str] = set()  # short texts that were looked at and held nothing: most come again
        self._quiet: set[tuple[str, ...]] = set()  # names of attributes that tell nothing

    def look(self, attributes: Mapping[str, Any], name: str) -> bool:
        """Whether the rules have to see a span."""
        if self._ruled:
            return True
        names = tuple(attributes)
        if names not in self._quiet:
            if self._rules.tells(names):
                return True
            if len(self._quiet) >= _MOST_KEPT:
                self._quiet.clear()
            self._quiet.add(names)
        clean = self._clean
        texts = [] if name in clean else [name]
        for value in attributes.values():  # one plain loop: this runs for every span
            kind = type(value)
            if kind is str:
                size = len(value)
                if size >= _SHORTEST and (size > _KEPT_LENGTH or value not in clean):
                    texts.append(value)
            elif kind not in _PLAIN:
                if kind is not tuple:
                    return True
                for item in value:
                    if type(item) is not str:
                        if type(item) not in _PLAIN:
                            return True
                    elif item not in clean:
                        texts.append(item)
        if not texts:
            return False
        found = self._rules.may_hold(texts)
        for text in texts:
            if len(text) <= _KEPT_LENGTH and (not found or self._rules.is_clean(text)):
                if len(clean) >= _MOST_KEPT:
                    clean.clear()
                clean.add(text)
        return found

    def record(self, record: tuple[Any, ...], scope: str) -> tuple[Any, ...]:
        """A span's record (frames.py) as it may be kept; ``scope`` names what made the span."""
        (name, started, ended, kind, status, message, attributes, events, links) = record[5:14]
        if any(type(value) not in _KNOWN for value in attributes.values()):  # as they will be written
            attributes = {key: encodable(value) for key, value in attributes.items()}
            record = (*record[:11], attributes, *record[12:])
        span = Span(
            "", "", None, name, started, ended, Source({}, scope), kind, status, message, attributes,
            tuple(Event(*event) for event in events), tuple(Link("", "", link[2]) for link in links),
        )  # fmt: skip
        made = self._rules.spans([span])[0]
        if made is span:
            return record
        return (
            *record[:5], made.name, started, ended, kind, status, made.status_message, dict(made.attributes),
            [(event.name, event.at, dict(event.attributes)) for event in made.events],
            [(*link[:2], dict(new.attributes)) for link, new in zip(links, made.links, strict=True)],
            *record[14:],
        )  # fmt: skip

    def resource(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """What a process says of itself, as it may be kept."""
        (made,) = self._rules.spans([Span("", "", None, "", 0, 0, Source(attributes))])
        return dict(made.source.resource)
