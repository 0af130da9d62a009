"""A first set of declarations, written from what was observed. Pure: names and texts in, files out.

What nobody could have seen (what a tool does to the world, who answers for an agent) is left as a line to fill in: a
guess would look like a declaration. Everything here was said by agents, models and tools, so names that cannot be
names are left out and said, and texts lose what is not seen and what looks like a credential.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from tallystick.model.canonical import canonical_json
from tallystick.model.errors import BadInput
from tallystick.model.masking import mask, mask_text
from tallystick.model.step import Effect
from tallystick.registry.fields import is_address, is_argument_type, is_label, is_name, seen_text
from tallystick.registry.text_files import LONGEST_PROMPT
from tallystick.registry.toml_text import toml_comment, toml_key, toml_value

_SAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")  # names that Windows keeps
_LONGEST_STEM: Final = 60
_ROOM_FOR_NAMES: Final = 8_000  # bytes of one list or text: a version must fit into one journal entry
_HEAD: Final = "# Written from what was observed. Read it, complete it, then: tally plan\n"


@dataclass(frozen=True, slots=True)
class SeenAgent:
    """An agent that runs and that nobody declared. ``prompt`` is the newest text that it was told.

    ``prompts`` are declared prompts that it was told; ``more`` counts the texts besides ``prompt``.
    """

    name: str
    version: str | None = None
    workflow: str | None = None
    models: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    delegates: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    prompt: str | None = None
    more: int = 0


@dataclass(frozen=True, slots=True)
class SeenTool:
    """A tool that agents call and that nobody declared. None stands for what was not seen.

    ``arguments``: parameter -> type as in tools/*.toml. ``input`` and ``server`` are those of a tool of a server.
    ``refused``: it was called, and no call of it was let through.
    """

    name: str
    effect: Effect | None = None
    description: str | None = None
    arguments: Mapping[str, str] | None = None
    input: Mapping[str, Any] | None = None
    server: str | None = None
    classes: tuple[str, ...] = ()
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """What is there already: names by type that are declared, classes that a declared data source has, and files.

    ``paths`` are relative to the project and folded in case: some disks hold only one of ``a.toml`` and ``A.toml``.
    """

    declared: Mapping[str, frozenset[str]] = field(default_factory=dict)
    retired: frozenset[tuple[str, str]] = frozenset()  # by type and name: nobody wants them back
    delegates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of declared agents
    classes: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sketch:
    """Files by path, and a sentence for each thing that was seen and cannot be declared."""

    files: Mapping[str, str]
    left_out: tuple[str, ...] = ()


def sketch(agents: Sequence[SeenAgent], tools: Sequence[SeenTool], around: Around) -> Sketch:
    """Files for what was seen and is not declared; what they name is declared, or in a file beside them."""
    page = _Page(around)
    sources = {
        one: path for one in sorted({kind for tool in tools for kind in tool.classes})
        if one not in around.classes and (path := page.place("data", "data", one, ".toml"))
    }  # fmt: skip
    tool_places = {one.name: page.place("tool", "tools", one.name, ".toml") for one in tools}
    agent_places = {one.name: page.place("agent", "agents", one.name, ".toml") for one in agents}
    known = {
        "agent": {*around.declared.get("agent", ()), *(name for name, path in agent_places.items() if path)},
        "tool": {*around.declared.get("tool", ()), *(name for name, path in tool_places.items() if path)},
        "prompt": set(around.declared.get("prompt", ())),
    }
    for tool in tools:
        page.put(tool_places[tool.name], _tool(tool, set(sources)))
    for name, path in sources.items():
        page.put(path, _data(name))
    closing = _closing([one for one in agents if agent_places[one.name]], around.delegates)
    for agent in agents:
        if agent_places[agent.name]:
            text = _agent(agent, page.prompt(agent), known, closing.get(agent.name, set()))
            page.put(agent_places[agent.name], text)
    return Sketch(page.files, tuple(page.left_out))


class _Page:
    """The files so far, and paths that are free."""

    def __init__(self, around: Around) -> None:
        self.files: dict[str, str] = {}
        self.left_out: list[str] = []
        self._around = around
        self._taken = set(around.paths)

    def place(self, kind: str, folder: str, name: str, suffix: str) -> str | None:
        """A free path for something that is to be declared; None where it is declared, retired, or has no name."""
        if name in self._around.declared.get(kind, ()) or (kind, name) in self._around.retired:
            return None
        if not _nameable(name):
            self.left_out.append(f"{kind} {mask_text(name)!a:.160} is not declared: that is not a name")
            return None
        return self._free(folder, name, suffix)

    def put(self, path: str | None, text: str) -> None:
        """Write one file; None is no place."""
        if path is not None:
            self.files[path] = text

    def prompt(self, agent: SeenAgent) -> str | None:
        """Write what an agent was told; gives the prompt's name."""
        if agent.prompt is None or not agent.prompt.strip():
            return None
        text = mask_text(agent.prompt.encode("utf-8", "replace").decode("utf-8"))
        text = text if text.endswith("\n") else text + "\n"
        if len(text.encode("utf-8")) > LONGEST_PROMPT:
            self.left_out.append(f"the prompt of agent {agent.name} is longer than {LONGEST_PROMPT:,} bytes")
            return None
        path = self._free("prompts", agent.name, ".md")
        self.put(path, text)
        return None if path is None else path.removeprefix("prompts/").removesuffix(".md")

    def _free(self, folder: str, name: str, suffix: str) -> str | None:
        stem = file_stem(name)
        for one in (stem, f"{stem}-{_short_digest(name)}"):
            path = f"{folder}/{one}{suffix}"
            named = folder == "prompts" and one in self._around.declared.get("prompt", ())
            if path.casefold() not in self._taken and not named:
                self._taken.add(path.casefold())
                return path
        self.left_out.append(f"{folder}/{stem}{suffix} is there already, and stays as it is")
        return None


def file_stem(name: str) -> str:
    """A name as a file can be called everywhere; one that had to be changed ends in a digest of it."""
    stem = _SAFE.sub("_", name)[:_LONGEST_STEM].strip(".")
    if not stem or _RESERVED.fullmatch(stem):
        stem = f"_{stem}"
    return stem if stem == name else f"{stem}-{_short_digest(name)}"


def _short_digest(name: str) -> str:
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _nameable(name: str) -> bool:
    return is_name(name) and mask_text(name) == name


def _agent(agent: SeenAgent, prompt: str | None, known: Mapping[str, set[str]], closing: set[str]) -> str:
    lines = [_HEAD + f"name = {toml_value(agent.name)}"]
    if agent.version is not None and is_label(agent.version) and mask_text(agent.version) == agent.version:
        lines.append(f"version = {toml_value(agent.version)}")
    lines += [
        '# owner = "you@example.com"',
        '# purpose = "Say in one sentence what it is for."',
        '# autonomy = "acts-with-approval"  # drafts, acts-with-approval or acts',
    ]
    if agent.workflow is not None and _nameable(agent.workflow):
        lines.append(f"workflow = {toml_value(agent.workflow)}")
    told = [one for one in agent.prompts if one in known["prompt"]]
    prompts = [*told, *([prompt] if prompt is not None else [])]
    if prompts:
        lines.append(f"prompts = {toml_value(_bounded(prompts))}")
    if agent.more:
        lines.append(
            f"# {agent.more} more texts were seen; in a prompt, {{{{name}}}} stands for what changes"
        )
    delegates = [one for one in agent.delegates if one in known["agent"] and one not in closing]
    for key, kept, seen in (
        ("models", [one for one in agent.models if _nameable(one)], agent.models),
        ("tools", [one for one in agent.tools if one in known["tool"]], agent.tools),
        ("delegates", delegates, agent.delegates),
    ):
        named = _bounded(kept)
        if named:  # what was not seen so far is not said to be none
            lines.append(f"{key} = {toml_value(named)}")
        odd = [one for one in seen if one not in named]
        lines += [f"# seen, and left out of {key}: {toml_comment(mask_text(one)[:160])}" for one in odd[:20]]
    return "\n".join(lines) + "\n"


def _bounded(names: Sequence[str]) -> list[str]:
    """As many names as a declaration has room for."""
    kept, room = [], _ROOM_FOR_NAMES
    for one in names:
        room -= len(one.encode("utf-8")) + 3
        if room < 0:
            break
        kept.append(one)
    return kept


def _tool(tool: SeenTool, sources: set[str]) -> str:
    refused = "# Its calls were refused so far. Name it in the tools of the agents that may use it.\n"
    lines = [_HEAD + (refused if tool.refused else "") + f"name = {toml_value(tool.name)}"]
    if tool.effect is None:
        lines.append('# effect = "…"  # say which: none, read, write or irreversible')
    else:
        lines.append(f"effect = {toml_value(tool.effect.value)}")
    if tool.description is not None:
        lines.append(f"description = {toml_value(_described(tool.description))}")
    reached = [one for one in tool.classes if one in sources]
    own = [one for one in tool.classes if one not in sources and _nameable(one)]
    lines += [
        f"{key} = {toml_value(_bounded(value))}"
        for key, value in (("sources", reached), ("data", own))
        if value
    ]
    if tool.server is not None and mask_text(tool.server) == tool.server and is_address(tool.server):
        lines.append(f"server = {toml_value(tool.server)}")
    if tool.arguments is not None:
        kept = _bounded([name for name in tool.arguments if _nameable(name)])
        rows = [(name, tool.arguments[name]) for name in kept]
        lines += ["", "[arguments]"]
        lines += [f"{toml_key(name)} = {toml_value(kind)}" for name, kind in rows if is_argument_type(kind)]
    if tool.input is not None and _fits(tool.input):
        plain = {str(key): one for key, one in mask(dict(tool.input)).items() if one is not None}
        lines += ["", "[input]", *(f"{toml_key(key)} = {toml_value(one)}" for key, one in plain.items())]
    return "\n".join(lines) + "\n"


def _described(text: str) -> str:
    plain = seen_text(mask_text(text.encode("utf-8", "replace").decode("utf-8")))
    return plain.encode("utf-8")[:_ROOM_FOR_NAMES].decode("utf-8", "ignore")


def _fits(schema: Mapping[str, Any]) -> bool:
    try:
        return len(canonical_json(schema)) < _ROOM_FOR_NAMES and bool(toml_value(schema))
    except (BadInput, RecursionError):
        return False


def _data(name: str) -> str:
    return (
        f"{_HEAD}# Tools touch this class of data. Say which source holds it, or rename this one after it.\n"
        f"name = {toml_value(name)}\nclasses = {toml_value([name])}\n"
        '# owner = "you@example.com"\n# location = "where it is"\n'
    )


def _closing(agents: Sequence[SeenAgent], standing: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """By agent the delegates that would close a circle, in the order in which they are looked at."""
    edges = {name: list(delegates) for name, delegates in standing.items()}
    closing: dict[str, set[str]] = {}
    for agent in agents:
        for delegate in agent.delegates:
            if delegate == agent.name or _reaches(edges, delegate, agent.name):
                closing.setdefault(agent.name, set()).add(delegate)
            else:
                edges.setdefault(agent.name, []).append(delegate)
    return closing


def _reaches(edges: Mapping[str, Sequence[str]], start: str, end: str) -> bool:
    waiting, been = [start], {start}
    while waiting:
        at = waiting.pop()
        if at == end:
            return True
        fresh = [one for one in edges.get(at, ()) if one not in been]
        been.update(fresh)
        waiting += fresh
    return False
