"""A project: agents/, tools/, data/, prompts/, policies/ and evals/, read from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tallystick.adapters.policy_files import reported
from tallystick.adapters.project_disk import ProjectFolder, read_text, shown_path
from tallystick.app.acting.policies import PolicyBook
from tallystick.govern.policy import PolicyFile
from tallystick.model.errors import BadInput, ConfigError
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.registry import Declared
from tallystick.registry.declarations import (
    AgentDeclaration,
    Declarations,
    TextFile,
    ToolFile,
    classes_by_source,
    read_declarations,
)
from tallystick.registry.references import check_references
from tallystick.registry.sketch import Around
from tallystick.registry.text_files import policy_from


@dataclass(frozen=True, slots=True)
class Project:
    """What a project declares. ``policies`` None: it has no folder of policies.

    ``sources`` are the classes of every data source that its tools may reach, its own and the registry's.
    """

    found: Declarations
    policies: tuple[PolicyFile, ...] | None
    sources: Mapping[str, Sequence[str]]

    @property
    def agents(self) -> tuple[AgentDeclaration, ...]:
        """The declared agents."""
        return self.found.agents

    @property
    def tools(self) -> tuple[ToolFile, ...]:
        """The declared tools."""
        return self.found.tools

    @property
    def declarations(self) -> list[ToolDeclaration]:
        """The tools as the guard needs them: with the classes of the data sources that they reach."""
        return [one.guarded(self.sources) for one in self.found.tools]


def read_project(folder: Path, *, policies: Path | None = None, known: Iterable[Declared] = ()) -> Project:
    """Read all of a project. ``policies`` is its policies folder (default: ``policies`` in it).

    ``known`` is what the registry has: declarations may name it. Raises ConfigError with file and line for the first
    mistake in a declaration (all of them in detail ``problems``); policies are only read, not judged.
    """
    disk = ProjectFolder(folder)
    agents, tools, data = disk.tables("agents"), disk.tables("tools"), disk.tables("data")
    texts = [*disk.prompts(), *disk.suites()]
    rules = read_policies(folder, policies)
    texts += _policy_objects(disk, rules or ())
    found = read_declarations(agents, tools, data, texts, disk.origin, disk.mistakes)
    there = list(known)
    check_references(found, there)
    return Project(found, rules, {**classes_by_source(there), **found.sources()})


def read_guarded(
    folder: Path, *, policies: Path | None = None, tools: Iterable[str] = (),
    sources: Mapping[str, Sequence[str]] | None = None,
) -> Project:  # fmt: skip
    """Read what the guard needs of a project: tools, data sources and policies. A prompt with a mistake stops no agent.

    ``tools`` and ``sources`` (data source -> classes) are those of the registry. Raises ConfigError like
    ``read_project``.
    """
    disk = ProjectFolder(folder)
    found = read_declarations(
        disk.tables("agents"),
        disk.tables("tools"),
        disk.tables("data"),
        origin=disk.origin,
        mistakes=disk.mistakes,
    )
    reached = {**(sources or {}), **found.sources()}
    known = [Declared("tool", name, "") for name in tools] + [Declared("data", name, "") for name in reached]
    check_references(found, known, types=("tool", "data"))
    return Project(found, read_policies(folder, policies), reached)


def open_book(
    folder: Path | None, *, policies: Path | None = None, permissive: bool = False,
    also: Sequence[ToolDeclaration] = (), sources: Mapping[str, Sequence[str]] | None = None,
    now: Callable[[], int] = lambda: 0, say: Callable[[str], None] | None = None,
    pack: Sequence[PolicyFile] = (), report_only: Sequence[str] = (),
) -> PolicyBook:  # fmt: skip
    """The policy book of a project; a project that cannot be read gives a book that refuses every effect.

    ``folder`` None: there is no project. ``also`` are tools of the registry, which the project's files may name, and
    ``sources`` its data sources with their classes; what stands in the registry itself, the book hears from the feed.
    ``now``, ``say`` and ``pack``: see PolicyBook. ``report_only`` are names of files whose rules are only reported.
    """
    pack = reported(pack, report_only)
    if folder is None and policies is None:
        return PolicyBook(None, permissive=permissive, now=now, say=say, pack=pack)
    base = folder if folder is not None else Path.cwd()
    try:
        project = read_guarded(base, policies=policies, tools=[one.name for one in also], sources=sources)
        declared = project.declarations
    except BadInput as error:
        problem = error.message + (f" ({error.hint})" if error.hint else "")
        return PolicyBook((), permissive=permissive, problem=problem, now=now, say=say)
    rules = None if project.policies is None else reported(project.policies, report_only)
    directories = {one.name: one.members for one in project.found.data}
    return PolicyBook(
        rules, declared, permissive=permissive, now=now, say=say, pack=pack, directories=directories
    )


def around(folder: Path, known: Iterable[Declared]) -> Around:
    """What is there before files are written into a folder: names declared in it or in the registry, and files.

    Files with mistakes in them keep their names; nothing is judged here.
    """
    disk, there = ProjectFolder(folder), list(known)
    names: dict[str, set[str]] = {}
    delegates = {one.name: tuple(one.body.get("delegates") or ()) for one in there if one.type == "agent"}
    classes = {kind for one in there if one.type == "data" for kind in one.body.get("classes", ())}
    for one in there:
        if not one.retired:
            names.setdefault(one.type, set()).add(one.name)
    for kind, place in (("agent", "agents"), ("tool", "tools"), ("data", "data")):
        for file in disk.tables(place):
            name = str(file.table.get("name"))
            names.setdefault(kind, set()).add(name)
            if kind == "agent":
                delegates[name] = _texts(file.table.get("delegates"))
            if kind == "data":
                classes.update(_texts(file.table.get("classes")))
    names.setdefault("prompt", set()).update(one.name for one in disk.prompts())
    places = [path for place in ("agents", "tools", "data", "prompts") for path in (folder / place).glob("*")]
    return Around(
        {kind: frozenset(found) for kind, found in names.items()},
        frozenset((one.type, one.name) for one in there if one.retired),
        delegates,
        frozenset(classes),
        frozenset(shown_path(path, folder).casefold() for path in places),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


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
    base = folder if policies is None else place
    return tuple(
        PolicyFile(shown_path(path, folder), _policy_text(path, base, folder))
        for path in sorted(place.glob("*.cedar"))
    )


def _policy_text(path: Path, base: Path, folder: Path) -> str:
    try:
        return read_text(path, base)
    except ConfigError as error:  # it is named as the project sees it
        shown, here = shown_path(path, folder), shown_path(path, base)
        raise ConfigError(
            error.message.replace(here, shown, 1), hint=error.hint, **{**error.detail, "file": shown}
        ) from error


def _policy_objects(disk: ProjectFolder, rules: Iterable[PolicyFile]) -> list[TextFile]:
    made = []
    for one in rules:
        name = one.name.rsplit("/", 1)[-1].removesuffix(".cedar")
        try:
            made.append(policy_from(name, one.name, one.text, disk.origin))
        except ConfigError as error:
            disk.mistakes.append(error)
    return made
