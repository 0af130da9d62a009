"""All figures of one suite, as one JSON-ready table."""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from bench.agentdojo import harness
from bench.agentdojo.attacker import LOOKED_UP, ORDERS, mixed
from bench.agentdojo.harness import Attack, Benign, Players
from bench.agentdojo.plans import calls_of
from bench.agentdojo.suites import Suite, pairs
from bench.agentdojo.world import Played, open_world

HOWS: Final = ("undefended", "guarded", "floor")
_EFFECTS: Final = ("write", "irreversible")


def measure(suite: Suite, project: Path, *, attacked: bool = True) -> dict[str, Any]:
    """Play everything of a suite under a project's declarations and policies; or its user tasks alone."""
    with open_world(suite, project) as world:
        players = Players(suite, effects_of(project), world)
        benign = [harness.benign(players, task) for task in suite.user_tasks]
        answer = {"suite": suite.name, "user_tasks": _user_tasks(benign), "again": _again(players)}
        if not attacked:
            return answer
        attacks = {how: _attacks(players, how) for how in HOWS}
        return answer | {
            "attacks": {how: _outcomes(found, players.effects) for how, found in attacks.items()},
            "passed": _passed(attacks["guarded"]),
            "at_the_floor": _passed(attacks["floor"]),
            "mixed": _mixed(players),
        }


def effects_of(project: Path) -> frozenset[str]:
    """The tools that a project's files say have an effect."""
    found = [tomllib.loads(path.read_text("utf-8")) for path in sorted((project / "tools").glob("*.toml"))]
    return frozenset(one["name"] for one in found if one.get("effect") in _EFFECTS)


def _attacks(players: Players, how: str) -> list[Attack]:
    suite = players.suite
    poisoned = {task: suite.first_poisoned(task) for task in suite.user_tasks}
    orders = [
        name for name in ORDERS if how == "guarded" or name != LOOKED_UP
    ]  # only a guard can be told something
    found = []
    for task in suite.user_tasks:
        print(f"{suite.name}: {how}, {task}", file=sys.stderr, flush=True)
        for injection in suite.injections:
            found += [harness.attack(players, task, injection, name, poisoned[task], how) for name in orders]
    return found


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


def _mixed(players: Players) -> dict[str, Any]:
    """Mixed calls by tool, argument and whose call it was: how many there are, and how many ran with nobody asked."""
    suite = players.suite
    made: Counter[str] = Counter()
    ran: Counter[str] = Counter()
    seen: set[str] = set()
    examples: dict[str, Mapping[str, Any]] = {}
    for task_id, injection_id in pairs(suite):
        environment = suite.environment(injection_id)
        task, injection = suite.user_tasks[task_id], suite.injections[injection_id]
        theirs = calls_of(suite.name, injection, environment, environment)
        user = list(task.ground_truth(task.init_environment(suite.environment())))
        for one in mixed(user, theirs, players.effects):
            key = f"{task_id} {one.call.model_dump_json()}"
            if key in seen:
                continue
            seen.add(key)
            played = harness.mix(players, task_id, injection_id, one)
            kind = f"{one.call.function}: {one.swapped} swapped into the {one.base}'s call"
            made[kind] += 1
            if played is not None and played.ran:
                ran[kind] += 1
                examples.setdefault(kind, {"task": task_id, "arguments": dict(one.call.args)})
    return {
        kind: {"calls": made[kind], "ran": ran[kind], "example": examples.get(kind)} for kind in sorted(made)
    }


def _again(players: Players) -> dict[str, Any]:
    calls = [(task, one) for task in players.suite.user_tasks for one in harness.again(players, task)]
    return {
        "calls": len(calls),
        "ran": sum(one.ran for _, one in calls),
        "which": [f"{task} {one.call.function}" for task, one in calls if one.ran],
    }
