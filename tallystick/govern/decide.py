"""Decide: one call, one policy set, one answer. Pure, so that any decision can be made again from its record.

Allowed is only what a rule permits and none forbids, with a schema, without a single diagnostic. Everything else that
can go wrong is a no. Where no rule decides anything, an effect is refused and the rest reads "not evaluated".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import cedarpy
import msgspec

from tallystick.govern.answers import Narrow
from tallystick.govern.approvals import MOST_APPROVERS
from tallystick.govern.policy import PolicySet, Rule
from tallystick.govern.schema import FIRST_SCHEMA, JOINT_SCHEMA, request
from tallystick.model.control import Answer, PolicyState, ToolCall
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import UNKNOWN, Facts
from tallystick.model.quorum import named
from tallystick.model.step import Effect

_encode = msgspec.json.encode
_HARMLESS = (Effect.NONE, Effect.READ)


@dataclass(frozen=True, slots=True)
class Ruling:
    """An answer and why. ``because`` is for the model, ``group`` approves a held call; ``reasons`` are for people.

    ``rules`` are the places of the rules that decided, ``redact`` the arguments whose values are not to be kept.
    ``quorum`` people must approve, and are asked ``asks``. ``groups`` says how many of each group, where several rules
    hold for several groups: ``group`` then names them all. ``would``: what the answer would have been with the rules
    that are only reported, where they would change it.
    """

    answer: Answer
    reasons: tuple[str, ...] = ()
    because: str | None = None
    group: str | None = None
    rules: tuple[str, ...] = field(default=(), compare=False)
    redact: tuple[str, ...] = ()
    would: Ruling | None = None
    quorum: int = 1
    asks: str | None = None
    groups: Mapping[str, int] | None = None

    @property
    def asked(self) -> frozenset[str]:
        """The groups that approve a held call."""
        return frozenset(self.groups or ((self.group,) if self.group is not None else ()))


def decide(
    policies: PolicySet, call: ToolCall, declaration: ToolDeclaration, approvals: Collection[str] = (),
    facts: Facts = UNKNOWN,
) -> Ruling:  # fmt: skip
    """Judge one call. ``approvals`` are the groups that have approved exactly this call, ``facts`` its labels.

    A set that is permissive is judged like any other: it is the guard that lets the call through.
    """
    if declaration.effect is None:
        return _undeclared(policies, declaration)
    if not policies.decides:
        ruling = _without_policy(policies, declaration)
    else:
        ruling = _answer(policies, call, declaration, approvals, facts, reported=False)
    if declaration.name not in policies.observed:
        return ruling
    would = _answer(policies, call, declaration, approvals, facts, reported=True)
    told = any(policies.rules[place].report for place in would.rules)
    changed = (would.answer, would.group) != (ruling.answer, ruling.group)
    return replace(ruling, would=would) if changed or told else ruling


def _answer(
    policies: PolicySet, call: ToolCall, declaration: ToolDeclaration, approvals: Collection[str], facts: Facts, *,
    reported: bool,
) -> Ruling:  # fmt: skip
    """What the rules of a tool say; ``reported``: with those that are only reported among them."""
    name = declaration.name
    rules = (policies.observed if reported else policies.slices).get(name)
    if rules is None or policies.schema is None or policies.entities is None:
        return Ruling(Answer.DENY, (f"tool {name} is not in the schema of the policy set",))
    known = policies.tools.get(name)
    # What is asked with less than everything was made for the tool as the set knows it.
    narrow = (
        policies.narrow(name, reported=reported) if known is declaration or known == declaration else None
    )
    labels = facts if policies.schema_version > FIRST_SCHEMA else None

    def ask(groups: Collection[str]) -> Ruling:
        if narrow is not None:
            asked = request(call, declaration, groups, labels, narrow.sight)
            key = (name, reported, call.agent, _encode(asked["context"]))
            ruling: Ruling | None = policies.answers.known(key)
            if ruling is not None:
                return ruling
            ruling = _evaluate(policies, rules, asked, declaration, narrow)
            if ruling is not None:
                policies.answers.keep(key, ruling)
                return ruling
        return _whole(policies, rules, request(call, declaration, groups, labels), declaration)

    try:
        ruling = ask(approvals)
        if ruling.answer is not Answer.HOLD:
            return ruling
        # An approval that could not change the answer must not be asked of anybody.
        lifted = ask({*approvals, *ruling.asked})
    except BadInput as error:
        return Ruling(Answer.DENY, (error.message,))
    if lifted.answer is Answer.ALLOW:
        return ruling
    return replace(lifted, answer=Answer.DENY, group=None, groups=None)


def _evaluate(
    policies: PolicySet,
    rules: cedarpy.PolicySet,
    asked: dict[str, Any],
    declaration: ToolDeclaration,
    narrow: Narrow,
) -> Ruling | None:
    """What rules say to a request with no more than they look at; None where that says nothing: then ask the whole."""
    result = _asked(asked, rules, narrow.entities, narrow.schema)
    decided = result.decision in (cedarpy.Decision.Allow, cedarpy.Decision.Deny)
    return _ruling(policies, result, declaration) if decided and not result.diagnostics.errors else None


def _whole(
    policies: PolicySet, rules: cedarpy.PolicySet, asked: dict[str, Any], declaration: ToolDeclaration
) -> Ruling:
    assert policies.entities is not None
    result = _asked(asked, rules, policies.entities, policies.schema)
    if result.diagnostics.errors:
        return Ruling(Answer.DENY, tuple(f"policy error: {error}" for error in result.diagnostics.errors))
    return _ruling(policies, result, declaration)


def _asked(
    asked: dict[str, Any], rules: cedarpy.PolicySet, entities: cedarpy.Entities, schema: cedarpy.Schema | None
) -> cedarpy.AuthzResult:
    encoded = {**asked, "context": _encode(asked["context"]).decode("utf-8")}
    return cedarpy.is_authorized(encoded, rules, entities, schema)


def _ruling(policies: PolicySet, result: cedarpy.AuthzResult, declaration: ToolDeclaration) -> Ruling:
    rules = [policies.rules[place] for place in sorted(result.diagnostics.reasons) if place in policies.rules]
    if result.decision is cedarpy.Decision.Allow:
        redact = tuple(dict.fromkeys(name for rule in rules for name in rule.redact))
        return Ruling(Answer.ALLOW, tuple(rule.label for rule in rules), rules=_places(rules), redact=redact)
    if result.decision is not cedarpy.Decision.Deny:
        return Ruling(Answer.DENY, ("the evaluator gave no decision",))
    return replace(_refused(policies, rules, declaration), rules=_places(rules))


def _places(rules: list[Rule]) -> tuple[str, ...]:
    return tuple(rule.place for rule in rules)


def _refused(policies: PolicySet, rules: list[Rule], declaration: ToolDeclaration) -> Ruling:
    """A no: hold when every rule that forbids can be lifted by the groups that the rules name, else deny."""
    labels = tuple(rule.label for rule in rules)
    because = next((rule.because for rule in rules if rule.because), None)
    if not rules:
        return Ruling(Answer.DENY, (f"no rule permits {declaration.name}",))
    if all(rule.hold for rule in rules):
        return _held(policies, rules, labels, because)
    return Ruling(
        Answer.DENY, labels, next((rule.because for rule in rules if rule.because and not rule.hold), because)
    )


def _held(policies: PolicySet, rules: list[Rule], labels: tuple[str, ...], because: str | None) -> Ruling:
    """Ask every group that a rule names, each for as many people as the strictest of its rules wants."""
    groups: dict[str, int] = {}
    for rule in rules:
        groups[str(rule.hold)] = max(rule.quorum, groups.get(str(rule.hold), 1))
    people, who = sum(groups.values()), named(groups)
    if len(groups) > 1 and policies.schema_version < JOINT_SCHEMA:
        return Ruling(Answer.DENY, (*labels, f"{who} would each have to approve"), because)
    if people > MOST_APPROVERS:
        return Ruling(Answer.DENY, (*labels, f"{people} people of {who} would have to approve"), because)
    asks = " ".join(dict.fromkeys(rule.ask for rule in rules if rule.ask)) or None
    several = dict(sorted(groups.items())) if len(groups) > 1 else None
    return Ruling(Answer.HOLD, labels, because, who, quorum=people, asks=asks, groups=several)


def _undeclared(policies: PolicySet, declaration: ToolDeclaration) -> Ruling:
    if policies.state is PolicyState.UNCONFIGURED and not policies.tools:
        return Ruling(Answer.NOT_EVALUATED, ("there is no policy, and nothing is declared",))
    reason = f"tool {declaration.name} is not declared: nobody said what effect it has"
    return Ruling(Answer.DENY, (reason,))


def _without_policy(policies: PolicySet, declaration: ToolDeclaration) -> Ruling:
    if policies.state is PolicyState.LOAD_FAILED:
        reason = f"the policies could not be loaded: {policies.problem}"
    elif policies.state is PolicyState.UNCONFIGURED:
        reason = "there is no policy"
    else:
        reason = "the policy set is empty"
    if declaration.effect in _HARMLESS:
        return Ruling(Answer.NOT_EVALUATED, (reason,))
    effect = declaration.effect.value if declaration.effect else "unknown"
    return Ruling(Answer.DENY, (f"{reason}, so an effect that is {effect} is refused",))
