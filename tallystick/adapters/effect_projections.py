"""What the entries of effects do to their view; see projections.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from tallystick.model.control import Deed, EffectState
from tallystick.model.errors import BadInput, Conflict, UnknownThing
from tallystick.model.journal import Entry

_SETTLED: Final = (EffectState.LANDED, EffectState.DID_NOT_HAPPEN)
_WITHOUT: Final = ("none", "read")  # classes of calls that leave no trace in the world


class EffectViews(Protocol):
    """The rows of effects, by id."""

    def put_effect(self, deed: Deed) -> None:
        """Add or replace one effect."""
        ...

    def get_effect(self, effect: str) -> Deed | None:
        """One effect by its whole id."""
        ...


def _started(views: EffectViews, entry: Entry, body: Mapping[str, Any]) -> None:
    if "decision" not in body:  # nothing that a guard wrote: it names no call
        return
    views.put_effect(
        Deed(
            body["effect"], body["decision"], body["run"], entry.actor, body["tool"], EffectState.STARTED, entry.at,
            body.get("recovery") or "operator", body.get("process") or "", body.get("key"), body.get("hold"),
            body.get("undoes"),
        )
    )  # fmt: skip


def _ended(views: EffectViews, entry: Entry, body: Mapping[str, Any]) -> None:
    """What a process says of its own effect stands, also where somebody settled it meanwhile; doubt does not."""
    if body.get("effect_class") in _WITHOUT or "outcome" not in body:
        return
    found = views.get_effect(body["effect"])
    if found is None:
        return
    state = EffectState(body["outcome"])
    if state is EffectState.IN_DOUBT and found.state in _SETTLED:
        return
    views.put_effect(replace(found, state=state, ended=entry.at))


def _settled(views: EffectViews, entry: Entry, body: Mapping[str, Any]) -> None:
    found = views.get_effect(body["effect"])
    if found is None:
        raise UnknownThing(f"there is no effect {body['effect']!r}", hint="tally effects ls")
    if found.state in _SETTLED:
        raise Conflict(f"effect {found.effect} is settled: it {_said(found.state)}", hint="tally effects ls")
    state = EffectState(body["outcome"])
    if state not in _SETTLED:
        raise BadInput(f"{body['outcome']!r} settles nothing", hint="landed or did not happen")
    for key in ("because", "by"):
        if not isinstance(body[key], str) or not body[key].strip():
            raise BadInput(f"{key!r} of a settled effect is a text that is not empty")
    views.put_effect(replace(found, state=state, settled=entry.at, by=body["by"], because=body["because"]))


def _said(state: EffectState) -> str:
    return "landed" if state is EffectState.LANDED else "did not happen"


EFFECT_KINDS: Final[dict[str, Callable[[Any, Entry, Mapping[str, Any]], None] | None]] = {
    "effect.started": _started,
    "effect.ended": _ended,
    "effect.settled": _settled,
}


def the_effect(found: Sequence[Deed], prefix: str) -> Deed:
    """The single effect that a prefix means. Raises UnknownThing."""
    if len(found) != 1:
        count = "no effect starts" if not found else "several effects start"
        raise UnknownThing(f"{count} with {prefix!r}", hint="tally effects ls")
    return found[0]
