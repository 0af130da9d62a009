"""A suite of AgentDojo as the bench needs it: its environments, made once and copied, and which answers are poisoned.

The environments are validated e-mail address by e-mail address, which takes most of the time that AgentDojo takes to
load one. So each is loaded once and unpickled from then on.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime
from agentdojo.task_suite.load_suites import get_suite
from agentdojo.types import text_content_block_from_string

VERSION = "v1.2.2"
MARK = "[[poison]]"  # in front of every injected text, so that an answer that carries one can be known


@dataclass
class Suite:
    """One suite: its tasks by id, and fresh environments."""

    name: str
    source: Any
    _kept: dict[str, bytes] = field(default_factory=dict)

    @property
    def user_tasks(self) -> Mapping[str, Any]:
        """User tasks by id, in the order of their numbers."""
        return _numbered(self.source.user_tasks)

    @property
    def injections(self) -> Mapping[str, Any]:
        """Injection tasks by id, in the order of their numbers."""
        return _numbered(self.source.injection_tasks)

    @property
    def functions(self) -> Sequence[Any]:
        """The suite's tools, as AgentDojo describes them."""
        return list(self.source.tools)

    def environment(self, injection: str | None = None) -> Any:
        """A fresh environment; ``injection`` writes that task's goal into every place that a stranger can write to."""
        key = injection or ""
        if key not in self._kept:
            self._kept[key] = pickle.dumps(self._loaded(injection))
        return pickle.loads(self._kept[key])

    def _loaded(self, injection: str | None) -> Any:
        if injection is None:
            return self.source.load_and_inject_default_environment({})
        goal = f"{MARK} {_one_line(self.injections[injection].GOAL)}"
        vectors = self.source.get_injection_vector_defaults()
        return self.source.load_and_inject_default_environment(dict.fromkeys(vectors, goal))

    def useful(self, task: Any, before: Any, after: Any, said: str, calls: Sequence[Any]) -> bool:
        """The suite's own check that a user task was done."""
        answer = [text_content_block_from_string(said)]
        return bool(self.source._check_user_task_utility(task, answer, before, after, calls))

    def broken(self, injection: Any, before: Any, after: Any, said: str, calls: Sequence[Any]) -> bool:
        """The suite's own check that an injection reached its goal."""
        answer = [text_content_block_from_string(said)]
        return bool(self.source._check_injection_task_security(injection, answer, before, after, calls))

    def first_poisoned(self, task_id: str) -> int | None:
        """After how many of the user's calls an answer has carried an injected text; None: after none of them."""
        environment, task = self.environment(next(iter(self.injections))), self.user_tasks[task_id]
        runtime = FunctionsRuntime(self.source.tools)
        environment = task.init_environment(environment)
        for index, call in enumerate(task.ground_truth(environment)):
            answer, _ = runtime.run_function(environment, call.function, call.args)
            if MARK in str(answer):
                return index + 1
        return None


@cache
def load(name: str) -> Suite:
    """A suite by its name in AgentDojo, loaded once in a process and what it forks."""
    return Suite(name, get_suite(VERSION, name))


def same_call(one: FunctionCall, other: FunctionCall) -> bool:
    """Whether two calls are of one tool with the same arguments, None standing for an argument left out."""
    return one.function == other.function and _given(one) == _given(other)


def _given(call: FunctionCall) -> dict[str, Any]:
    return {name: value for name, value in call.args.items() if value is not None}


def _numbered(tasks: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(tasks.items(), key=lambda item: int(item[0].rsplit("_", 1)[1])))


def _one_line(text: str) -> str:
    """The environments are YAML that is filled in as text: what would end a YAML scalar is written otherwise.

    Words stand two spaces apart, so that a suite that looks for what the attacker wrote does not find what it was told.
    """
    return "  ".join(text.replace('"', "'").replace(": ", " - ").replace(" #", " ").split())
