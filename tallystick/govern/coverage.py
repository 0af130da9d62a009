"""Coverage: which rules of a policy can match an agent and a tool, and what they would say.

Only the scopes of rules are read (principal, action, resource). Conditions (when, unless) depend on the call and
cannot be judged here, so the answer is the most that a policy may let through: a conditional rule may apply or not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cedarpy

from tallystick.govern.reading import rule_texts
from tallystick.govern.schema import EFFECT_PREFIX

PERMIT: Final = "permit"
HOLD: Final = "hold"
FORBID: Final = "forbid"
MAY: Final = "may"
AFTER_APPROVAL: Final = "after approval"
NOT_PERMITTED: Final = "not permitted"
NO_POLICY: Final = "no policy"


@dataclass(frozen=True, slots=True)
class RuleScope:
    """The scope of one rule. ``hold`` names who can lift it, ``conditional`` says that it may also not apply.

    ``agents`` are those it names; None: every agent. ``actions`` likewise: tools and "effect:…" groups.
    """

    label: str
    forbids: bool
    hold: str | None
    conditional: bool
    agents: frozenset[str] | None
    actions: frozenset[str] | None
    tools: frozenset[str] | None

    def can_match(self, agent: str | None, names: frozenset[str], tool: str) -> bool:
        """Whether it can match a call; ``agent`` None: of any agent. ``names``: the tool and its group."""
        if self.actions is not None and self.actions.isdisjoint(names):
            return False
        if self.tools is not None and tool not in self.tools:
            return False
        return agent is None or self.agents is None or agent in self.agents


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one policy can say of a call. ``says``: "forbid", "hold" or "permit"; None where no rule can match.

    ``weight`` is for ``verdict``: it tells what several opinions come to together.
    """

    rules: tuple[str, ...] = ()
    says: str | None = None
    weight: int = 0


_PERMITS, _HOLDS, _FORBIDS = 1, 2, 4
_SILENT: Final = Opinion()


class Coverage:
    """The rules of one policy, by what they can match.

    ``problem`` says why its rules could not be read; then it lets nothing through.
    """

    def __init__(self, rules: Iterable[RuleScope], problem: str | None = None) -> None:
        self.rules = tuple(rules)
        self.problem = problem
        named = (rule.agents for rule in self.rules)
        self.agents = frozenset[str]().union(*(one for one in named if one is not None))
        self.tools = frozenset[str]().union(
            *(one for rule in self.rules for one in (rule.actions, rule.tools) if one is not None)
        )
        self._known: dict[tuple[str | None, str | None, str | None], Opinion] = {}

    def opinion(self, agent: str | None, tool: str, effect: str | None) -> Opinion:
        """What it can say of a call of a tool with this declared effect by this agent (None: by any)."""
        # Names that no rule has are all alike to it.
        asked = (
            agent if agent is None or agent in self.agents else "",
            tool if tool in self.tools else None,
            effect,
        )
        known = self._known.get(asked)
        if known is None:
            names = frozenset({tool} if effect is None else {tool, EFFECT_PREFIX + effect})
            known = _opinion([rule for rule in self.rules if rule.can_match(agent, names, tool)])
            self._known[asked] = known
        return known


def _opinion(rules: Sequence[RuleScope]) -> Opinion:
    """A rule that forbids under a condition hides no permit: it stands among the rules, and the call decides."""
    if not rules:
        return _SILENT
    weight = 0
    for rule in rules:
        if not rule.forbids:
            weight |= _PERMITS
        elif rule.hold:
            weight |= _HOLDS
        elif not rule.conditional:
            weight |= _FORBIDS
    says = FORBID if weight & _FORBIDS else HOLD if weight & _HOLDS else PERMIT if weight else FORBID
    return Opinion(tuple(rule.label for rule in rules), says, weight)


def verdict(opinions: Sequence[Opinion], effect: str | None) -> str:
    """What the policies in force say together.

    Cedar's rule: allowed is what one permits and none forbids. A tool without a declared effect is never allowed.
    """
    if not opinions:
        return NO_POLICY
    weight = 0
    for one in opinions:
        weight |= one.weight
    if effect is None or weight & _FORBIDS or not weight & _PERMITS:
        return NOT_PERMITTED
    return AFTER_APPROVAL if weight & _HOLDS else MAY


def read_coverage(name: str, text: str) -> Coverage:
    """The rules of a policy's text; ``name`` is how people know the policy."""
    rules = []
    for written in rule_texts(text):
        try:
            parsed = json.loads(cedarpy.policies_to_json_str(written.text))
        except ValueError as error:
            return Coverage((), f"{name}:{written.line}: this rule cannot be read: {error}")
        for source in parsed["staticPolicies"].values():
            rules.append(_scope(f"{name}:{written.line}", source))
    return Coverage(rules)


def _scope(place: str, source: Mapping[str, Any]) -> RuleScope:
    notes = source.get("annotations") or {}
    named = notes.get("id")
    return RuleScope(
        f"{named} ({place})" if named else place,
        source["effect"] == "forbid",
        notes.get("hold"),
        bool(source.get("conditions")),
        _named(source["principal"]),
        _named(source["action"]),
        _named(source["resource"]),
    )


def _named(scope: Mapping[str, Any]) -> frozenset[str] | None:
    """The names that a part of a scope allows; None: every name. Agents and tools are in no group but themselves."""
    inner = scope.get("in") if scope["op"] == "is" else scope
    if inner is None or scope["op"] == "All":
        return None
    entities = inner.get("entities") or [inner["entity"]]
    return frozenset(entity["id"] for entity in entities)
