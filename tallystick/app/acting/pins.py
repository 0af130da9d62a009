"""Pins: what tools say of themselves, shown to the registry, and held against what was accepted.

What is known costs one look-up. What is not known is judged by ``govern.pinning`` and written at once, so that every
process judges alike; where two write at the same time, the second looks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.app.acting.feed import Feed, Heard
from tallystick.app.acting.policies import PolicyBook
from tallystick.govern.pinning import (
    CHANGED,
    NEW,
    Judged,
    accepted,
    by_person,
    code_definition,
    judge_code,
    of_channel,
)
from tallystick.model.canonical import canonical_json
from tallystick.model.errors import BadInput, Conflict, StoreFault, StoreFull, UnknownThing, Unreachable
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.journal import Draft
from tallystick.model.registry import Channel, Definition, Shown, Trust
from tallystick.model.step import Effect
from tallystick.ports import ControlStore

INIT: Final = "tallystick.init"
_TRIES: Final = 3
_REMEMBERED: Final = 4_096  # names of tools may come from outside
_HARMLESS: Final = (Effect.NONE, Effect.READ)


@dataclass(frozen=True, slots=True)
class _Pinned:
    """What was found out about a tool as it was given, under what was heard. ``refused`` says why not to call it."""

    given: ToolDeclaration
    heard: Heard
    refused: str | None


class Pins:
    """Holds the definitions of the tools of one process against the registry. Safe to use from several threads."""

    def __init__(self, control: ControlStore, feed: Feed, book: PolicyBook) -> None:
        self._control = control
        self._feed = feed
        self._book = book
        self._known: dict[str, _Pinned] = {}

    def show(self, tools: Iterable[ToolDeclaration]) -> None:
        """Tools that a process has: what nobody has seen of them yet is written. Raises what the store raises."""
        heard, fresh, together = self._feed.heard(), list(tools), list[Draft]()
        for given in fresh:
            self.refusal(given, heard, INIT, together)
        try:
            if together:
                self._control.append(together)
        except (Conflict, BadInput):  # another process showed some meanwhile, or one has no name: one by one
            for given in fresh:
                self.refusal(given, self._feed.heard(), INIT)

    def refusal(
        self, given: ToolDeclaration, heard: Heard, actor: str, together: list[Draft] | None = None
    ) -> str | None:
        """Why a tool is not the one that was accepted, in words for people; None where it is.

        What nobody has seen yet is written at once, or added to ``together`` for the caller to write.
        """
        known = self._known.get(given.name)
        if known is not None and known.given is given and known.heard is heard:
            return known.refused
        if given.name in heard.retired:
            refused: str | None = f"retired: tool {given.name} is no longer to be called"
        else:
            try:
                refused = self._judge(given, heard, actor, together)
            except BadInput as error:  # then nobody can ever accept it
                refused = f"quarantined: its definition cannot be written down: {error.message}"
        if together is not None:  # not written yet: a call of another thread is judged for itself
            return refused
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[given.name] = _Pinned(given, heard, refused)
        return refused

    def _judge(
        self, given: ToolDeclaration, heard: Heard, actor: str, together: list[Draft] | None
    ) -> str | None:
        for attempt in range(_TRIES):
            rows = heard.shown.get(given.name, ())
            imported = of_channel(rows, Channel.MCP)
            if imported:
                return _imported(given.name, imported)
            try:
                return self._code(given, heard, of_channel(rows, Channel.CODE), actor, together)
            except Conflict:  # another process showed another definition meanwhile
                if attempt + 1 == _TRIES:
                    raise
                heard = self._feed.heard_anew()
                self._book.heed(heard)
        return None

    def _code(
        self, given: ToolDeclaration, heard: Heard, rows: Sequence[Shown], actor: str, together: list[Draft] | None
    ) -> str | None:  # fmt: skip
        definition = code_definition(given)
        named, trusted = definition.digest, accepted(rows)
        if any(row.definition == named for row in trusted):
            return None
        known = next((row for row in rows if row.definition == named), None)
        if known is not None:
            return quarantined(given.name, known.why, known.differs)
        judged = judge_code(
            definition, self._definition(trusted[-1].definition) if trusted else None, trusted,
            declared=self._book.declared(given.name), closed=self._closed(heard),
        )  # fmt: skip
        self._write(given, shown_entry(definition, Channel.CODE, judged, actor=actor), together)
        if judged.trust is Trust.ACCEPTED:
            return None
        return quarantined(given.name, judged.why, judged.differs)

    def _write(self, given: ToolDeclaration, entry: Draft, together: list[Draft] | None) -> None:
        if together is not None:
            together.append(entry)
            return
        try:
            self._control.append([entry])
        except (
            StoreFault,
            StoreFull,
            Unreachable,
        ):  # a store in trouble lets no effect happen, and reads go on
            if given.effect not in _HARMLESS:
                raise

    def _closed(self, heard: Heard) -> bool:
        """Whether somebody declared or accepted any tool, so that one that nobody knows stands out."""
        return self._book.declares or any(by_person(row) for rows in heard.shown.values() for row in rows)

    def _definition(self, named: str) -> Definition | None:
        return read_definition(self._control.text, named)


def _imported(tool: str, rows: Sequence[Shown]) -> str | None:
    """What counts for a tool of an MCP server is what was imported last."""
    newest = rows[-1]
    if any(row.definition == newest.definition for row in accepted(rows)):
        return None
    return quarantined(tool, newest.why, newest.differs)


def quarantined(tool: str, why: str, differs: Sequence[str]) -> str:
    """The sentence for people about a definition that waits for one of them."""
    what = {NEW: "nobody declared or accepted this tool", CHANGED: "its definition changed"}.get(
        why, "another definition was accepted since"
    )
    if differs:
        what = f"{' and '.join(differs)} changed"
    return f"quarantined: {what}; tally tools accept {tool}"


def shown_entry(definition: Definition, channel: Channel, judged: Judged, *, actor: str) -> Draft:
    """The entry that says how a definition stands that a tool showed. Raises BadInput where it has no JSON."""
    body: dict[str, Any] = {
        "tool": definition.name, "channel": channel.value, "definition": definition.digest,
        "trust": judged.trust.value, "why": judged.why, "differs": list(judged.differs), "against": judged.against,
        "server": definition.server,
    }  # fmt: skip
    text = canonical_json(definition.as_json()).decode("utf-8")
    return Draft(
        "definition.shown", f"tool:{definition.name}", body, actor=actor, texts={definition.digest: text}
    )


def read_definition(text: Callable[[str], str], named: str) -> Definition | None:
    """A definition by its digest, from the journal's texts; None where the text is not here."""
    try:
        plain = msgspec.json.decode(text(named))
        return Definition(
            plain["name"],
            plain["description"],
            plain["input"],
            plain["output"],
            plain["annotations"],
            plain["server"],
        )
    except UnknownThing:
        return None
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise BadInput(f"{named[:12]} is no definition of a tool") from error
