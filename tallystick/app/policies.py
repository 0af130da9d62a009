"""The policies in force: files and declared tools made into one policy set, and made anew when a tool is added.

What a set was made of goes into the journal, so that anybody can make it again (``remade``).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import msgspec

from tallystick.govern.policy import PolicyFile, PolicySet, load, load_failed, unconfigured
from tallystick.govern.trial import trial
from tallystick.model.canonical import canonical_json, digest_bytes
from tallystick.model.control import PolicyState
from tallystick.model.errors import BadInput, ConfigError
from tallystick.model.guarding import ToolDeclaration, declaration_from, declaration_text, declarations_text
from tallystick.model.journal import Draft
from tallystick.model.step import Effect

_ORDER = (Effect.NONE, Effect.READ, Effect.WRITE, Effect.IRREVERSIBLE)
_ROOM_FOR_FILES: Final = 50_000  # bytes: one journal entry names them all
_LONGEST_PROBLEM: Final = 2_000
_REMEMBERED: Final = 4_096  # names of tools may come from outside


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


@dataclass(frozen=True, slots=True)
class Pinned:
    """The declaration that counts for a tool that was ``given``; ``text`` is it as a text of the journal, by digest."""

    given: ToolDeclaration
    tool: ToolDeclaration
    text: Mapping[str, str]


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
        self._pinned: dict[str, Pinned] = {}
        self._permissive = permissive
        self._problem = problem
        self._lock = threading.Lock()
        self._current: PolicySet | None = None
        self._journalled: str | None = None

    def pin(self, given: ToolDeclaration) -> Pinned:
        """The declaration that counts for a tool: the project's, made no laxer and completed by the code's own.

        A tool without an effect in either comes back as given, with ``effect`` None. Raises BadInput for a declaration
        that cannot be written down.
        """
        last = self._pinned.get(given.name)
        if last is not None and last.given is given:
            return last
        declared = self._declared.get(given.name)
        tool = given if declared is None else _joined(declared, given)
        text = declaration_text(tool)
        if len(self._pinned) >= _REMEMBERED:
            self._pinned.clear()
        pinned = self._pinned[given.name] = Pinned(given, tool, {_digest_of(text): text})
        return pinned

    def know(self, tools: Iterable[ToolDeclaration]) -> None:
        """Tools declared in code; the set is made anew where one of them is new or other than before."""
        with self._lock:
            for given in tools:
                self._know(given)

    def _know(self, given: ToolDeclaration) -> Pinned:
        pinned = self.pin(given)
        tool = pinned.tool
        known = self._coded.get(tool.name)
        if tool.effect is not None and known is not tool and known != tool:
            self._coded[tool.name] = tool
            self._current = None
        return pinned

    def bring(self, given: ToolDeclaration) -> tuple[Pinned, Loaded]:
        """Know a tool that is about to be called: the declaration that counts, and the set that knows it."""
        with self._lock:
            return self._know(given), self._in_force()

    def effect_of(self, tool: str) -> Effect | None:
        """The effect that a tool is known to have; None where nobody declared it."""
        known = self._coded.get(tool) or self._declared.get(tool)
        return known.effect if known is not None else None

    @property
    def policies(self) -> PolicySet:
        """The set in force, to be looked at: what decides calls comes from ``bring``, which also says what to journal.

        A set that cannot be loaded refuses every effect and says why.
        """
        with self._lock:
            if self._current is None:
                self._current = self._make()
            return self._current

    def _in_force(self) -> Loaded:
        if self._current is None:
            self._current = self._make()
        policies = self._current
        if self._journalled == policies.digest:
            return Loaded(policies, None)
        entry = _loaded(policies, self._files or ())
        self._journalled = policies.digest
        return Loaded(policies, entry)

    def _make(self) -> PolicySet:
        tools = list({**self._declared, **self._coded}.values())
        if self._problem is not None:
            return load_failed(_cut(self._problem), tools)
        if self._files is None:
            return unconfigured(tools)
        try:
            _nameable(self._files)
            return load(self._files, tools, evaluator=evaluator(), permissive=self._permissive)
        except ConfigError as error:
            place = f"{error.detail.get('file')}:{error.detail.get('line')}: "
            problem = f"{place}{error.message}" + (f" ({error.hint})" if error.hint else "")
            return load_failed(_cut(problem), tools)


def _loaded(policies: PolicySet, files: Sequence[PolicyFile]) -> Draft:
    """The entry that says which set came into force, with everything it was made of."""
    made = policies.state in (PolicyState.ENFORCED, PolicyState.PERMISSIVE)
    texts = {_digest_of(one.text): one.text for one in files} if made else {}
    tools = declarations_text(policies.tools.values())
    body = {
        "state": policies.state.value,
        "digest": policies.digest,
        "files": _named(files) if made else [],
        "tools": _digest_of(tools),
        "evaluator": evaluator(),
        "problem": policies.problem,
    }
    return Draft("policy.loaded", policies.digest, body, texts={**texts, _digest_of(tools): tools})


def remade(body: Mapping[str, Any], texts: Mapping[str, str]) -> PolicySet:
    """Make a policy set again from the body of its ``policy.loaded`` entry and the texts (by digest) it names.

    The set has the recorded digest, or this raises BadInput: a text is missing, or the record is not true. Whether
    the evaluator at hand is the recorded one (``body["evaluator"]``) is for the caller to see.
    """
    try:
        tools = [declaration_from(one) for one in msgspec.json.decode(texts[body["tools"]])]
        files = [PolicyFile(one["name"], texts[one["text"]]) for one in body["files"]]
        state = PolicyState(body["state"])
        if state is PolicyState.UNCONFIGURED:
            policies = unconfigured(tools)
        elif state is PolicyState.LOAD_FAILED:
            policies = load_failed(body["problem"], tools)
        else:
            permissive = state is PolicyState.PERMISSIVE
            policies = load(files, tools, evaluator=body["evaluator"], permissive=permissive)
        wanted = body["digest"]
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise BadInput(f"the policy set cannot be made again: {error!r}") from error
    except ConfigError as error:
        raise BadInput(f"the policy set cannot be made again: {error.message}") from error
    if policies.digest != wanted:
        raise BadInput("the policy set that the recorded texts make is not the recorded one")
    return policies


def _named(files: Sequence[PolicyFile]) -> list[dict[str, str]]:
    return [{"name": one.name, "text": _digest_of(one.text)} for one in files]


def _nameable(files: Sequence[PolicyFile]) -> None:
    """Refuse files that one journal entry cannot name. Raises ConfigError."""
    try:
        room = len(canonical_json(_named(files)))
    except BadInput as error:
        raise ConfigError(
            "the name of a policy file is not UTF-8", hint="rename it", file="policies", line=1
        ) from error
    if room > _ROOM_FOR_FILES:
        raise ConfigError(
            f"{len(files)} policy files are too many, or their names too long, to be written in one entry",
            hint="put several rules into one file", file="policies", line=1,
        )  # fmt: skip


def _cut(problem: str) -> str:
    plain = problem.encode("utf-8", "replace").decode("utf-8")
    return plain if len(plain) <= _LONGEST_PROBLEM else plain[: _LONGEST_PROBLEM - 1] + "…"


def _digest_of(text: str) -> str:
    return digest_bytes(text.encode("utf-8", "surrogatepass"))


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
