"""Tools that a server offers: checked, bounded, and held against the definitions that were accepted before. Pure.

What a server says is hostile. A tool with a name outside the letters that MCP allows, with a definition over the limit,
listed twice, or holding what looks like a credential, is refused by name; the others are still imported.

What is pinned of a tool: its name, description, input and output schema, annotations (a title counts as one), and the
identity of its server. What no model reads (icons, ``_meta``, how it is executed) is not.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.model.canonical import canonical_json, read_canonical
from tallystick.model.errors import BadInput
from tallystick.model.masking import mask_text
from tallystick.model.registry import Channel, Definition, Shown, Trust

FIELDS: Final = ("name", "description", "input", "output", "annotations", "server")
LARGEST: Final = 200_000  # bytes of one definition's JSON
DEEPEST: Final = 64  # levels of a schema
TOOL_NAME: Final = re.compile(r"^[A-Za-z0-9_./-]{1,64}$")  # what MCP allows, and half its length
SERVER_NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$")
_MOST_CHANGES: Final = 50
_SHORT: Final = 2_000  # characters of one side of a change


@dataclass(frozen=True, slots=True)
class Offer:
    """One tool as a server listed it, its fields as they came."""

    name: str
    description: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] | None = None
    annotations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """A tool that is not imported, and why. ``tool`` is cut, and still hostile; ``mark`` tells two of them apart."""

    tool: str
    why: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One place where two definitions differ. ``path`` is dotted; a side is None where there is nothing."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One tool of a server, held against what is known of it.

    ``state``: "unchanged" (accepted, and the same), "new", "changed", "waiting" (quarantined before, and the same) or
    "gone" (known, and no longer offered; then ``definition`` is None). ``write``: it is to be written down.
    """

    tool: str
    state: str
    definition: Definition | None = None
    against: str | None = None
    differs: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    write: bool = False

    @property
    def quarantined(self) -> bool:
        """Whether it waits for a person."""
        return self.state in ("new", "changed", "waiting")


def definitions(
    server: str, identity: str, offers: Sequence[Offer]
) -> tuple[dict[str, Definition], list[Refused]]:
    """Definitions by registry name (``SERVER.TOOL``), and what is refused. Raises BadInput for the server's name."""
    if not SERVER_NAME.match(server):
        raise BadInput(
            f"{server!r} is not a name for a server",
            hint="--name takes letters, digits, dashes and underscores: --name crm",
        )
    times = Counter(offer.name for offer in offers)
    good: dict[str, Definition] = {}
    refused: list[Refused] = []
    for offer in offers:
        why = _fault(offer, times)
        if why is None:
            made = Definition(
                f"{server}.{offer.name}",
                offer.description,
                dict(offer.input),
                offer.output,
                dict(offer.annotations),
                identity,
            )
            why = _too_much(made)
        if why is not None:
            refused.append(Refused(offer.name[:80], why, _mark(offer)))
        else:
            good[made.name] = _as_kept(made)
    return good, refused


def stand_ins(
    server: str, identity: str, refused: Iterable[Refused], shown: Iterable[Shown]
) -> dict[str, Definition]:
    """Definitions by name for what is refused of tools that are known, to stand for what cannot be kept.

    Without them a server would only have to show something that nobody keeps, and what was accepted would go on.
    """
    known = {one.tool for one in shown if one.channel is Channel.MCP}
    return {
        name: Definition(name, f"refused: {one.why} ({one.mark})", server=identity)
        for one in refused if (name := f"{server}.{one.tool}") in known
    }  # fmt: skip


def _mark(offer: Offer) -> str:
    try:
        plain = repr(offer)
    except RecursionError:
        return "nested too deep"
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _as_kept(made: Definition) -> Definition:
    """As it will be read from the journal: what JSON numbers cannot hold is text there."""
    return definition_from(read_canonical(canonical_json(made.as_json())))


def _fault(offer: Offer, times: Mapping[str, int]) -> str | None:
    if not TOOL_NAME.match(offer.name):
        return "its name has characters that MCP does not allow, or is longer than 64"
    if times[offer.name] > 1:
        return f"the server lists it {times[offer.name]} times"
    return None


def _too_much(made: Definition) -> str | None:
    """Why a definition cannot be kept: too deep, without canonical JSON, too large, or with a credential in it."""
    plain = made.as_json()
    if not _within(plain, DEEPEST):
        return f"its definition is nested deeper than {DEEPEST} levels"
    try:
        text = canonical_json(plain).decode("utf-8")
    except BadInput as error:
        return f"its definition has no canonical JSON: {error.message[:200]}"
    if len(text.encode("utf-8")) > LARGEST:
        return f"its definition has more than {LARGEST:,} bytes"
    if mask_text(text) != text:
        return "its definition holds what looks like a credential"
    return None


def _within(value: Any, levels: int) -> bool:
    """Whether a value is nested at most so deep; without recursion, because the value is hostile."""
    open_: list[tuple[Any, int]] = [(value, 0)]
    while open_:
        item, depth = open_.pop()
        if depth > levels:
            return False
        if isinstance(item, Mapping):
            open_.extend((below, depth + 1) for below in item.values())
        elif isinstance(item, list | tuple):
            open_.extend((below, depth + 1) for below in item)
    return True


def accepted(shown: Iterable[Shown]) -> Shown | None:
    """The definition that counts among those of one tool and channel: the one that was accepted last."""
    standing = [one for one in shown if one.trust is Trust.ACCEPTED]
    return max(standing, key=lambda one: (one.decided or one.first, one.first), default=None)


def waiting(shown: Iterable[Shown]) -> tuple[Shown, ...]:
    """Of the definitions of one tool, those that wait for a person."""
    return tuple(one for one in shown if one.waits)


def current(shown: Iterable[Shown]) -> Shown | None:
    """What the server of a tool shows now, as of the last import; None for a tool of no server."""
    rows = sorted((one for one in shown if one.channel is Channel.MCP), key=lambda one: one.first)
    return rows[-1] if rows else None


def judge(
    server: str, offered: Mapping[str, Definition], shown: Sequence[Shown], known: Mapping[str, Definition]
) -> list[Finding]:
    """Hold what a server offers against what is known of its tools, by name.

    ``shown`` may be of any tool; ``known`` are definitions by digest, as far as their texts are there.
    """
    mine = [one for one in shown if one.channel is Channel.MCP and one.tool.startswith(server + ".")]
    findings = []
    for tool, definition in sorted(offered.items()):
        of_tool = [one for one in mine if one.tool == tool]
        findings.append(_finding(tool, definition, of_tool, known))
    gone = sorted({one.tool for one in mine} - set(offered))
    return findings + [Finding(tool, "gone") for tool in gone]


def _finding(
    tool: str, definition: Definition, shown: Sequence[Shown], known: Mapping[str, Definition]
) -> Finding:
    digest = definition.digest
    good, now = accepted(shown), current(shown)
    write = (
        now is None or now.definition != digest
    )  # what it shows now is the newest entry, also when it comes back
    if good is not None and good.definition == digest:
        return Finding(tool, "unchanged", definition, digest, write=write)
    newest = good or now
    before = known.get(newest.definition) if newest is not None and newest.definition != digest else None
    differs, changes = ((), ()) if before is None else compare(before, definition)
    against = good.definition if good is not None else None
    state = "new" if newest is None else "changed" if write else "waiting"
    return Finding(tool, state, definition, against, differs, changes, write=write)


def compare(before: Definition, after: Definition) -> tuple[tuple[str, ...], tuple[Change, ...]]:
    """The fields in which two definitions differ, and the single places (at most 50), each side cut."""
    old, new = before.as_json(), after.as_json()
    differs = tuple(name for name in FIELDS if old[name] != new[name])
    changes: list[Change] = []
    for name in differs:
        _places(name, old[name], new[name], changes)
    return differs, tuple(changes[:_MOST_CHANGES])


def _places(path: str, old: Any, new: Any, found: list[Change]) -> None:
    """Go down where both sides are objects; definitions are at most DEEPEST levels deep."""
    if len(found) >= _MOST_CHANGES or old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            below = f"{path}.{str(key)[:80]}"
            if key not in new:
                found.append(Change(below, _side(old[key]), None))
            elif key not in old:
                found.append(Change(below, None, _side(new[key])))
            else:
                _places(below, old[key], new[key], found)
        return
    found.append(Change(path, _side(old), _side(new)))


def _side(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else canonical_json(value).decode("utf-8")
    return text if len(text) <= _SHORT else text[:_SHORT] + "…"


def definition_from(plain: Any) -> Definition:
    """The definition whose ``as_json`` this is. Raises BadInput for anything else."""
    try:
        return Definition(
            plain["name"], plain["description"], dict(plain["input"]),
            None if plain["output"] is None else dict(plain["output"]), dict(plain["annotations"]), plain["server"],
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"this is no definition of a tool: {error!r}") from error
