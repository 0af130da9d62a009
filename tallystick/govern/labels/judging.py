"""Judging: on whose word each argument of a call stands.

An authority argument (who, where, which object, how much) is trusted when each single value in it is: the user said
it; a source that the declaration names returned it; it identifies an object whose name the user said; a directory
lists it; a person endorsed it; or it says nothing. An amount that nobody said passes up to a declared limit, where
every other authority argument is trusted. What a model merely wrote stands on nobody's word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tallystick.govern.labels.leaves import key_of, leaves
from tallystick.govern.labels.links import hosts_in
from tallystick.govern.labels.said import Said, number_of
from tallystick.govern.labels.scope import asked
from tallystick.govern.labels.seen import Place, Seen
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import ENDORSED, Facts, Integrity, Role, worst

_MOST: Final = 20  # arguments and hosts named in facts
_LONGEST: Final = 100
_SHORTEST_NAME: Final = 3  # characters of a name by which a person knows an object

Verdict = tuple[Integrity, str]
WITHIN: Final = "it is within what the tool's declaration leaves open"
NOTHING: Final[Verdict] = (Integrity.USER, "it says nothing")


@dataclass(frozen=True, slots=True)
class Grounds:
    """What values may stand on: what was said, what was returned, directories by name, and what was endorsed."""

    said: Said
    seen: Seen
    known: Mapping[str, frozenset[str]]
    endorsed: frozenset[tuple[str, str, str]]
    passed: Mapping[tuple[str, str], Decimal]  # tool, argument -> what has passed below its limit in this run


def judge(
    tool: ToolDeclaration, arguments: Mapping[str, Any], grounds: Grounds, *, watermark: Integrity, again: bool = False,
    seen: tuple[str, ...] = (), leaks: tuple[str, ...] = (), signs: tuple[str, ...] = (),
) -> Facts:  # fmt: skip
    """The facts of one call. ``arguments`` are as the rules see them."""
    found: dict[str, Verdict] = {}
    said_elsewhere: list[Any] = []
    for name, value in arguments.items():
        if tool.role(name) is Role.AUTHORITY:
            found[name] = _argument(tool, name, value, grounds)
        else:
            said_elsewhere.append(value)
    _within_limits(tool, arguments, found, grounds.passed)
    untrusted = [name for name, (integrity, _) in found.items() if not integrity.trusted]
    return Facts(
        watermark=watermark,
        authority=worst((integrity for integrity, _ in found.values()), Integrity.SYSTEM),
        untrusted=_named(untrusted),
        asked=asked(grounds.said, tool),
        links=_new_links(said_elsewhere, grounds),
        seen=seen,
        leaks=leaks,
        signs=signs,
        again=again,
        why={name[:_LONGEST]: why for name, (_, why) in list(found.items())[:_MOST]},
    )


def _named(names: list[str]) -> tuple[str, ...]:
    """Names for an entry. Of too many the first are named; the rest is said by "*", so that none gets lost."""
    short = [name[:_LONGEST] for name in names[:_MOST]]
    return (*short, "*") if len(names) > _MOST else tuple(short)


def _argument(tool: ToolDeclaration, name: str, value: Any, grounds: Grounds) -> Verdict:
    if isinstance(value, bool):
        return _switch(name, value, grounds.said)
    lowest = NOTHING
    for _, leaf in leaves(value):
        verdict = NOTHING if leaf is None or leaf == "" else _value(tool, name, leaf, grounds)
        if worst((verdict[0], lowest[0])) is not lowest[0] or lowest is NOTHING:
            lowest = verdict
        if not lowest[0].trusted:
            break
    return lowest


def _switch(name: str, value: bool, said: Said) -> Verdict:
    """A yes is said by the name of what is switched ("recurring"); a no is what happens when nobody says anything."""
    if not value:
        return NOTHING
    if said.has(name.replace("_", " ")):
        return Integrity.USER, "the user said it"
    return Integrity.MODEL, "nobody said it"


def _value(tool: ToolDeclaration, name: str, leaf: Any, grounds: Grounds) -> Verdict:
    if isinstance(leaf, bool):
        return _switch(name, leaf, grounds.said)
    if grounds.said.has(leaf):
        return Integrity.USER, "the user said it"
    key = key_of(leaf)
    if key is None:
        return NOTHING
    places = grounds.seen.of(leaf)
    origins = tool.origins.get(name, ())
    for origin in origins:
        kind, _, source = origin.partition(":")
        if kind == "data" and str(key) in grounds.known.get(source, frozenset()):
            return Integrity.OPERATOR, f"it is in {source}"
        if kind == "tool" and any(_is_from(place, source) for place in places):
            return Integrity.OPERATOR, f"it comes from {source}"
    if (tool.name, name, str(key)) in grounds.endorsed:
        return Integrity.USER, ENDORSED
    several = False
    for place in places:
        named = [one for one in place.names if len(one) >= _SHORTEST_NAME and _names(one, grounds.said)]
        if any(grounds.seen.names.is_one(place.tool, one) for one in named):
            return Integrity.USER, f"the user named what it stands for ({place.tool})"
        several = several or bool(named)
    if several:
        return Integrity.THIRD_PARTY, f"several things of that name came from {places[0].tool}"
    if any(not place.integrity.trusted for place in places):
        return Integrity.THIRD_PARTY, f"it comes from {places[0].tool}"
    if places:
        return Integrity.MODEL, f"it comes from {places[0].tool}, which is not declared as a source of it"
    return Integrity.MODEL, "nobody said it"


def _is_from(place: Place, source: str) -> bool:
    """Whether a value was returned by "tool" or in the field "tool.field"."""
    tool, _, path = source.partition(".")
    return place.tool == tool and (not path or path in (place.path, place.path.rpartition(".")[2]))


def _names(known: str, said: Said) -> bool:
    """Whether the user said the name of an object: as it is, or without what stands behind its last point."""
    return any(said.has(one) for one in _spellings(known))


def _spellings(known: str) -> Iterator[str]:
    if number_of(known) is not None:
        return
    yield known
    whole, point, ending = known.rpartition(".")
    stem = whole if point and ending.isalnum() and len(ending) <= 5 and " " not in ending else known
    spaced = stem.replace("-", " ").replace("_", " ")
    if len(spaced) >= _SHORTEST_NAME and spaced != known:
        yield spaced


def _within_limits(
    tool: ToolDeclaration, arguments: Mapping[str, Any], found: dict[str, Verdict],
    passed: Mapping[tuple[str, str], Decimal],
) -> None:  # fmt: skip
    """Let pass what nobody said and what is small, all of a run together, where the rest stands on somebody's word."""
    open_ones = [name for name, (integrity, _) in found.items() if not integrity.trusted]
    if not open_ones or any(name not in tool.limits for name in open_ones):
        return
    for name in open_ones:
        limit = tool.limits[name]
        if not isinstance(limit, str):
            if arguments[name] in limit:
                found[name] = (Integrity.USER, WITHIN)
            continue
        amount, most = number_of(arguments[name]), number_of(limit)
        if amount is not None and most is not None and 0 <= amount <= most - passed.get((tool.name, name), 0):
            found[name] = (Integrity.USER, WITHIN)


def _new_links(values: list[Any], grounds: Grounds) -> tuple[str, ...]:
    """Hosts in what is said that neither the user nor a trusted field named."""
    hosts = hosts_in(values)
    if not hosts:
        return ()
    return tuple(host[:_LONGEST] for host in hosts if not _known_host(host, grounds))


def _known_host(host: str, grounds: Grounds) -> bool:
    if host.endswith(":"):  # a link that runs or embeds leads nowhere that anybody named
        return False
    if host in hosts_in([grounds.said.text]):
        return True
    return any(place.integrity.trusted for place in grounds.seen.of(host))
