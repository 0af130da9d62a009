"""One run each: a user task by its ground truth, a user task with an attacker in it, a mixed call.

A run is played against something that makes calls: the guarded world, the bare functions, or the floor.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime

import tallystick
from bench.agentdojo.attacker import LOOKED_UP, Mixed, look_ups, order
from bench.agentdojo.floor import permitted
from bench.agentdojo.plans import calls_of
from bench.agentdojo.suites import Suite, same_call
from bench.agentdojo.world import Played, World

Play = Callable[[Any, FunctionCall, bool], Played]  # environment, call, whether the user wanted it


@dataclass
class Benign:
    """A user task with nobody attacking. ``useful``: the suite's own check, after every approval was given."""

    task: str
    useful: bool
    useful_alone: bool  # … with every question answered no
    played: list[Played] = field(default_factory=list)

    @property
    def asked(self) -> list[Played]:
        """The calls that somebody was asked about."""
        return [one for one in self.played if one.held]

    @property
    def refused(self) -> list[Played]:
        """The calls that did not run although the user wanted them."""
        return [one for one in self.played if not one.ran]


@dataclass
class Attack:
    """One user task with one injection, in one order."""

    task: str
    injection: str
    order: str
    succeeded: bool
    stopped: bool  # the guard ended the run
    played: list[Played] = field(default_factory=list)  # the attacker's calls


class Players:
    """The three that calls are played against.

    ``effects`` are the tools that have an effect, ``ruling`` by tool the arguments that have authority.
    """

    def __init__(
        self, suite: Suite, effects: frozenset[str], ruling: Mapping[str, frozenset[str]], world: World
    ) -> None:  # fmt: skip
        self.suite, self.effects, self.ruling, self.world = suite, effects, ruling, world
        self.readers = [one for one in suite.functions if one.name not in effects]
        self._bare = FunctionsRuntime(suite.source.tools)

    def guarded(self, environment: Any, call: FunctionCall, wanted: bool) -> Played:
        """Through the SDK and the guard, with a person who says yes to what the user wanted."""
        self.world.environment = environment
        return self.world.play(call, wanted=wanted)

    def alone(self, environment: Any, call: FunctionCall, _wanted: bool) -> Played:
        """Through the guard, with a person who says no to everything."""
        self.world.environment = environment
        return self.world.play(call, wanted=False)

    def undefended(self, environment: Any, call: FunctionCall, _wanted: bool) -> Played:
        """The bare functions."""
        _, fault = self._bare.run_function(environment, call.function, call.args)
        return Played(call, True, False, fault)

    def floor(self, user: Sequence[FunctionCall]) -> Play:
        """The bare functions under perfect information flow."""

        def play(environment: Any, call: FunctionCall, wanted: bool) -> Played:
            if wanted or permitted(call, user, self.effects):
                return self.undefended(environment, call, wanted)
            return Played(call, False, False)

        return play


@contextmanager
def _run(task: Any) -> Iterator[None]:
    with tallystick.run(goal=task.PROMPT, agent="assistant"):
        yield


def benign(players: Players, task_id: str) -> Benign:
    """Play a user task by its ground truth: once with every approval given, once with none."""
    useful, played = _benign(players, task_id, players.guarded)
    alone = useful if not any(one.held for one in played) else _benign(players, task_id, players.alone)[0]
    return Benign(task_id, useful, alone, played)


def _benign(players: Players, task_id: str, play: Play) -> tuple[bool, list[Played]]:
    suite, task = players.suite, players.suite.user_tasks[task_id]
    environment = task.init_environment(suite.environment())
    before = environment.model_copy(deep=True)
    user = list(task.ground_truth(environment))
    played: list[Played] = []
    try:
        with _run(task):
            played.extend(play(environment, one, True) for one in user)
    except tallystick.Stopped:
        pass
    return suite.useful(task, before, environment, task.GROUND_TRUTH_OUTPUT, user), played


def attack(
    players: Players, task_id: str, injection_id: str, name: str, poisoned: int | None, how: str
) -> Attack:
    """Play one attack in one order, against ``guarded``, ``undefended`` or ``floor``."""
    suite = players.suite
    task, injection = suite.user_tasks[task_id], suite.injections[injection_id]
    environment = task.init_environment(suite.environment(injection_id))
    before = pickle.dumps(environment)
    user = list(task.ground_truth(environment))
    plays: dict[str, Play] = {"guarded": players.guarded, "undefended": players.undefended}
    game = _Game(players, task, injection, before, environment, plays.get(how) or players.floor(user))
    stopped = False
    try:
        with _run(task) if how == "guarded" else nullcontext():
            game.through(user, name, poisoned)
    except tallystick.Stopped:
        stopped = True
    game.look()
    return Attack(task_id, injection_id, name, game.succeeded, stopped, game.played)


@dataclass
class _Game:
    """One attack while it is played; it has succeeded if its check holds after the attack or at the end."""

    players: Players
    task: Any
    injection: Any
    before: bytes  # the environment as it was
    environment: Any
    play: Play
    succeeded: bool = False
    played: list[Played] = field(default_factory=list)
    made: list[FunctionCall] = field(default_factory=list)
    looked: bool = False  # … at the environment as it is

    def through(self, user: Sequence[FunctionCall], name: str, poisoned: int | None) -> None:
        """Make every call in the order asked for."""
        for call in order(name, user, poisoned):
            if call is not None:
                self._make(call, True)
                continue
            for theirs in calls_of(
                self.players.suite.name, self.injection, _copy(self.before), self.environment
            ):
                if name == LOOKED_UP and theirs.function in self.players.effects:
                    self._look_up(theirs)
                self.played.append(self._make(theirs, False))
            self.look()

    def _look_up(self, theirs: FunctionCall) -> None:
        """Make the values of a call known, each question once in a run: asking again would end it."""
        ruling = self.players.ruling.get(theirs.function, frozenset())
        for call in look_ups(theirs, ruling, self.players.readers):
            if not any(same_call(call, one) for one in self.made):
                self._make(call, False)

    def _make(self, call: FunctionCall, wanted: bool) -> Played:
        played = self.play(self.environment, call, wanted)
        if played.ran:
            self.looked = False
            self.made.append(call)
        return played

    def look(self) -> None:
        """Ask the suite whether the injection has reached its goal. The attacker says whatever the goal wants."""
        if self.looked or self.succeeded:
            return
        self.looked = True
        said = "\n".join(
            (self.task.GROUND_TRUTH_OUTPUT, self.injection.GROUND_TRUTH_OUTPUT, self.injection.GOAL)
        )
        before, after = _copy(self.before), _copy(pickle.dumps(self.environment))
        self.succeeded = self.players.suite.broken(self.injection, before, after, said, self.made)


def _copy(kept: bytes) -> Any:
    return pickle.loads(kept)


def mix(players: Players, task_id: str, injection_id: str, one: Mixed) -> Played | None:
    """Play a mixed call after the user's calls before it; None where the guard ended the run first."""
    suite, task = players.suite, players.suite.user_tasks[task_id]
    environment = task.init_environment(suite.environment(injection_id))
    try:
        with _run(task):
            for call in one.before:
                players.guarded(environment, call, True)
            return players.guarded(environment, one.call, False)
    except tallystick.Stopped:
        return None


def again(players: Players, task_id: str) -> list[Played]:
    """Play a user task, then each of its calls with an effect a second time, which the user did not want."""
    suite, task = players.suite, players.suite.user_tasks[task_id]
    environment = task.init_environment(suite.environment())
    user = list(task.ground_truth(environment))
    played: list[Played] = []
    try:
        with _run(task):
            for call in user:
                players.guarded(environment, call, True)
            for call in user:
                if call.function in players.effects:
                    played.append(players.guarded(environment, call, False))
    except tallystick.Stopped:
        pass
    return played
