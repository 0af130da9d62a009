"""Texts of system prompts: when two are the same, and when one was made from a template.

A declared prompt may hold ``{{name}}`` where each request has something of its own; any text may stand there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

_PLACE: Final = re.compile(r"\{\{[ \t]{0,8}[A-Za-z_][A-Za-z0-9_.-]{0,63}[ \t]{0,8}\}\}")


def normal_text(text: str) -> str:
    """A text without what editors and senders change: kinds of line ends, spaces at ends of lines, empty last lines."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join([line.rstrip() for line in lines]).rstrip("\n")


def text_digest(text: str) -> str:
    """SHA-256 (hex) by which a prompt's text is known, over its normal form."""
    return sha256(normal_text(text).encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Template:
    """A declared text, cut where its placeholders are. ``name`` and ``version`` (digest) say whose it is."""

    name: str
    version: str
    parts: tuple[str, ...]

    @property
    def literal(self) -> int:
        """How many characters are fixed: of several templates that match, the one with most is meant."""
        return sum(map(len, self.parts))

    def matches(self, text: str) -> bool:
        """Whether a text (normal form) could have been made from this; time is linear in the text.

        A template that fixes nothing but spaces matches nothing: it would claim every prompt.
        """
        if len(self.parts) == 1 or not "".join(self.parts).strip():
            return len(self.parts) == 1 and text == self.parts[0]
        first, *middle, last = self.parts
        if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
            return False
        at, end = len(first), len(text) - len(last)
        for part in middle:
            found = text.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True


def template(name: str, version: str, text: str) -> Template:
    """A declared text as a template (one part where it has no placeholder)."""
    return Template(name, version, tuple(_PLACE.split(normal_text(text))))


class Prompts:
    """All declared texts, for looking up what was observed. Of equal texts the one given last is meant."""

    def __init__(self, templates: Iterable[Template] = ()) -> None:
        self._exact: dict[str, Template] = {}
        self._templates: list[Template] = []
        for one in templates:
            if len(one.parts) == 1:
                self._exact[one.parts[0]] = one
            else:
                self._templates.append(one)
        self._templates.sort(key=lambda one: -one.literal)  # stable: then as given

    def meant(self, text: str) -> tuple[str, str]:
        """Name and detail of the use that a text shows: the declared prompt and its version, else digest and "".

        Equal texts first, then the template that fixes most.
        """
        normal = normal_text(text)
        found = self._exact.get(normal)
        if found is None:
            best = [one for one in self._templates if one.matches(normal)]
            found = max(reversed(best), key=lambda one: one.literal) if best else None
        return (text_digest(text), "") if found is None else (found.name, found.version)
