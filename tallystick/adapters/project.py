"""A project's files: agents/*.toml, tools/*.toml and policies/*.cedar, read from disk.

A file that cannot be read is named; none is skipped. Names in messages are relative to the project.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tallystick.app.policies import PolicyBook
from tallystick.app.registrar import check_grants, read_agents, read_tools
from tallystick.govern.policy import PolicyFile
from tallystick.model.errors import ConfigError
from tallystick.model.guarding import ToolDeclaration
from tallystick.registry.declarations import AgentDeclaration, DeclarationFile, ToolFile

_LARGEST: Final = 1_000_000  # bytes of one file
_AT_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)")
_KEY: Final = re.compile(r"""^\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*=""")
_TABLE: Final = re.compile(r"^\s*\[\s*([^\]]+?)\s*\]\s*(?:#.*)?$")


@dataclass(frozen=True, slots=True)
class Project:
    """What a project declares. ``policies`` None: it has no folder of policies."""

    agents: tuple[AgentDeclaration, ...]
    tools: tuple[ToolFile, ...]
    policies: tuple[PolicyFile, ...] | None

    @property
    def declarations(self) -> list[ToolDeclaration]:
        """The tools as the guard needs them."""
        return [one.tool for one in self.tools]


def read_project(folder: Path, *, policies: Path | None = None) -> Project:
    """Read all of a project. ``policies`` is its policies folder (default: ``policies`` in it).

    Raises ConfigError with file and line for the first mistake in a declaration; policies are only read, not judged.
    """
    agent_files, agents, tools = _declarations(folder)
    check_grants(agents, tools, agent_files)
    return Project(tuple(agents), tuple(tools), read_policies(folder, policies))


def open_book(
    folder: Path | None, *, policies: Path | None = None, permissive: bool = False,
    now: Callable[[], int] = lambda: 0, say: Callable[[str], None] | None = None,
) -> PolicyBook:  # fmt: skip
    """The policy book of a project; a project that cannot be read gives a book that refuses every effect.

    ``folder`` None: there is no project. ``now`` and ``say``: see PolicyBook. What the registry knows besides the
    project's files, the book hears from the feed.
    """
    if folder is None and policies is None:
        return PolicyBook(None, permissive=permissive, now=now, say=say)
    base = folder if folder is not None else Path.cwd()
    try:
        project = read_project(base, policies=policies)
    except ConfigError as error:
        problem = error.message + (f" ({error.hint})" if error.hint else "")
        return PolicyBook((), permissive=permissive, problem=problem, now=now, say=say)
    return PolicyBook(project.policies, project.declarations, permissive=permissive, now=now, say=say)


def read_policies(folder: Path, policies: Path | None = None) -> tuple[PolicyFile, ...] | None:
    """The *.cedar files of a project in order of name; None without a folder. Raises ConfigError."""
    place = policies if policies is not None else folder / "policies"
    if not place.is_dir():
        if policies is not None and place.exists():
            raise ConfigError(
                f"{place} is not a folder",
                hint="policies are *.cedar files in a folder",
                file=str(place),
                line=1,
            )
        return None
    return tuple(
        PolicyFile(_shown(path, folder), _read(path, folder)) for path in sorted(place.glob("*.cedar"))
    )


def _declarations(folder: Path) -> tuple[list[DeclarationFile], list[AgentDeclaration], list[ToolFile]]:
    agent_files = _tables(folder, "agents")
    return agent_files, read_agents(agent_files), read_tools(_tables(folder, "tools"))


def _tables(folder: Path, name: str) -> list[DeclarationFile]:
    return [_table(path, folder) for path in sorted((folder / name).glob("*.toml"))]


def _table(path: Path, folder: Path) -> DeclarationFile:
    shown, text = _shown(path, folder), _read(path, folder)
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        line = int(found.group(1)) if found else text.count("\n") + 1
        what = _AT_LINE.sub("", str(error)).strip()
        raise ConfigError(
            f"{shown}:{line}: this is not TOML: {what}",
            hint='every line is key = "value" or [table]',
            file=shown,
            line=line,
        ) from error
    return DeclarationFile(shown, table, _lines(text))


def _lines(text: str) -> dict[str, int]:
    """The line of each key. Good enough for messages: text over several lines may hide a key, never invent a file."""
    lines: dict[str, int] = {}
    prefix = ""
    for number, line in enumerate(text.splitlines(), 1):
        table = _TABLE.match(line)
        if table is not None:
            prefix = table.group(1).strip("\"'") + "."
            lines.setdefault(prefix[:-1], number)
            continue
        key = _KEY.match(line)
        if key is not None:
            lines.setdefault(prefix + next(part for part in key.groups() if part), number)
    return lines


def _read(path: Path, folder: Path) -> str:
    shown = _shown(path, folder)
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError(
                f"{shown} is larger than {_LARGEST:,} bytes", hint="split it", file=shown, line=1
            )
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{shown} is not UTF-8: {error.reason}", hint="save it as UTF-8", file=shown, line=1
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{shown} cannot be read: {error.strerror}", hint="check its permissions", file=shown, line=1
        ) from error


def _shown(path: Path, folder: Path) -> str:
    try:
        return path.relative_to(folder).as_posix()
    except ValueError:
        return path.as_posix()
