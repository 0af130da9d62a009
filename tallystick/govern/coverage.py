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


class Coverage:
    """The rules of one policy, by what they can match.

    ``problem`` says why its rules could not be read; then it lets nothing through.
    """

    def __init__(self, rules: Iterable[RuleScope], problem: str | None = None) -> None:
        self.rules = tuple(rules)
        self.problem = problem
        self.names_agents = any(rule.agents is not None for rule in self.rules)
        self._by_tool: dict[tuple[str, str | None], tuple[RuleScope, ...]] = {}

    def matching(self, agent: str | None, tool: str, effect: str | None) -> tuple[RuleScope, ...]:
        """The rules that can match a call of a tool with this declared effect by this agent (None: by any)."""
        known = self._by_tool.get((tool, effect))
        if known is None:
            names = frozenset({tool} if effect is None else {tool, EFFECT_PREFIX + effect})
            known = tuple(rule for rule in self.rules if rule.can_match(None, names, tool))
            self._by_tool[tool, effect] = known
        if agent is None or not self.names_agents:
            return known
        return tuple(rule for rule in known if rule.agents is None or agent in rule.agents)


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


def says(rules: Sequence[RuleScope]) -> str | None:
    """What one policy would say by these rules: "forbid", "hold" or "permit"; None where it has none of them.

    A rule that forbids under a condition hides no permit: it stands among the rules, and the call decides.
    """
    if not rules:
        return None
    if any(rule.forbids and not rule.hold and not rule.conditional for rule in rules):
        return FORBID
    if any(rule.forbids and rule.hold for rule in rules):
        return HOLD
    return PERMIT if any(not rule.forbids for rule in rules) else FORBID


def verdict(policies: Sequence[Sequence[RuleScope]], effect: str | None) -> str:
    """What the policies in force would say together; ``policies``: the rules of each that can match.

    Cedar's rule: allowed is what one permits and none forbids. A tool without a declared effect is never allowed.
    """
    if not policies:
        return NO_POLICY
    rules = [rule for one in policies for rule in one]
    if effect is None or all(rule.forbids for rule in rules):
        return NOT_PERMITTED
    said = says(rules)
    return NOT_PERMITTED if said == FORBID else AFTER_APPROVAL if said == HOLD else MAY
