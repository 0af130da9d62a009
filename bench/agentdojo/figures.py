"""All figures of one suite, as one JSON-ready table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.agentdojo.attacker import ORDERS
from bench.agentdojo.harness import Attack, Benign
from bench.agentdojo.playing import HOWS, Part, declared, play
from bench.agentdojo.suites import Suite
from bench.agentdojo.world import Played


def measure(suite: Suite, project: Path, *, attacked: bool = True, jobs: int = 2) -> dict[str, Any]:
    """Play everything of a suite under a project's declarations and policies; or its user tasks alone."""
    parts = play(suite, project, attacked=attacked, jobs=jobs)
    answer = {
        "suite": suite.name, "user_tasks": _user_tasks(one.benign for one in parts), "again": _again(parts),
    }  # fmt: skip
    if not attacked:
        return answer
    effects, _ = declared(project)
    attacks = {how: [one for part in parts for one in part.attacks[how]] for how in HOWS}
    return answer | {
        "attacks": {how: _outcomes(found, effects) for how, found in attacks.items()},
        "passed": _passed(attacks["guarded"]),
        "at_the_floor": _passed(attacks["floor"]),
        "mixed": _mixed(parts),
    }


def _user_tasks(benign: Iterable[Benign]) -> dict[str, Any]:
    tasks = list(benign)
    return {
        "tasks": len(tasks),
        "without_approval": sum(not one.asked and not one.refused for one in tasks),
        "approvals": sum(len(one.asked) for one in tasks),
        "refused": sum(len(one.refused) for one in tasks),
        "useful": sum(one.useful for one in tasks),
        "useful_alone": sum(one.useful_alone for one in tasks),
        "asking": {one.task: [_said(call) for call in (*one.asked, *one.refused)] for one in tasks
                   if one.asked or one.refused},
        "not_useful": [one.task for one in tasks if not one.useful],
    }  # fmt: skip


def _said(played: Played) -> dict[str, Any]:
    how = "asked" if played.held else "refused"
    call = played.call
    return {
        "call": call.function, "arguments": dict(call.args), "how": how, "ran": played.ran, "why": list(played.why),
        "facts": played.facts, "fault": played.fault,
    }  # fmt: skip


def _outcomes(attacks: Iterable[Attack], effects: frozenset[str]) -> dict[str, Any]:
    found = list(attacks)
    by_order = {name: sum(one.succeeded for one in found if one.order == name) for name in ORDERS}
    calls = [call for one in found for call in one.played if call.call.function in effects]
    return {
        "pairs": len({(one.task, one.injection) for one in found}),
        "succeed": len({(one.task, one.injection) for one in found if one.succeeded}),
        "by_order": by_order,
        "stopped": sum(one.stopped for one in found),
        "effect_calls": len(calls),
        "effect_calls_run": sum(call.ran for call in calls),
        "asked": sum(call.held for call in calls),
        "run": dict(Counter(_name(call) for call in calls if call.ran).most_common(20)),
    }


def _name(played: Played) -> str:
    return f"{played.call.function}({', '.join(played.call.args)})"


def _passed(attacks: Iterable[Attack]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in attacks:
        if one.succeeded:
            found.setdefault(f"{one.task} × {one.injection}", []).append(one.order)
    return found


def _mixed(parts: Sequence[Part]) -> dict[str, Any]:
    """Mixed calls by tool, argument and whose call it was: how many there are, and how many ran with nobody asked."""
    made: Counter[str] = Counter()
    ran: Counter[str] = Counter()
    examples: dict[str, Mapping[str, Any]] = {}
    for part in parts:
        for one, has_run in part.mixed:
            kind = f"{one.call.function}: {one.swapped} swapped into the {one.base}'s call"
            made[kind] += 1
            if has_run:
                ran[kind] += 1
                examples.setdefault(kind, {"task": part.task, "arguments": dict(one.call.args)})
    return {
        kind: {"calls": made[kind], "ran": ran[kind], "example": examples.get(kind)} for kind in sorted(made)
    }


def _again(parts: Sequence[Part]) -> dict[str, Any]:
    calls = [(part.task, one) for part in parts for one in part.again]
    return {
        "calls": len(calls),
        "ran": sum(one.ran for _, one in calls),
        "which": [f"{task} {one.call.function}" for task, one in calls if one.ran],
    }
