"""What entries about the registry do to its views, and what must hold before they may be written.

Entries of old journals have no card. They were never checked, and so they are not checked now: their last state counts,
and a label of theirs binds nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from tallystick.model.errors import BadInput, Conflict, UnknownThing
from tallystick.model.journal import Entry
from tallystick.model.registry import (
    DEEPEST_BODY,
    TYPES,
    Alias,
    Card,
    Channel,
    Declared,
    Lifecycle,
    Shown,
    Trust,
    Version,
    version_digest,
)

LONGEST_NAME: Final = 256  # characters
_CARD: Final = ("owner", "purpose", "lifecycle", "links", "origin")
_REASONS: Final = {Trust.ACCEPTED: ("first use", "declared"), Trust.QUARANTINED: ("new", "changed")}
_CONTROL: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
).search  # Unicode's Cc, Zl, Zp, Cs


class RegistryViews(Protocol):
    """The registry's rows, keyed as their names say. ``get`` methods return None for what is not there."""

    def put_declared(self, declared: Declared) -> None:
        """Add or replace one object."""
        ...

    def get_declared(self, type: str, name: str) -> Declared | None:
        """One object, retired or not."""
        ...

    def put_version(self, version: Version) -> None:
        """Add one version; one that is here already stays as it is."""
        ...

    def has_version(self, type: str, name: str, digest: str) -> bool:
        """Whether an object has a version."""
        ...

    def put_label(self, type: str, name: str, label: str, digest: str) -> None:
        """Remember the version that a label names for good."""
        ...

    def get_label(self, type: str, name: str, label: str) -> str | None:
        """The digest of the version that a label names."""
        ...

    def put_alias(self, alias: Alias) -> None:
        """Add or replace one alias."""
        ...

    def get_alias(self, type: str, name: str, alias: str) -> Alias | None:
        """One alias."""
        ...

    def drop_alias(self, type: str, name: str, alias: str) -> None:
        """Take one alias away."""
        ...

    def put_shown(self, shown: Shown) -> None:
        """Add or replace one definition of a tool's channel."""
        ...

    def shown_by(self, tool: str, channel: Channel) -> Sequence[Shown]:
        """All definitions that a tool showed in a channel."""
        ...


def check_revision(expected: int | None, revision: int) -> None:
    """Raises Conflict where the registry is not the one that a writer looked at; None: it did not look."""
    if expected is not None and expected != revision:
        raise Conflict(
            "somebody changed the registry since it was looked at", hint="look again, and then once more",
            expected=expected, revision=revision,
        )  # fmt: skip


def _object_declared(views: RegistryViews, entry: Entry, body: Mapping[str, Any]) -> None:
    type_, name, digest = (str(body[key]) for key in ("type", "name", "digest"))
    label = None if body["version"] is None else str(body["version"])
    held = dict(body["body"])
    if "card" in body:
        card = _card(body["card"])
        _check_version(views, body)
        if label is not None:
            views.put_label(type_, name, label, digest)
    else:
        card = Card(_text_or_none(held.get("owner")), _text_or_none(held.get("purpose")))
    because = _text_or_none(body.get("because"))
    views.put_version(Version(type_, name, digest, label, held, entry.seq, entry.at, entry.actor, because))
    found, at, by = views.get_declared(type_, name), entry.at, entry.actor
    if found is not None and found.digest == digest and not found.retired:  # only its card changes
        at, by = found.at, found.by
    views.put_declared(Declared(type_, name, digest, label, held, card=card, at=at, by=by))


def _check_version(views: RegistryViews, body: Mapping[str, Any]) -> None:
    type_, name, digest, label = body["type"], body["name"], body["digest"], body["version"]
    _check_object(type_, name)
    _check_optional("because", body["because"])
    if label is not None:
        check_name("a version's label", label)
    _check_depth(body["body"])
    if version_digest(type_, name, label, body["body"]) != digest:
        raise BadInput(
            f"{str(digest)[:12]} is not the digest of this version of {type_} {name}",
            hint="a version is named by the digest of its type, name, label and body",
        )
    known = None if label is None else views.get_label(type_, name, label)
    if known not in (None, digest):
        raise Conflict(
            f"{type_} {name} has a version {label} already, {str(known)[:12]}, and this one is {digest[:12]}",
            hint="give it another version", type=type_, name=name, version=label, known=known, digest=digest,
        )  # fmt: skip


def _check_depth(value: Any, levels: int = DEEPEST_BODY) -> None:
    """Whoever reads the registry must be able to read every body, from however deep a stack."""
    if levels == 0:
        raise BadInput(f"the body of an object has at most {DEEPEST_BODY} levels")
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(one, dict | list):
            _check_depth(one, levels - 1)


def _card(given: Any) -> Card:
    if not isinstance(given, Mapping):
        raise BadInput("the card of an object is an object of JSON")
    odd = [key for key in given if key not in _CARD]
    if odd:
        raise BadInput(f"a card has no field {odd[0]!r:.80}", hint="fields: " + ", ".join(_CARD))
    owner, purpose, origin = (given.get(key) for key in ("owner", "purpose", "origin"))
    for what, value in (("owner", owner), ("origin", origin)):
        if value is not None:
            check_name(f"the {what} of a card", value)
    _check_optional("purpose", purpose)
    lifecycle = given.get("lifecycle", Lifecycle.ACTIVE.value)
    if lifecycle not in tuple(Lifecycle):
        raise BadInput(f"there is no lifecycle {lifecycle!r:.80}", hint="lifecycles: " + ", ".join(Lifecycle))
    links = given.get("links", {})
    if not isinstance(links, Mapping):
        raise BadInput("the links of a card are addresses by what they lead to")
    for key, link in links.items():
        check_name("what a link leads to", key)
        if not isinstance(link, str) or _CONTROL(link):
            raise BadInput(f"the link {key!r} of a card is no address")
    return Card(owner, purpose, Lifecycle(lifecycle), dict(links), origin)


def _object_retired(views: RegistryViews, _entry: Entry, body: Mapping[str, Any]) -> None:
    type_, name = body["type"], body["name"]
    if not isinstance(type_, str) or not isinstance(name, str):
        raise BadInput("what is retired is named by its type and its name")
    _check_optional("because", body.get("because"))
    found = views.get_declared(type_, name)
    if found is None:
        raise UnknownThing(f"no {type_:.80} is called {name!r:.300}")
    views.put_declared(replace(found, retired=True))


def _alias_moved(views: RegistryViews, entry: Entry, body: Mapping[str, Any]) -> None:
    type_, name, alias, digest = body["type"], body["name"], body["alias"], body["digest"]
    _check_object(type_, name)
    check_name("an alias", alias)
    for what in ("because", "override"):
        _check_optional(what, body[what])
    _check_texts("missing", body["missing"])
    found = views.get_alias(type_, name, alias)
    standing = found.digest if found else None
    if standing != body["previous"]:
        named = f"names {standing[:12]}" if standing else "is not set"
        raise Conflict(
            f"alias {alias} of {type_} {name} {named} by now", hint="look again, and then move it",
            type=type_, name=name, alias=alias, standing=standing,
        )  # fmt: skip
    if digest is not None:
        if not isinstance(digest, str) or not views.has_version(type_, name, digest):
            raise UnknownThing(f"{type_} {name} has no version {str(digest)[:12]}")
        views.put_alias(Alias(type_, name, alias, digest, entry.at, entry.actor, body["because"]))
    elif found is None:
        raise UnknownThing(f"{type_} {name} has no alias {alias!r}")
    else:
        views.drop_alias(type_, name, alias)


def _definition_shown(views: RegistryViews, entry: Entry, body: Mapping[str, Any]) -> None:
    tool, definition = body["tool"], body["definition"]
    channel = _channel(tool, body["channel"])
    trust, why = _trust(channel, body["trust"], body["why"])
    _check_digest("definition", definition)
    if body["against"] is not None:
        _check_digest("against", body["against"])
    if body["server"] is not None:
        _check_optional("server", body["server"])
    differs = _check_texts("differs", body["differs"])
    known = views.shown_by(tool, channel)
    others = [one for one in known if one.trust is Trust.ACCEPTED and one.definition != definition]
    if why == "first use" and others:
        raise Conflict(
            f"another definition of tool {tool} was accepted before: {others[-1].definition[:12]}",
            hint="hold the definition against that one", tool=tool, channel=channel.value,
        )  # fmt: skip
    same = next((one for one in known if one.definition == definition), None)
    if channel is Channel.MCP:
        _only_this(views, known, definition)
        if same is not None:  # the server went back to it
            views.put_shown(_again(same, entry.at, why, differs, body["against"]))
    if same is not None:
        return  # several processes show it at once: the first of them counts
    decided = entry.at if trust is Trust.ACCEPTED else None
    views.put_shown(
        Shown(
            tool, channel, definition, trust, why, differs, body["against"], body["server"], entry.at, decided
        )
    )


def _only_this(views: RegistryViews, known: Sequence[Shown], definition: str) -> None:
    """What a server showed before and nobody accepted waits no longer: the server shows something else now."""
    for one in known:
        if one.waits and one.definition != definition:
            views.put_shown(replace(one, why="replaced", differs=(), against=definition))


def _again(same: Shown, at: int, why: str, differs: tuple[str, ...], against: str | None) -> Shown:
    """A definition that a server shows again: from now on it is the newest, and it stands as it stood."""
    if same.trust is Trust.ACCEPTED:
        return replace(same, first=at)
    return replace(same, first=at, why=why, differs=differs, against=against)


def _definition_accepted(views: RegistryViews, entry: Entry, body: Mapping[str, Any]) -> None:
    """A person's word replaces all that was accepted of the tool in this channel before."""
    tool, definition = body["tool"], body["definition"]
    channel = _channel(tool, body["channel"])
    _check_optional("because", body["because"])
    known = views.shown_by(tool, channel)
    found = next((one for one in known if one.definition == definition), None)
    if found is None:
        raise UnknownThing(
            f"tool {tool} never showed the definition {str(definition)[:12]}", hint="tally tools quarantine"
        )
    others = [one for one in known if one.trust is Trust.ACCEPTED and one is not found]
    if found.trust is Trust.ACCEPTED and found.by is not None and not others:
        raise Conflict(
            f"the definition {definition[:12]} of tool {tool} was accepted before, by {found.by}",
            hint="tally tools quarantine", tool=tool, channel=channel.value,
        )  # fmt: skip
    for one in others:
        views.put_shown(
            replace(
                one, trust=Trust.QUARANTINED, why="replaced", differs=(), against=definition, decided=None, by=None
            )
        )  # fmt: skip
    why = body["because"] or "accepted"
    views.put_shown(replace(found, trust=Trust.ACCEPTED, why=why, decided=entry.at, by=entry.actor))


def _channel(tool: Any, channel: Any) -> Channel:
    check_name("a tool", tool)
    if channel not in (Channel.CODE.value, Channel.MCP.value):
        raise BadInput(f"no definition is pinned in a channel {channel!r:.80}", hint="channels: code, mcp")
    return Channel(channel)


def _trust(channel: Channel, trust: Any, why: Any) -> tuple[Trust, str]:
    if trust not in tuple(Trust):
        raise BadInput(
            f"a definition cannot stand as {trust!r:.80}", hint="it stands as " + " or ".join(Trust)
        )
    if why not in _REASONS[Trust(trust)]:
        raise BadInput(f"a definition is not {trust} because of {why!r:.80}")
    if channel is Channel.MCP and trust == Trust.ACCEPTED:
        raise BadInput("what a server shows is accepted by a person only", hint="tally tools accept")
    return Trust(trust), why


def _check_object(type_: Any, name: Any) -> None:
    if type_ not in TYPES:
        raise BadInput(f"the registry has no type {type_!r:.80}", hint="types: " + ", ".join(TYPES))
    check_name(f"a {type_}", name)


def check_name(what: str, name: Any) -> None:
    """Raises BadInput for what cannot be a name: empty, over 256 characters, or with control characters."""
    if not isinstance(name, str) or not name.strip():
        raise BadInput(f"the name of {what} is a text that is not empty")
    if len(name) > LONGEST_NAME:
        raise BadInput(f"the name of {what} has at most {LONGEST_NAME} characters, and this one {len(name)}")
    if _CONTROL(name):
        raise BadInput(f"the name of {what} has a control character: {name!r}")


def _check_optional(what: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise BadInput(f"{what!r} is a text or nothing")


def _check_texts(what: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadInput(f"{what!r} is a list of texts")
    return tuple(value)


def _check_digest(what: str, value: Any) -> None:
    if not isinstance(value, str) or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise BadInput(f"{what!r} is a SHA-256 digest of 64 hex digits")


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


REGISTRY_KINDS: Final[dict[str, Callable[[RegistryViews, Entry, Mapping[str, Any]], None]]] = {
    "object.declared": _object_declared,
    "object.retired": _object_retired,
    "alias.moved": _alias_moved,
    "definition.shown": _definition_shown,
    "definition.accepted": _definition_accepted,
}
