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
from tallystick.registry.fields import LONGEST_BODY, is_label, is_name, seen_text
from tallystick.registry.text_files import LONGEST_PROMPT
from tallystick.registry.toml_text import toml_comment, toml_key, toml_value

_SAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")  # names that Windows keeps
_LONGEST_STEM: Final = 60
_LONGEST_DESCRIPTION: Final = 16_000
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
    """

    name: str
    effect: Effect | None = None
    description: str | None = None
    arguments: Mapping[str, str] | None = None
    input: Mapping[str, Any] | None = None
    server: str | None = None
    classes: tuple[str, ...] = ()


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

    def has(self, type: str, name: str) -> bool:
        """Whether something is declared."""
        return name in self.declared.get(type, frozenset())


@dataclass(frozen=True, slots=True)
class Sketch:
    """Files by path, and a sentence for each thing that was seen and cannot be declared."""

    files: Mapping[str, str]
    left_out: tuple[str, ...] = ()


def sketch(agents: Sequence[SeenAgent], tools: Sequence[SeenTool], around: Around) -> Sketch:
    """Files for what was seen and is not declared; what they name is declared, or in a file beside them."""
    page = _Page(around)
    agents = [one for one in agents if page.fit("agent", one.name)]
    tools = [one for one in tools if page.fit("tool", one.name)]
    known = {
        "agent": {*around.declared.get("agent", ()), *(one.name for one in agents)},
        "tool": {*around.declared.get("tool", ()), *(one.name for one in tools)},
    }
    sources = {
        one for tool in tools for one in tool.classes
        if one not in around.classes and page.fit("data", one)
    }  # fmt: skip
    for tool in tools:
        page.put("tools", tool.name, ".toml", _tool(tool, sources))
    for name in sorted(sources):
        page.put("data", name, ".toml", _data(name))
    closing = _closing(agents, around.delegates)
    for agent in agents:
        prompt = page.prompt(agent)
        page.put("agents", agent.name, ".toml", _agent(agent, prompt, known, closing.get(agent.name, set())))
    return Sketch(page.files, tuple(page.left_out))


class _Page:
    """The files so far, and names that are free."""

    def __init__(self, around: Around) -> None:
        self.files: dict[str, str] = {}
        self.left_out: list[str] = []
        self._around = around
        self._taken = set(around.paths)

    def fit(self, type: str, name: str) -> bool:
        """Whether something is to be declared: it is not yet, nobody retired it, and it has a name."""
        if self._around.has(type, name) or (type, name) in self._around.retired:
            return False
        if is_name(name):
            return True
        self.left_out.append(f"{type} {name!a:.160} is not declared: that is not a name")
        return False

    def put(self, folder: str, name: str, suffix: str, text: str) -> str | None:
        """Write one file under a free name; gives its stem, None where every name for it is taken."""
        stem = file_stem(name)
        odd = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        for one in (stem, f"{stem}-{odd}"):
            path = f"{folder}/{one}{suffix}"
            if path.casefold() not in self._taken and not (
                folder == "prompts" and self._around.has("prompt", one)
            ):
                self._taken.add(path.casefold())
                self.files[path] = text
                return one
        self.left_out.append(f"{folder}/{stem}{suffix} is there already, and stays as it is")
        return None

    def prompt(self, agent: SeenAgent) -> str | None:
        if agent.prompt is None or not agent.prompt.strip():
            return None
        text = mask_text(agent.prompt.encode("utf-8", "replace").decode("utf-8"))
        if len(text.encode("utf-8")) > LONGEST_PROMPT:
            self.left_out.append(f"the prompt of agent {agent.name} is longer than {LONGEST_PROMPT:,} bytes")
            return None
        return self.put("prompts", agent.name, ".md", text)


def file_stem(name: str) -> str:
    """A name as a file can be called everywhere; one that had to be changed ends in a digest of it."""
    stem = _SAFE.sub("_", name)[:_LONGEST_STEM].strip(".")
    if not stem or _RESERVED.fullmatch(stem):
        stem = f"_{stem}"
    if stem == name:
        return stem
    return f"{stem}-{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _agent(agent: SeenAgent, prompt: str | None, known: Mapping[str, set[str]], closing: set[str]) -> str:
    lines = [_HEAD + f"name = {toml_value(agent.name)}"]
    if agent.version is not None and is_label(agent.version):
        lines.append(f"version = {toml_value(agent.version)}")
    lines += [
        '# owner = "you@example.com"',
        '# purpose = "Say in one sentence what it is for."',
        '# autonomy = "acts-with-approval"  # drafts, acts-with-approval or acts',
    ]
    if agent.workflow is not None and is_name(agent.workflow):
        lines.append(f"workflow = {toml_value(agent.workflow)}")
    models = [one for one in agent.models if is_name(one)]
    tools = [one for one in agent.tools if one in known["tool"]]
    delegates = [one for one in agent.delegates if one in known["agent"] and one not in closing]
    prompts = [*agent.prompts, *([prompt] if prompt is not None else [])]
    if prompts:
        lines.append(f"prompts = {toml_value(prompts)}")
    if agent.more:
        lines.append(
            f"# {agent.more} other texts were seen; in a prompt, {{{{name}}}} stands for what changes"
        )
    lines += [
        f"{key} = {toml_value(value)}"
        for key, value in (("models", models), ("tools", tools), ("delegates", delegates))
    ]
    lines += [
        f"# seen, and left out: delegates to {toml_comment(one)}, which delegates back"
        for one in sorted(closing)
    ]
    return "\n".join(lines) + "\n"


def _tool(tool: SeenTool, sources: set[str]) -> str:
    lines = [_HEAD + f"name = {toml_value(tool.name)}"]
    if tool.effect is None:
        lines.append('# effect = "…"  # say which: none, read, write or irreversible')
    else:
        lines.append(f"effect = {toml_value(tool.effect.value)}")
    if tool.description is not None:
        about = seen_text(mask_text(tool.description))[:_LONGEST_DESCRIPTION]
        lines.append(f"description = {toml_value(about)}")
    reached = [one for one in tool.classes if one in sources]
    own = [one for one in tool.classes if one not in sources and is_name(one)]
    lines += [f"{key} = {toml_value(value)}" for key, value in (("sources", reached), ("data", own)) if value]
    if tool.server is not None and mask_text(tool.server) == tool.server:
        lines.append(f"server = {toml_value(seen_text(tool.server))}")
    arguments = None if tool.arguments is None else {k: v for k, v in tool.arguments.items() if is_name(k)}
    if arguments is not None:
        lines += [
            "",
            "[arguments]",
            *(f"{toml_key(key)} = {toml_value(kind)}" for key, kind in arguments.items()),
        ]
    if tool.input is not None and _fits(tool.input):
        lines += ["", "[input]"]
        lines += [f"{toml_key(str(key))} = {toml_value(one)}" for key, one in mask(dict(tool.input)).items()]
    return "\n".join(lines) + "\n"


def _fits(schema: Mapping[str, Any]) -> bool:
    try:
        return len(canonical_json(schema)) < LONGEST_BODY // 2 and bool(toml_value(schema))
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
