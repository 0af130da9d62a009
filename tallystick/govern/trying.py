"""Trying: cases of ``*.test.toml`` against a policy set, which rules they decide by, and whether they could tell a
wrong rule from the right one.

A rule is known to be tested when a set in which it is inverted, removed, or has another condition fails a case.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from tallystick.govern.cases import Case
from tallystick.govern.decide import Ruling, decide
from tallystick.govern.policy import PolicySet, Rule, cut
from tallystick.govern.reading import can_match
from tallystick.govern.resource import judged_arguments
from tallystick.govern.schema import request
from tallystick.model.canonical import canonical_json
from tallystick.model.control import Answer, ToolCall
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration


@dataclass(frozen=True, slots=True)
class Tried:
    """A case and what the set said. ``wrong`` are sentences; empty where all is as expected."""

    case: Case
    ruling: Ruling | None
    wrong: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """``{"case", "file", "line", "expected", "answer", "group", "because", "reasons", "wrong"}``."""
        said = self.ruling or Ruling(Answer.DENY)
        return {
            "case": self.case.name, "file": self.case.file, "line": self.case.line, "expected": _expected(self.case),
            "answer": said.answer.value if self.ruling is not None else None, "group": said.group,
            "because": said.because, "reasons": list(said.reasons), "wrong": list(self.wrong),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule made wrong, and how."""

    rule: str
    how: str


@dataclass(frozen=True, slots=True)
class Tests:
    """What trying all cases came to. ``undecided`` are rules by which no case was decided.

    ``survived`` are mutants that no case can tell from the true rule, out of ``mutants``; None: none was made.
    """

    tried: tuple[Tried, ...]
    rules: tuple[str, ...]
    undecided: tuple[str, ...]
    mutants: int | None = None
    survived: tuple[Mutant, ...] = field(default_factory=tuple)

    @property
    def failed(self) -> tuple[Tried, ...]:
        """Cases that did not come out as expected."""
        return tuple(one for one in self.tried if one.wrong)


def try_cases(
    policies: PolicySet, cases: Sequence[Case], *, mutate: bool = False, about: Iterable[str] | None = None
) -> Tests:
    """Try cases against a set. ``mutate``: also every rule made wrong, one at a time, where all cases come out right.

    ``about`` are the places of the rules that are to be tested (None: all but those that came with Tallystick).
    """
    tried = tuple(try_case(policies, case) for case in cases)
    decided = {place for one in tried if one.ruling is not None for place in _deciding(one.ruling)}
    wanted = (
        set(about)
        if about is not None
        else {name for name, rule in policies.rules.items() if not rule.shipped}
    )
    rules = [rule for place, rule in policies.rules.items() if place in wanted]
    tests = Tests(
        tried,
        tuple(rule.label for rule in rules),
        tuple(rule.label for rule in rules if rule.place not in decided),
    )
    if not mutate or tests.failed:
        return tests
    made, survived = 0, []
    for rule in rules:
        for mutant, changed in mutated(policies, rule):
            made += 1
            if not any(try_case(changed, case).wrong for case in _able(policies, rule, cases)):
                survived.append(mutant)
    return replace(tests, mutants=made, survived=tuple(survived))


def _deciding(ruling: Ruling) -> tuple[str, ...]:
    return ruling.rules + (ruling.would.rules if ruling.would is not None else ())


def _able(policies: PolicySet, rule: Rule, cases: Iterable[Case]) -> Iterator[Case]:
    """The cases that can tell: those of a tool that the rule can match."""
    action = policies.sources[rule.place]["action"]
    for case in cases:
        tool = policies.tools.get(case.tool)
        if tool is not None and can_match(action, tool):
            yield case


def try_case(policies: PolicySet, case: Case) -> Tried:
    """Try one case; what a set says of it, and where that is not what the case expects."""
    tool = policies.tools.get(case.tool)
    if tool is None:
        near = difflib.get_close_matches(case.tool, list(policies.tools), 1, 0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return Tried(case, None, (f"no tool is called {case.tool!r}{hint}",))
    values = msgspec.json.decode(canonical_json(dict(case.arguments)))
    call = ToolCall(
        "test", "test", case.agent, tool.name, tool.digest, judged_arguments(values, tool), case.workflow
    )
    ruling = decide(policies, call, tool, case.approvals, case.facts)
    return Tried(case, ruling, tuple(_differences(case, ruling, _misfit(call, tool, case))))


def _misfit(call: ToolCall, tool: ToolDeclaration, case: Case) -> str | None:
    """Why a call does not fit its tool: a denial for that would tell nothing of a rule."""
    if tool.effect is None:
        return f"tool {tool.name} has no effect"
    try:
        request(call, tool, case.approvals, case.facts)
    except BadInput as error:
        return error.message
    return None


def _differences(case: Case, ruling: Ruling, misfit: str | None) -> Iterator[str]:
    if misfit is not None and case.fits:
        yield f"the call does not fit the tool ({misfit}); say fits = false where that is what is tested"
        return
    if misfit is None and not case.fits:
        yield "the call fits the tool, and fits = false says that it does not"
    if ruling.answer is not case.expect or (case.group is not None and ruling.group != case.group):
        why = "; ".join(ruling.reasons) or "no reason is given"
        yield f"expected {_expected(case)}, and the answer is {_said(ruling)}: {why}"
    if case.because is not None and ruling.because != case.because:
        yield f"the model was to read {case.because!r}, and reads {ruling.because!r}"
    if case.rule is not None and not any(_is(case.rule, place, ruling) for place in _deciding(ruling)):
        yield f"rule {case.rule!r} was to decide; decided by: {'; '.join(ruling.reasons) or 'none'}"


def _is(wanted: str, place: str, ruling: Ruling) -> bool:
    """Whether a rule is the one that a case names: by its place, its file or its @id."""
    file = place.rpartition(":")[0]
    if wanted in (place, file, file.rpartition("/")[2]):
        return True
    labels = ruling.reasons + (ruling.would.reasons if ruling.would is not None else ())
    return f"{wanted} ({place})" in labels


def _expected(case: Case) -> str:
    return f"hold({case.group})" if case.group is not None else case.expect.value


def _said(ruling: Ruling) -> str:
    return f"hold({ruling.group})" if ruling.group is not None else ruling.answer.value


# ── wrong rules ─────────────────────────────────────────────────────────────────────────────────────────────────


def mutated(policies: PolicySet, rule: Rule) -> Iterator[tuple[Mutant, PolicySet]]:
    """A set for each way in which one rule can be wrong, with all others as they are."""
    for how, source in wrong_rules(policies.sources[rule.place]):
        rules, sources = dict(policies.rules), dict(policies.sources)
        if source is None:
            del rules[rule.place], sources[rule.place]
        else:
            sources[rule.place] = source
            rules[rule.place] = replace(rule, forbids=source["effect"] == "forbid")
        reached = [
            one for one in policies.tools.values() if can_match(policies.sources[rule.place]["action"], one)
        ]
        slices, observed = cut(rules, sources, reached)
        yield Mutant(rule.label, how), replace(
            policies, rules=rules, sources=sources, slices={**policies.slices, **slices},
            observed={**policies.observed, **observed},
        )  # fmt: skip


def wrong_rules(source: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """How a rule (Cedar's JSON) can be wrong: removed, inverted, and each of its conditions negated or left out."""
    yield "removed", None
    yield "inverted", {**source, "effect": "permit" if source["effect"] == "forbid" else "forbid"}
    conditions: list[Mapping[str, Any]] = list(source.get("conditions") or [])
    for nth, one in enumerate(conditions):
        name = f"{one['kind']} {nth + 1}" if len(conditions) > 1 else str(one["kind"])
        turned = {**one, "kind": "unless" if one["kind"] == "when" else "when"}
        yield f"{name} negated", {**source, "conditions": [*conditions[:nth], turned, *conditions[nth + 1 :]]}
        yield f"{name} left out", {**source, "conditions": [*conditions[:nth], *conditions[nth + 1 :]]}
