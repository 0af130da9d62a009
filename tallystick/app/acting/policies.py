"""The policies in force: files and declared tools made into one policy set, and made anew when a tool is added.

What a set was made of goes into the journal, so that anybody can make it again (``remade``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import msgspec

from tallystick.app.acting.feed import NOTHING, Heard
from tallystick.app.acting.groups import Covering, Groups, base_files
from tallystick.govern.labels.leaves import key_of
from tallystick.govern.policy import PolicyFile, PolicySet, load, load_failed, unconfigured
from tallystick.govern.schema import FIRST_SCHEMA
from tallystick.govern.trial import trial
from tallystick.model.canonical import canonical_json, digest_bytes
from tallystick.model.control import PolicyState
from tallystick.model.errors import BadInput, ConfigError
from tallystick.model.guarding import (
    ToolDeclaration,
    declaration_from,
    declaration_text,
    declarations_text,
    joined,
)
from tallystick.model.journal import Draft
from tallystick.model.step import Effect

_ROOM_FOR_FILES: Final = 50_000  # bytes: one journal entry names them all
_LONGEST_PROBLEM: Final = 2_000
_REMEMBERED: Final = 4_096  # names of tools may come from outside
_MOST_SETS: Final = 256

_Key = tuple[tuple[str, str], ...]  # of the pushed policies in a set


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
    """Files, tools, what the registry says, and the policy sets made of them. Safe to use from several threads.

    ``files`` None means that there is no policies folder; an empty list means that there is one without a rule.
    ``problem`` says why the files could not even be read. ``now`` gives nanoseconds since the epoch, for scopes that
    ask for a time; ``say`` tells people of a policy that cannot be loaded. ``pack`` are policies that come with
    Tallystick: in force beside those of the project and the registry, wherever there is one.
    """

    def __init__(
        self, files: Sequence[PolicyFile] | None, tools: Iterable[ToolDeclaration] = (), *, permissive: bool = False,
        problem: str | None = None, now: Callable[[], int] = lambda: 0, say: Callable[[str], None] | None = None,
        pack: Sequence[PolicyFile] = (), directories: Mapping[str, Iterable[str]] | None = None,
    ) -> None:  # fmt: skip
        self._files = files
        self._pack = tuple(pack)
        self._declared = {tool.name: tool for tool in tools}
        self._given: dict[str, ToolDeclaration] = {}
        self._coded: dict[str, ToolDeclaration] = {}
        self._pinned: dict[str, Pinned] = {}
        self._permissive = permissive
        self._directories = {
            name: frozenset(str(key_of(one)) for one in members)
            for name, members in (directories or {}).items()
        }
        self._problem = problem
        self._say = say
        self._lock = threading.Lock()
        self._heard = NOTHING
        self._groups = Groups(now)
        self._base = files
        self._sets: dict[_Key, PolicySet] = {}
        self._journalled: set[str] = set()
        self._told: set[str | None] = set()

    def heed(self, heard: Heard) -> None:
        """Take what the registry says now for what is in force. Costs nothing where it is what it was."""
        if heard is self._heard:
            return
        with self._lock:
            before, self._heard = self._heard, heard
            base = self._files if self._files is not None else base_files(heard)
            if heard.tools != before.tools or heard.trouble != before.trouble or base != self._base:
                self._sets.clear()
            if heard.tools != before.tools:
                self._pinned.clear()
                for given in tuple(self._given.values()):
                    self._know(given)
            self._base = base
            self._groups.heed(heard)

    @property
    def directories(self) -> Mapping[str, frozenset[str]]:
        """The members of data sources that name them, as values are compared: data source -> members."""
        return self._directories

    def declared(self, tool: str) -> ToolDeclaration | None:
        """A tool as the project declares it, made no laxer than the registry's; None where nobody declared it."""
        own, known = self._declared.get(tool), self._heard.tools.get(tool)
        return joined(own, known) if own is not None and known is not None else own or known

    @property
    def declares(self) -> bool:
        """Whether anybody declared a tool."""
        return bool(self._declared or self._heard.tools)

    def pin(self, given: ToolDeclaration) -> Pinned:
        """The declaration that counts for a tool: the project's, made no laxer and completed by the code's own.

        A tool without an effect in either comes back as given, with ``effect`` None. Raises BadInput for a declaration
        that cannot be written down.
        """
        last = self._pinned.get(given.name)
        if last is not None and last.given is given:
            return last
        declared = self.declared(given.name)
        tool = given if declared is None else joined(declared, given)
        text = declaration_text(tool)
        if len(self._pinned) >= _REMEMBERED:
            self._pinned.clear()
        pinned = self._pinned[given.name] = Pinned(given, tool, {_digest_of(text): text})
        return pinned

    def know(self, tools: Iterable[ToolDeclaration]) -> None:
        """Tools declared in code; sets are made anew where one of them is new or other than before."""
        with self._lock:
            for given in tools:
                self._know(given)

    def _know(self, given: ToolDeclaration) -> Pinned:
        pinned = self.pin(given)
        tool = pinned.tool
        known = self._coded.get(tool.name)
        if tool.effect is not None and known is not tool and known != tool:
            self._coded[tool.name], self._given[tool.name] = tool, given
            self._sets.clear()
        return pinned

    def bring(self, given: ToolDeclaration, agent: str = "") -> tuple[Pinned, Loaded]:
        """Know a tool that an agent is about to call: the declaration that counts, and the set in force for the agent.

        The set knows the tool.
        """
        with self._lock:
            pinned = self._know(given)
            return pinned, self._in_force(self._groups.covering(agent, pinned.tool))

    def effect_of(self, tool: str) -> Effect | None:
        """The effect that a tool is known to have; None where nobody declared it."""
        known = self._coded.get(tool) or self.declared(tool)
        return known.effect if known is not None else None

    @property
    def policies(self) -> PolicySet:
        """The set for agents that no pushed policy covers, to be looked at: what decides calls comes from ``bring``,
        which also says what to journal.

        A set that cannot be loaded refuses every effect and says why.
        """
        with self._lock:
            return self._set(())

    @property
    def enforced(self) -> bool:
        """Whether there are rules that some agent's calls are refused by."""
        with self._lock:
            pushed = self._groups.scoped and not self._permissive
            return pushed or self._set(()).state is PolicyState.ENFORCED

    def _in_force(self, covering: tuple[Covering, ...]) -> Loaded:
        policies = self._set(covering)
        if policies.digest in self._journalled:
            return Loaded(policies, None)
        entry = loaded_entry(policies, self._files_of(covering))
        if len(self._journalled) >= _REMEMBERED:
            self._journalled.clear()
        self._journalled.add(policies.digest)
        return Loaded(policies, entry)

    def _set(self, covering: tuple[Covering, ...]) -> PolicySet:
        """The set of the base and of the pushed policies that cover an agent: one for each such combination."""
        key = tuple(one.key for one in covering)
        made = self._sets.get(key)
        if made is None:
            if len(self._sets) >= _MOST_SETS:
                self._sets.clear()
            made = self._sets[key] = self._make(covering)
            self._tell(made)
        return made

    def _tell(self, made: PolicySet) -> None:
        """Say once what cannot be loaded."""
        problem = made.problem
        if self._say is None or made.state is not PolicyState.LOAD_FAILED or problem in self._told:
            return
        if len(self._told) < _MOST_SETS:
            self._told.add(problem)
        self._say(f"tallystick: effects are refused: {problem}")

    def _files_of(self, covering: Iterable[Covering]) -> list[PolicyFile]:
        own = [*(self._base or ()), *(one.file for one in covering)]
        return [*own, *self._pack] if own else own

    def _make(self, covering: tuple[Covering, ...]) -> PolicySet:
        known = {
            **self._heard.tools,
            **{name: self.declared(name) or one for name, one in self._declared.items()},
        }
        tools = list({**known, **self._coded}.values())
        problem = self._problem or next((one.problem for one in covering if one.problem), None)
        files = self._files_of(covering)
        if problem is None and self._base is None and not covering:
            problem = self._heard.trouble
            if problem is None:
                return unconfigured(tools)
        if problem is not None:
            return load_failed(_cut(problem), tools)
        try:
            _nameable(files)
            return load(files, tools, evaluator=evaluator(), permissive=self._permissive)
        except ConfigError as error:
            place = f"{error.detail.get('file')}:{error.detail.get('line')}: "
            problem = f"{place}{error.message}" + (f" ({error.hint})" if error.hint else "")
            return load_failed(_cut(problem), tools)


def loaded_entry(policies: PolicySet, files: Sequence[PolicyFile]) -> Draft:
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
        "schema": policies.schema_version,
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
        files = [
            PolicyFile(one["name"], texts[one["text"]], one.get("report", False) is True)
            for one in body["files"]
        ]
        state = PolicyState(body["state"])
        if state is PolicyState.UNCONFIGURED:
            policies = unconfigured(tools)
        elif state is PolicyState.LOAD_FAILED:
            policies = load_failed(body["problem"], tools)
        else:
            permissive = state is PolicyState.PERMISSIVE
            policies = load(
                files, tools, evaluator=body["evaluator"], permissive=permissive,
                schema_version=int(body.get("schema", FIRST_SCHEMA)),
            )  # fmt: skip
        wanted = body["digest"]
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise BadInput(f"the policy set cannot be made again: {error!r}") from error
    except ConfigError as error:
        raise BadInput(f"the policy set cannot be made again: {error.message}") from error
    if policies.digest != wanted:
        raise BadInput("the policy set that the recorded texts make is not the recorded one")
    return policies


def _named(files: Sequence[PolicyFile]) -> list[dict[str, Any]]:
    named: list[dict[str, Any]] = [{"name": one.name, "text": _digest_of(one.text)} for one in files]
    return [{**row, "report": True} if one.report else row for row, one in zip(named, files, strict=True)]


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
