"""The policies in force: files and declared tools made into one policy set, and made anew when a tool is added."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tallystick.govern.policy import PolicyFile, PolicySet, load, load_failed, unconfigured
from tallystick.govern.trial import trial
from tallystick.model.errors import ConfigError
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.journal import Draft
from tallystick.model.step import Effect

_ORDER = (Effect.NONE, Effect.READ, Effect.WRITE, Effect.IRREVERSIBLE)


def evaluator() -> str:
    """The evaluator and its version: part of every policy set's identity."""
    try:
        return f"cedarpy {version('cedarpy')}"
    except PackageNotFoundError:  # vendored or frozen without its metadata
        return "cedarpy unknown"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy set and the journal entry that says it came into force (None: it was in force before)."""

    policies: PolicySet
    entry: Draft | None


class PolicyBook:
    """Files and tools, and the policy set made of them. Safe to use from several threads.

    ``files`` None means that there is no policies folder; an empty list means that there is one without a rule.
    ``problem`` says why the files could not even be read.
    """

    def __init__(
        self, files: Sequence[PolicyFile] | None, tools: Iterable[ToolDeclaration] = (), *, permissive: bool = False,
        problem: str | None = None,
    ) -> None:  # fmt: skip
        self._files = files
        self._declared = {tool.name: tool for tool in tools}
        self._coded: dict[str, ToolDeclaration] = {}
        self._pinned: dict[
            str, tuple[ToolDeclaration, ToolDeclaration]
        ] = {}  # name -> given last, and its answer
        self._permissive = permissive
        self._problem = problem
        self._lock = threading.Lock()
        self._current: PolicySet | None = None
        self._journalled: str | None = None

    def pin(self, given: ToolDeclaration) -> ToolDeclaration:
        """The declaration that counts for a tool: the project's, made no laxer and completed by the code's own.

        A tool without an effect in either comes back as given, with ``effect`` None.
        """
        last = self._pinned.get(given.name)
        if last is not None and last[0] is given:
            return last[1]
        declared = self._declared.get(given.name)
        if declared is None:
            return given
        pinned = _joined(declared, given)
        self._pinned[given.name] = (given, pinned)
        return pinned

    def know(self, tools: Iterable[ToolDeclaration]) -> None:
        """Tools declared in code; the set is made anew where one of them is new or other than before."""
        with self._lock:
            for given in tools:
                tool = self.pin(given)
                known = self._coded.get(tool.name)
                if tool.effect is not None and known is not tool and known != tool:
                    self._coded[tool.name] = tool
                    self._current = None

    def current(self) -> Loaded:
        """The set in force. A set that cannot be loaded refuses every effect and says why."""
        with self._lock:
            if self._current is None:
                self._current = self._make()
            policies = self._current
            if self._journalled == policies.digest:
                return Loaded(policies, None)
            self._journalled = policies.digest
            body = {
                "state": policies.state.value,
                "digest": policies.digest,
                "files": [one.name for one in self._files or ()],
                "problem": policies.problem,
            }
            return Loaded(policies, Draft("policy.loaded", policies.digest, body))

    def _make(self) -> PolicySet:
        tools = list({**self._declared, **self._coded}.values())
        if self._problem is not None:
            return load_failed(self._problem, tools)
        if self._files is None:
            return unconfigured(tools)
        try:
            return load(self._files, tools, evaluator=evaluator(), permissive=self._permissive)
        except ConfigError as error:
            place = f"{error.detail.get('file')}:{error.detail.get('line')}: "
            return load_failed(f"{place}{error.message}" + (f" ({error.hint})" if error.hint else ""), tools)


def _joined(declared: ToolDeclaration, given: ToolDeclaration) -> ToolDeclaration:
    """The project's declaration, never laxer than the code's, with what it leaves open taken from the code."""
    effect = declared.effect
    if given.effect is not None and (effect is None or _ORDER.index(given.effect) > _ORDER.index(effect)):
        effect = given.effect
    return replace(
        declared,
        effect=effect,
        description=declared.description or given.description,
        data=tuple(dict.fromkeys((*declared.data, *given.data))),
        authority=tuple(dict.fromkeys((*declared.authority, *given.authority))),
        arguments=declared.arguments or given.arguments,
        price_nano=declared.price_nano if declared.price_nano is not None else given.price_nano,
        digest=declared.digest or given.digest,
    )


def check_policies(files: Sequence[PolicyFile], tools: Iterable[ToolDeclaration]) -> Mapping[str, Any]:
    """What ``tally policy check`` says: ``{"files", "rules", "tools", "state", "digest"}``.

    Raises ConfigError naming the first problem with file and line; all are in its ``detail["problems"]``.
    """
    known = list(tools)
    policies = load(files, known, evaluator=evaluator())
    problems = trial(policies)
    if problems:
        first = problems[0]
        raise ConfigError(
            first.message, hint=first.hint, file=first.file, line=first.line,
            problems=[problem.as_json() for problem in problems],
        )  # fmt: skip
    return {
        "files": len(files),
        "rules": len(policies.rules),
        "tools": len(known),
        "state": policies.state.value if policies.rules else "empty: nothing is evaluated",
        "digest": policies.digest,
    }
