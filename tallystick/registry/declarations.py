"""Declarations: all that a project's files say, as the objects that it wants the registry to have.

Pure: files come in read (see fields.py). Each kind of file has its module: agent_files, tool_files, data_files and
text_files; models, workflows and budgets have no file and follow from what agents name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeVar

from tallystick.model.errors import ConfigError
from tallystick.model.registry import Card, Declared, version_digest
from tallystick.registry.agent_files import AGENT_KEYS, AgentDeclaration, agent_from
from tallystick.registry.data_files import DATA_KEYS, DataFile, data_from
from tallystick.registry.diff import changes
from tallystick.registry.fields import DeclarationFile
from tallystick.registry.text_files import TextFile
from tallystick.registry.tool_files import (
    RECOVERIES,
    TOOL_KEYS,
    ToolFile,
    classes_by_source,
    tool_from,
    tool_of,
)

__all__ = [
    "AGENT_KEYS", "DATA_KEYS", "RECOVERIES", "TOOL_KEYS", "AgentDeclaration", "DataFile", "DeclarationFile",
    "Declarations", "TextFile", "ToolFile", "Wanted", "agent_from", "classes_by_source", "data_from", "implied",
    "joined", "read_declarations", "tool_from", "tool_of",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object as a project wants it. ``carded``: the project says what its card is, where it has one.

    ``texts`` are the texts that its body names by digest; ``file`` and ``line`` are for people.
    """

    declared: Declared
    carded: bool = True
    texts: Mapping[str, str] = field(default_factory=dict)
    file: str | None = None
    line: int = 1


@dataclass(frozen=True)
class Declarations:
    """Everything that a project declares. ``origin`` says whose it is: "apply:PROJECT"."""

    agents: tuple[AgentDeclaration, ...] = ()
    tools: tuple[ToolFile, ...] = ()
    data: tuple[DataFile, ...] = ()
    texts: tuple[TextFile, ...] = ()
    origin: str | None = None

    def wanted(self) -> Sequence[Wanted]:
        """The objects: agents, tools, data sources, prompts, policies and suites, then models and workflows."""
        return self._objects

    @cached_property
    def _objects(self) -> list[Wanted]:
        rows: list[_Read] = [*self.agents, *self.tools, *self.data]
        found = [
            Wanted(
                one.declared(),
                file=None if one.file is None else one.file.name,
                line=1 if one.file is None else one.file.lines.get("version", one.file.lines.get("name", 1)),
            )
            for one in rows
        ]
        found += [Wanted(one.declared(), False, one.texts, one.file) for one in self.texts]
        return found + [Wanted(one, False) for one in implied(self.agents, self.origin)]

    def budgets(self) -> dict[str, int]:
        """Scope -> limit in nano-dollars, of agents that have a budget."""
        return {f"agent:{one.name}": one.budget_nano for one in self.agents if one.budget_nano is not None}

    def sources(self) -> dict[str, tuple[str, ...]]:
        """Data source -> classes."""
        return {one.name: one.classes for one in self.data}


class _Read(Protocol):
    """What was read from a file with a table in it."""

    @property
    def file(self) -> DeclarationFile | None: ...

    def declared(self) -> Declared: ...


def read_declarations(
    agents: Sequence[DeclarationFile] = (), tools: Sequence[DeclarationFile] = (),
    data: Sequence[DeclarationFile] = (), texts: Sequence[TextFile] = (), origin: str | None = None,
    mistakes: Sequence[ConfigError] = (),
) -> Declarations:  # fmt: skip
    """Files as declarations; references are not looked up yet.

    Raises ConfigError for the first mistake, with file and line; all of them are in its detail ``problems``.
    ``mistakes`` are those of files that could not even be read.
    """
    found = list(mistakes)
    made = Declarations(
        tuple(_each(agent_from, agents, found)), tuple(_each(tool_from, tools, found)),
        tuple(_each(data_from, data, found)), tuple(texts), origin,
    )  # fmt: skip
    found = found or _declared_twice(made)
    if found:
        raise joined(found)
    return made


def joined(mistakes: Sequence[ConfigError]) -> ConfigError:
    """The first of some mistakes, with all of them in its detail ``problems`` where there are several."""
    first = mistakes[0]
    if len(mistakes) == 1:
        return first
    problems = [
        {
            "message": one.message,
            "hint": one.hint,
            "file": one.detail.get("file"),
            "line": one.detail.get("line"),
        }
        for one in mistakes
    ]
    return ConfigError(first.message, hint=first.hint, **{**first.detail, "problems": problems})


_Made = TypeVar("_Made")


def _each(
    read: Callable[[DeclarationFile], _Made], files: Sequence[DeclarationFile], mistakes: list[ConfigError]
) -> list[_Made]:
    made = []
    for file in files:
        try:
            made.append(read(file))
        except ConfigError as error:
            mistakes.append(error)
    return made


def implied(agents: Iterable[AgentDeclaration], origin: str | None = None) -> list[Declared]:
    """The models and workflows that agents name, as registry objects."""
    found = {("model", model) for agent in agents for model in agent.models or ()}
    found |= {("workflow", agent.workflow) for agent in agents if agent.workflow}
    return [
        Declared(kind, name, version_digest(kind, name, None, {}), card=Card(origin=origin))
        for kind, name in sorted(found)
    ]


def _declared_twice(made: Declarations) -> list[ConfigError]:
    seen: dict[tuple[str, str], Wanted] = {}
    found = []
    for one in made.wanted():
        if one.file is None:
            continue
        first = seen.setdefault((one.declared.type, one.declared.name), one)
        if first is not one:
            found.append(_twice(one, first))
    return found


def _twice(one: Wanted, first: Wanted) -> ConfigError:
    version = one.declared.version
    named, more = one.declared.name, ""
    if version is not None and version == first.declared.version:
        differs = [change.path for change in changes(first.declared.body, one.declared.body)]
        named = f"{named} {version}"
        more = f", with another content ({', '.join(differs[:5])})" if differs else ""
    place = DeclarationFile(one.file or "", {}, {"name": one.line})
    return place.error(
        "name", f"{named} is declared in {first.file} already{more}", "give one of them another name"
    )
