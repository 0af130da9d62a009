"""The plan: what has to be written so that the registry has what a project wants. Pure.

An object is *added*, gets a *new version* or a *changed card*, comes *back* from retirement, stays *unchanged*, or is
*retired* (its file says so; or with ``prune`` nobody declares it any more). It is *refused* where a version would be
overwritten, or something taken that is not the project's. ``Plan.drafts`` are the entries, in the order of the items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from tallystick.model.control import Budget
from tallystick.model.journal import Draft
from tallystick.model.registry import Card, Declared, Lifecycle, Version
from tallystick.registry.declarations import Declarations, Wanted
from tallystick.registry.diff import Diff, changes, diff_versions, no_text
from tallystick.registry.drafts import budget_draft, card_json, declared_draft, retired_draft
from tallystick.registry.writable import unwritable

_REFERENCES: Final = {
    "tools": "tool", "models": "model", "prompts": "prompt", "delegates": "agent", "suites": "suite",
    "sources": "data", "workflow": "workflow",
}  # fmt: skip
_SHORT: Final = 12  # hex digits of a digest


class Action(StrEnum):
    """What a plan does with one object."""

    ADD = "add"
    VERSION = "new version"
    CARD = "changed card"
    BACK = "back"
    LIMIT = "new limit"  # of a budget
    UNCHANGED = "unchanged"
    RETIRE = "retire"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Item:
    """One object or budget of a plan. ``wanted`` is None for a budget, and for what no file declares any more.

    ``why`` says why it is refused, retired or kept. ``declare`` and ``retire`` are what is written.
    """

    action: Action
    type: str
    name: str
    known: Declared | None = None
    wanted: Declared | None = None
    why: str | None = None
    hint: str | None = None
    file: str | None = None
    line: int = 1
    diff: Diff = field(default_factory=Diff)
    declare: bool = False
    retire: bool = False
    texts: Mapping[str, str] = field(default_factory=dict)
    limit_nano: int | None = None

    def as_json(self) -> dict[str, Any]:
        """See docs/fields.toml, planned."""
        known, wanted = self.known, self.wanted
        return {
            "action": self.action.value, "type": self.type, "name": self.name,
            "version": wanted.version if wanted else known.version if known else None,
            "digest": wanted.digest if wanted else known.digest if known else None,
            "before": None if known is None else {"version": known.version, "digest": known.digest},
            "why": self.why, "hint": self.hint, "file": self.file, "line": self.line if self.file else None,
            **self.diff.as_json(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """Items in the order in which they are written. ``revision`` is that of the registry which was looked at.

    ``observed`` are sentences on where what was observed differs from what is declared:
    ``{"type", "name", "standing", "text"}``.
    """

    items: tuple[Item, ...] = ()
    revision: int = 0
    origin: str | None = None
    observed: tuple[Mapping[str, Any], ...] = ()

    def of(self, *actions: Action) -> list[Item]:
        """The items with one of these actions."""
        return [one for one in self.items if one.action in actions]

    @property
    def changing(self) -> list[Item]:
        """The items that write something."""
        return [one for one in self.items if one.declare or one.retire or one.limit_nano is not None]

    @property
    def refused(self) -> list[Item]:
        """The items that cannot be done."""
        return self.of(Action.REFUSED)

    def drafts(self, *, actor: str, because: str | None = None) -> list[Draft]:
        """The entries that do it: one transaction."""
        made: list[Draft] = []
        for one in self.changing:
            if one.declare and one.wanted is not None:
                made.append(declared_draft(one.wanted, actor=actor, because=because, texts=one.texts))
            if one.retire:
                made.append(retired_draft(one.type, one.name, actor=actor, because=because or one.why))
            if one.limit_nano is not None:
                made.append(budget_draft(one.name, one.limit_nano, actor=actor))
        return made

    def as_json(self) -> dict[str, Any]:
        """``{"origin", "revision", "items": [planned], "counts": {action: n}, "observed": [...]}``.

        What is unchanged is counted, and listed only where there is something to say.
        """
        listed = [one for one in self.items if one.action is not Action.UNCHANGED or one.why]
        return {
            "origin": self.origin, "revision": self.revision, "items": [one.as_json() for one in listed],
            "counts": {action.value: len(self.of(action)) for action in Action},
            "observed": [dict(one) for one in self.observed],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """What the registry has: every object (also retired ones), all versions of those in doubt, budgets, its revision.

    ``texts`` gives a text by its digest, None where it is not known.
    """

    objects: Sequence[Declared] = ()
    versions: Mapping[tuple[str, str], Sequence[Version]] = field(default_factory=dict)
    budgets: Sequence[Budget] = ()
    revision: int = 0
    text: Callable[[str], str | None] = no_text


def in_doubt(wanted: Iterable[Wanted], objects: Iterable[Declared]) -> list[tuple[str, str]]:
    """The objects of which a plan has to know all versions: those that get one with a label."""
    known = {(one.type, one.name): one.digest for one in objects}
    return [
        key
        for one in (each.declared for each in wanted)
        if one.version is not None and known.get(key := (one.type, one.name), one.digest) != one.digest
    ]


def make_plan(found: Declarations, standing: Standing, *, prune: bool = False, revive: bool = True) -> Plan:
    """Hold what a project wants against what the registry has.

    ``prune`` retires what this project declared once and declares no more. ``revive`` False leaves alone what was
    retired: a process that starts must not undo what a person did.
    """
    known = {(one.type, one.name): one for one in standing.objects}
    wanted = found.wanted()
    items = [
        _kept(one, known.get((one.declared.type, one.declared.name)), standing, revive=revive)
        for one in wanted
    ]
    items += _budgets(found, standing.budgets)
    if prune and found.origin is not None:
        items += _pruned(wanted, known, found.origin)
    return Plan(tuple(items), standing.revision, found.origin)


def _kept(one: Wanted, known: Declared | None, standing: Standing, *, revive: bool) -> Item:
    """What to do with one object; refused where the journal could not keep it: then the others can be written."""
    item = _item(one, known, standing, revive=revive)
    if not item.declare or item.wanted is None:
        return item
    refusal = unwritable(declared_draft(item.wanted, actor=""))
    if refusal is None:
        return item
    why, hint = refusal
    return replace(item, action=Action.REFUSED, why=why, hint=hint, declare=False, retire=False)


def _item(one: Wanted, known: Declared | None, standing: Standing, *, revive: bool) -> Item:
    wanted = one.declared
    base = Item(
        Action.ADD, wanted.type, wanted.name, known, wanted, file=one.file, line=one.line, texts=one.texts,
        declare=True, retire=wanted.retired,
    )  # fmt: skip
    refusal = _refusal(wanted, known, standing.versions.get((wanted.type, wanted.name), ()))
    if refusal is not None:
        why, hint = refusal
        return replace(base, action=Action.REFUSED, why=why, hint=hint, declare=False, retire=False)
    if known is None:
        return replace(base, action=Action.RETIRE, why="its file says so") if wanted.retired else base
    wanted = replace(wanted, card=_card(one, known))
    same = known.digest == wanted.digest
    same_card = known.card == wanted.card
    news = not same or not same_card or known.retired
    item = replace(base, wanted=wanted, declare=news, diff=_diff(known, wanted, one, standing))
    if wanted.retired:
        if known.retired and same and same_card:
            return replace(item, action=Action.UNCHANGED, declare=False, retire=False)
        return replace(item, action=Action.RETIRE, why="its file says so", declare=not same or not same_card)
    if known.retired:
        if revive:
            return replace(item, action=Action.BACK)
        return replace(
            item, action=Action.REFUSED, declare=False, why=f"{wanted.type} {wanted.name} was retired",
            hint="tally apply brings it back",
        )  # fmt: skip
    if not same:
        return replace(item, action=Action.VERSION)
    return replace(item, action=Action.UNCHANGED if same_card else Action.CARD)


def _refusal(wanted: Declared, known: Declared | None, versions: Sequence[Version]) -> tuple[str, str] | None:
    if wanted.version is not None:
        taken = next((one for one in versions if one.label == wanted.version and _carded(one)), None)
        if taken is not None and taken.digest != wanted.digest:
            differs = ", ".join(change.path for change in changes(taken.body, wanted.body)[:8])
            return (
                f"version {wanted.version} of {wanted.type} {wanted.name} is {taken.digest[:_SHORT]} already, and this "
                f"would be {wanted.digest[:_SHORT]}; what differs: {differs}",
                "give it another version",
            )
    origin = None if known is None or known.retired else known.card.origin
    if (
        known is not None
        and wanted.type == "policy"
        and origin is not None
        and not origin.startswith("apply:")
    ):
        scope = known.body.get("scope")
        return (
            f"policy {wanted.name} was pushed for {scope!r:.160}, and a file of that name would replace it",
            f"rename the file, or: tally policy withdraw {wanted.name}",
        )
    return None


def _carded(version: Version) -> bool:
    """Whether its label binds. Bodies of old journals held the owner, which stands on the card today."""
    return "owner" not in version.body


def _card(one: Wanted, known: Declared) -> Card:
    """The card that the object will have. What files cannot say of it stays, and whose it is while it is the same."""
    wanted = one.declared
    card = wanted.card if one.carded else replace(known.card, lifecycle=_living(known))
    revived = known.retired and not wanted.retired
    same = known.digest == wanted.digest and not revived
    origin = known.card.origin if same and known.card.origin is not None else wanted.card.origin
    return replace(card, origin=origin)


def _living(known: Declared) -> Lifecycle:
    retired = known.retired or known.card.lifecycle is Lifecycle.RETIRED
    return Lifecycle.ACTIVE if retired else known.card.lifecycle


def _diff(known: Declared, wanted: Declared, one: Wanted, standing: Standing) -> Diff:
    def text(digest: str) -> str | None:
        return one.texts.get(digest) or standing.text(digest)

    made = diff_versions(known.body, wanted.body, text)
    before, after = card_json(known.card), card_json(wanted.card)
    cards = [replace(change, keys=("card", *change.keys)) for change in changes(before, after)]
    return Diff((*made.changes, *cards), made.texts)


def _budgets(found: Declarations, standing: Sequence[Budget]) -> list[Item]:
    known = {one.name: one for one in standing}
    files = {f"agent:{one.name}": one.file for one in found.agents}
    items = []
    for scope, limit in found.budgets().items():
        one, file = known.get(scope), files[scope]
        before = {} if one is None else {"limit_nano_usd": one.limit_nano, "mode": one.mode}
        diff = Diff(tuple(changes(before, {"limit_nano_usd": limit, "mode": "hard"}))) if one else Diff()
        same = one is not None and not diff.changes
        action = Action.UNCHANGED if same else Action.ADD if one is None else Action.LIMIT
        items.append(
            Item(
                action, "budget", scope, diff=diff, limit_nano=None if same else limit,
                file=file.name if file else None, line=file.lines.get("budget_usd", 1) if file else 1,
            )
        )  # fmt: skip
    return items


def _pruned(wanted: Sequence[Wanted], known: Mapping[tuple[str, str], Declared], origin: str) -> list[Item]:
    """What this project declared once and declares no more; what others still name stays."""
    kept = {(one.declared.type, one.declared.name) for one in wanted}
    gone = {
        key: one
        for key, one in known.items()
        if one.card.origin == origin and not one.retired and key not in kept
    }
    named: dict[tuple[str, str], Declared] = {}
    for one in known.values():
        if (one.type, one.name) in gone or (one.type, one.name) in kept or one.retired:
            continue
        for key, kind in _REFERENCES.items():
            value = one.body.get(key)
            for name in value if isinstance(value, list) else [value] if isinstance(value, str) else []:
                named.setdefault((kind, name), one)
    items = []
    for place, one in sorted(gone.items()):
        if (
            not wanted
        ):  # another folder of that name, a wrong checkout: nothing says that it is the same project
            why = "this project declares nothing at all, and so it does not say what to keep"
            hint = 'go to the folder of the project; or lifecycle = "retired" in a file of that name'
            items.append(Item(Action.REFUSED, one.type, one.name, known=one, why=why, hint=hint))
            continue
        by = named.get(place)
        why = "no file declares it any more"
        if by is not None:
            why += f", but {by.type} {by.name} names it"
        action = Action.RETIRE if by is None else Action.UNCHANGED
        items.append(Item(action, one.type, one.name, known=one, why=why, retire=by is None))
    return items
