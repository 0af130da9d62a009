"""Sight: what of a request the rules of one tool look at.

Most of what a call costs Cedar is reading the request. What no rule of a tool mentions cannot change what the rules say
of it, so a request need hold no more than they mention, and two calls alike in that get one answer. It is read off the
rules' conditions in Cedar's JSON; where those say anything that is not understood here, the whole request is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Path = tuple[str, ...]
Rule = Mapping[str, Any]

_PARTS: Final = frozenset({"effect", "principal", "action", "resource", "conditions", "annotations"})
_RECORDS: Final = (
    "args",
    "labels",
)  # attributes of the context that are records, of which single fields are shown
_OPERATORS: Final = frozenset({
    "==", "!=", "<", "<=", ">", ">=", "&&", "||", "+", "-", "*", "!", "neg", "in", "is", "like", "if-then-else",
    "contains", "containsAll", "containsAny", "isEmpty", "Set", "Record",
    "decimal", "lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual",
    "ip", "isIpv4", "isIpv6", "isLoopback", "isMulticast", "isInRange",
    "datetime", "duration", "offset", "durationSince", "toDate", "toTime", "toMilliseconds", "toSeconds", "toMinutes",
    "toHours", "toDays",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sight:
    """The attributes of the context that rules mention, each with the fields of it; no fields: all of it.

    ``seen`` None: everything.
    """

    seen: Mapping[str, tuple[str, ...]] | None

    def has(self, *names: str) -> bool:
        """Whether one of these attributes of the context is looked at."""
        return self.seen is None or any(name in self.seen for name in names)

    def shown(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """What is looked at of a context, in the order of the sight."""
        if self.seen is None:
            return dict(context)
        shown = {}
        for name, fields in self.seen.items():
            if name in context:
                held = context[name]
                shown[name] = {one: held[one] for one in fields if one in held} if fields else held
        return shown

    def schema(self, whole: Mapping[str, Any]) -> dict[str, Any]:
        """A schema of one tool (see ``schema.schema``) with what is looked at, and nothing else."""
        if self.seen is None:
            return dict(whole)
        actions = {name: self._action(action) for name, action in whole[""]["actions"].items()}
        return {"": {**whole[""], "actions": actions}}

    def _action(self, action: Mapping[str, Any]) -> dict[str, Any]:
        applies = action.get("appliesTo")
        if applies is None:
            return dict(action)
        attributes = {}
        for name, fields in (self.seen or {}).items():
            held = applies["context"]["attributes"].get(name)
            if held is not None:
                attributes[name] = held if not fields else {
                    **held, "attributes": {one: held["attributes"][one] for one in fields if one in held["attributes"]}
                }  # fmt: skip
        return {**action, "appliesTo": {**applies, "context": {"type": "Record", "attributes": attributes}}}


EVERYTHING: Final = Sight(None)


def sight_of(rules: Iterable[Rule]) -> Sight:
    """What rules (Cedar's JSON) look at."""
    found: set[Path] = set()
    for rule in rules:
        if not _PARTS.issuperset(rule):
            return EVERYTHING
        for condition in rule.get("conditions") or ():
            for path in _paths(condition["body"]):
                if not path:
                    return EVERYTHING
                found.add(path[:2] if path[0] in _RECORDS else path[:1])
    whole = {path[0] for path in found if len(path) == 1}
    fields: dict[str, tuple[str, ...]] = {}
    for head, *rest in sorted(found):
        fields[head] = () if head in whole else (*fields.get(head, ()), *rest)
    return Sight(fields)


def _paths(node: Any) -> Iterator[Path]:
    """The paths below ``context`` that an expression mentions; ``()`` stands for all of it."""
    if not isinstance(node, Mapping) or len(node) != 1:
        yield ()
        return
    ((kind, inside),) = node.items()
    if kind in (".", "has"):
        yield from _reached(node)
    elif kind == "Var":
        if inside not in ("principal", "action", "resource"):  # they stand in every request
            yield ()
    elif kind in _OPERATORS:
        for below in _operands(kind, inside):
            yield from _paths(below)
    elif kind != "Value":
        yield ()


def _operands(kind: str, inside: Any) -> list[Any]:
    if isinstance(inside, list):
        return inside
    if not isinstance(inside, Mapping):
        return [None]  # nothing that is understood
    names = {"like": ("left",), "is": ("left", "in")}.get(kind, tuple(inside))
    return [inside[name] for name in names if name in inside]


def _reached(node: Any) -> Iterator[Path]:
    """The path of ``context.labels.tainted`` or ``context has workflow``; what stands before the points, where it is
    another expression."""
    names: list[str] = []
    while isinstance(node, Mapping) and len(node) == 1 and next(iter(node)) in (".", "has"):
        (inside,) = node.values()
        name = inside.get("attr")
        if not isinstance(name, str):  # more than one name, or one that is computed
            yield ()
            return
        names.append(name)
        node = inside.get("left")
    if node == {"Var": "context"}:
        yield tuple(reversed(names))
    else:
        yield from _paths(node)
