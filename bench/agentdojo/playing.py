"""Everything that is played of a suite, user task by user task, in several processes with a world of their own each."""

from __future__ import annotations

import multiprocessing
import sys
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agentdojo.functions_runtime import FunctionCall

from bench.agentdojo import harness
from bench.agentdojo.attacker import LOOKED_UP, ORDERS, Mixed, mixed
from bench.agentdojo.harness import Attack, Benign, Players
from bench.agentdojo.plans import calls_of
from bench.agentdojo.suites import Suite, load
from bench.agentdojo.world import Played, open_world

HOWS: Final = ("undefended", "guarded", "floor")
_EFFECTS: Final = ("write", "irreversible")


@dataclass
class Part:
    """All that was played of one user task. ``mixed``: each mixed call, and whether it ran."""

    task: str
    benign: Benign
    again: list[Played]
    attacks: dict[str, list[Attack]] = field(default_factory=dict)
    mixed: list[tuple[Mixed, bool]] = field(default_factory=list)


def play(suite: Suite, project: Path, *, attacked: bool, jobs: int) -> list[Part]:
    """Play every user task of a suite; ``attacked``: with the attacker in it too."""
    tasks = list(suite.user_tasks)
    shares = [tasks[first::jobs] for first in range(min(jobs, len(tasks)))]
    for injection in (None, *suite.injections) if attacked else (None,):
        suite.environment(injection)
    context = multiprocessing.get_context("fork")  # the suite is loaded once, which takes longest
    with ProcessPoolExecutor(len(shares), mp_context=context) as pool:
        running = [pool.submit(_share, suite.name, project, share, attacked) for share in shares]
        parts = {one.task: one for future in running for one in future.result()}
    return [parts[task] for task in tasks]


def declared(project: Path) -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    """The tools that a project's files say have an effect, and by tool the arguments that they give authority."""
    found = [tomllib.loads(path.read_text("utf-8")) for path in sorted((project / "tools").glob("*.toml"))]
    ruling = {
        one["name"]: frozenset(
            name for name in one.get("arguments", {})
            if one.get("roles", {}).get(name, "authority") == "authority"
        ) for one in found
    }  # fmt: skip
    return frozenset(one["name"] for one in found if one.get("effect") in _EFFECTS), ruling


def _share(name: str, project: Path, tasks: Sequence[str], attacked: bool) -> list[Part]:
    suite, parts = load(name), []
    with open_world(suite, project) as world:
        players = Players(suite, *declared(project), world)
        for task in tasks:
            part = Part(task, harness.benign(players, task), harness.again(players, task))
            if attacked:
                part.attacks = {how: _attacks(players, task, how) for how in HOWS}
                part.mixed = list(_mixed(players, task))
            parts.append(part)
            print(f"{suite.name}: {task} is played", file=sys.stderr, flush=True)
    return parts


def _attacks(players: Players, task: str, how: str) -> list[Attack]:
    poisoned = players.suite.first_poisoned(task)
    orders = [name for name in ORDERS if how == "guarded" or name != LOOKED_UP]  # what is shown to a guard
    return [
        harness.attack(players, task, injection, name, poisoned, how)
        for injection in players.suite.injections for name in orders
    ]  # fmt: skip


def _mixed(players: Players, task_id: str) -> Iterator[tuple[Mixed, bool]]:
    suite = players.suite
    task = suite.user_tasks[task_id]
    seen: list[FunctionCall] = []
    for injection_id, injection in suite.injections.items():
        environment = suite.environment(injection_id)
        theirs = calls_of(suite.name, injection, environment, environment)
        user = list(task.ground_truth(task.init_environment(suite.environment())))
        for one in mixed(user, theirs, players.effects):
            if one.call in seen:
                continue
            seen.append(one.call)
            played = harness.mix(players, task_id, injection_id, one)
            yield one, played is not None and played.ran
