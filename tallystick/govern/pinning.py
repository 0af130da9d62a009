"""Pinning: is what a tool says of itself what was accepted?

A definition that was accepted is *pinned*. Another one of the same tool and channel is quarantined until a person
accepts it. The rules are pure: rows of the registry and one definition in, a judgement out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tallystick.model.guarding import ToolDeclaration
from tallystick.model.masking import mask_text
from tallystick.model.registry import Channel, Definition, Shown, Trust

FIRST_USE: Final = "first use"
DECLARED: Final = "declared"
NEW: Final = "new"
CHANGED: Final = "changed"
LONGEST: Final = 100_000  # characters of a description that are kept
_FIELDS: Final = ("name", "description", "input", "output", "annotations", "server")


@dataclass(frozen=True, slots=True)
class Judged:
    """How a definition stands. ``differs`` names the fields that are other than in ``against`` (a digest)."""

    trust: Trust
    why: str
    differs: tuple[str, ...] = ()
    against: str | None = None


def code_definition(tool: ToolDeclaration) -> Definition:
    """What a tool in code says of itself: its description, without credentials, and the types of its arguments."""
    return Definition(tool.name, _written(tool.description), dict(tool.arguments))


def accepted(rows: Iterable[Shown]) -> tuple[Shown, ...]:
    """The rows of one tool and channel that count as accepted, oldest first.

    What a person accepted takes the place of everything that was accepted before it. A first use counts only as the
    first of all: rows of two registries that did not know of each other may come together here.
    """
    held = sorted((row for row in rows if row.trust is Trust.ACCEPTED), key=_since)
    last = max((at for at, row in enumerate(held) if by_person(row)), default=0)
    return tuple(
        row for at, row in enumerate(held[last:]) if at == 0 or row.why != FIRST_USE or by_person(row)
    )


def by_person(row: Shown) -> bool:
    """Whether a person accepted it, and not a rule."""
    return row.trust is Trust.ACCEPTED and row.decided is not None and row.by is not None


def judge_code(
    definition: Definition, against: Definition | None, rows: Sequence[Shown], *, declared: ToolDeclaration | None,
    closed: bool,
) -> Judged:  # fmt: skip
    """Judge a definition that code showed and that is not among the accepted ``rows`` of its tool (channel code).

    ``against`` is the definition accepted last, where its text is here. ``closed``: somebody declared or accepted a
    tool already, so that one that nobody knows is not taken on trust.
    """
    if not rows:
        if declared is not None or not closed:
            return Judged(Trust.ACCEPTED, FIRST_USE)
        return Judged(Trust.QUARANTINED, NEW)
    differs = () if against is None else differing(against, definition)
    if declared is not None and _as_declared(definition, declared):
        return Judged(Trust.ACCEPTED, DECLARED, differs, rows[-1].definition)
    return Judged(Trust.QUARANTINED, CHANGED, differs, rows[-1].definition)


def differing(before: Definition, after: Definition) -> tuple[str, ...]:
    """The names of the fields in which two definitions differ."""
    return tuple(name for name in _FIELDS if getattr(before, name) != getattr(after, name))


def of_channel(rows: Iterable[Shown], channel: Channel) -> tuple[Shown, ...]:
    """The rows of one channel, in order of when they were first shown."""
    return tuple(sorted((row for row in rows if row.channel is channel), key=lambda row: row.first))


def _since(row: Shown) -> int:
    return row.first if row.decided is None else row.decided


def _as_declared(definition: Definition, declared: ToolDeclaration) -> bool:
    """Whether a declaration states description and arguments, and both are the definition's."""
    if not declared.description or not declared.arguments:
        return False
    same = _written(declared.description).split() == definition.description.split()
    return same and dict(declared.arguments) == dict(definition.input)


@lru_cache(maxsize=1_024)
def _written(text: str) -> str:
    """A text without credentials, and not too long. A model reads what is left out too, so a change of that must be a
    change of the text."""
    plain = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
    masked = mask_text(plain)
    if len(masked) > LONGEST:
        return f"{masked[:LONGEST]}… [{len(plain):,} characters: {_fingerprint(plain)}]"
    return masked if masked == plain else f"{masked} [masked: {_fingerprint(plain)}]"


def _fingerprint(text: str) -> str:
    """What tells two texts apart; slow, so that a weak credential cannot be found by trying all."""
    return hashlib.scrypt(text.encode(), salt=b"tallystick.definition", n=2**14, r=8, p=1, dklen=16).hex()
