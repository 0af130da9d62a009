"""Drift: where what an agent was seen doing is not what is declared of it.

A list that a declaration leaves out says nothing, and nothing can differ from it; an empty list says "none". Only uses
since the declaration count, and of those the last seven days: what was put right ends being a difference by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.model.registry import Declared, Definition, Difference, Use

WINDOW_NS: Final = 7 * 86_400 * 1_000_000_000
_MOST_NAMES: Final = 5  # names of a list in a sentence
_LONGEST: Final = 60  # characters of a name in a sentence
_DIGITS: Final = 12  # of a digest in a sentence


@dataclass(frozen=True, slots=True)
class Known:
    """What the registry knows beside the agent.

    ``tools`` and ``prompts``: declared objects by name. ``classes``: the classes of data that each tool touches, by its
    name, itself and through its sources. ``labels``: of all versions of the agent. ``told``: what models were told of
    tools, by the digest of the definition, as far as it is at hand.
    """

    tools: Mapping[str, Declared] = field(default_factory=dict)
    prompts: Mapping[str, Declared] = field(default_factory=dict)
    classes: Mapping[str, Collection[str]] = field(default_factory=dict)
    labels: Collection[str] = ()
    told: Mapping[str, Definition] = field(default_factory=dict)


def differences(agent: Declared, uses: Iterable[Use], known: Known, *, now: int) -> list[Difference]:
    """Where the uses of a declared agent differ from its declaration, by kind and name. ``now``: nanoseconds.

    Uses of other agents are left out, so that all that there are may be given.
    """
    since = max(agent.at, now - WINDOW_NS)
    found: list[Difference] = []
    for use in uses:
        if use.agent == agent.name and use.last >= since:
            if use.type in _LISTS:
                found += _named(agent, use)
            elif use.type in _LOOKS:
                found += _LOOKS[use.type](agent, use, known)
    return sorted(found, key=lambda one: (one.what, one.name, one.observed or ""))


def named(body: Mapping[str, Any], field: str) -> tuple[str, ...] | None:
    """The names in a list of a declaration; None where it leaves the list out."""
    value = body.get(field)
    if not isinstance(value, list | tuple):
        return None
    return tuple(one for one in value if isinstance(one, str))


def _prompt(agent: Declared, use: Use, known: Known) -> Iterator[Difference]:
    names = named(agent.body, "prompts")
    if names is None:
        return
    if use.detail and use.name not in names:
        said = f"prompt {_short(use.name)}, which its declaration does not name"
        yield _different(
            agent, use, "prompt", _listed(names), use.name, f"was sent {said} ({_listed(names)})"
        )
    elif use.detail:
        declared = known.prompts.get(use.name)
        if declared is None or declared.digest == use.detail or use.last < declared.at:
            return
        version = declared.version or declared.digest[:_DIGITS]
        yield _different(
            agent, use, "prompt", declared.digest, use.detail,
            f"was sent version {use.detail[:_DIGITS]} of prompt {_short(use.name)}, and {_short(version)} is declared",
        )  # fmt: skip
    elif use.last >= max((known.prompts[name].at for name in names if name in known.prompts), default=0):
        yield _different(
            agent, use, "prompt", _listed(names), use.name,
            f"was sent a system prompt that nobody declared (text {use.name[:_DIGITS]}); declared: {_listed(names)}",
        )  # fmt: skip


def _named(agent: Declared, use: Use) -> Iterator[Difference]:
    """A tool, a model or a delegate that the declaration's list of them does not hold."""
    field, text = _LISTS[use.type]
    names = named(agent.body, field)
    if names is None or use.name in names:
        return
    if use.type == "model" and any(_is_model(use.name, name) for name in names):
        return
    said = text.format(used=_short(use.name), declared=_listed(names))
    yield _different(agent, use, use.type, _listed(names), use.name, said)


def _is_model(used: str, declared: str) -> bool:
    """Whether the served model is the declared one: providers add a date or a number to the name that was asked for."""
    if used == declared:
        return True
    rest = used[len(declared) :] if used.startswith(declared) else ""
    return len(rest) > 1 and rest[0] in "-@" and all(letter in "0123456789-" for letter in rest[1:])


def _data(agent: Declared, use: Use, known: Known) -> Iterator[Difference]:
    names = named(agent.body, "tools")
    if names is None:
        return
    declared_at = max((known.tools[name].at for name in names if name in known.tools), default=0)
    touched = sorted({one for name in names for one in known.classes.get(name, ())})
    if use.name not in touched and use.last >= declared_at:
        yield _different(
            agent, use, "data", _listed(touched), use.name,
            f"reached {_short(use.name)}, which none of its declared tools touches; they touch: {_listed(touched)}",
        )  # fmt: skip


def _version(agent: Declared, use: Use, known: Known) -> Iterator[Difference]:
    labels = sorted({*known.labels, *([agent.version] if agent.version else [])})
    if labels and use.name not in labels:
        yield _different(
            agent, use, "version", agent.version, use.name,
            f"ran as version {_short(use.name)}, which is not declared; declared: {_listed(labels)}",
        )  # fmt: skip


def _definition(agent: Declared, use: Use, known: Known) -> Iterator[Difference]:
    tool, told = known.tools.get(use.name), known.told.get(use.detail)
    if tool is None or told is None or use.last < tool.at:
        return
    description = tool.body.get("description")
    if (
        isinstance(description, str)
        and description.strip()
        and not _same_words(description, told.description)
    ):
        yield _different(
            agent, use, "definition", _short(description), _short(told.description),
            f"told its model of {_short(use.name)}: {_quoted(told.description)}; declared: {_quoted(description)}",
        )  # fmt: skip
        return
    declared, observed = _declared_parameters(tool.body), _parameters(told.input)
    if declared is not None and observed is not None and not _fits(declared, observed):
        before, after = _spelt(declared), _spelt(observed)
        yield _different(
            agent, use, "definition", before, after,
            f"told its model that {_short(use.name)} takes {after}; declared: {before}",
        )  # fmt: skip


_LOOKS: Final = {"prompt": _prompt, "data": _data, "version": _version, "definition": _definition}
# The list of the declaration, and what is said of a name that is not in it.
_LISTS: Final = {
    "tool": ("tools", "called tool {used}, which it is not granted; granted: {declared}"),
    "model": ("models", "called model {used}; declared: {declared}"),
    "delegate": ("delegates", "handed work to {used}; declared delegates: {declared}"),
}


# ── definitions ─────────────────────────────────────────────────────────────────────────────────────────────────

_Parameters = Mapping[str, bool | None]  # by name: is it required (None: not said)


def _same_words(declared: str, told: str) -> bool:
    return declared.split() == told.split()


def _declared_parameters(body: Mapping[str, Any]) -> _Parameters | None:
    """The parameters that a tool's declaration states: of its JSON Schema, else of ``arguments`` ("long?" may be left
    out; another one may still have a default, so that nothing is said of it)."""
    schema = body.get("input")
    if isinstance(schema, Mapping) and schema:
        return _parameters(schema)
    arguments = body.get("arguments")
    if not isinstance(arguments, Mapping) or not arguments:
        return None
    return {
        str(name): False if isinstance(kind, str) and kind.endswith("?") else None
        for name, kind in arguments.items()
    }


def _parameters(schema: Mapping[str, Any]) -> _Parameters | None:
    """The parameters of a JSON Schema; None for what is no schema of an object."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {} if schema.get("type") == "object" else None
    required = schema.get("required")
    needed = (
        {one for one in required if isinstance(one, str)} if isinstance(required, list | tuple) else set()
    )
    return {str(name): name in needed for name in properties}


def _fits(declared: _Parameters, observed: _Parameters) -> bool:
    return declared.keys() == observed.keys() and all(
        need is None or observed[name] is need for name, need in declared.items()
    )


def _spelt(parameters: _Parameters) -> str:
    return _listed([name + ("?" if need is False else "") for name, need in sorted(parameters.items())])


# ── sentences ───────────────────────────────────────────────────────────────────────────────────────────────────


def _different(
    agent: Declared, use: Use, what: str, declared: str | None, observed: str, text: str
) -> Difference:
    return Difference(
        what, use.name, declared, observed, f"{_short(agent.name)} {text}", use.first, use.last,
        use.run or None, use.step or None,
    )  # fmt: skip


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _quoted(text: str) -> str:
    return f"“{_short(' '.join(text.split()))}”" if text.strip() else "nothing"


def _listed(names: Collection[str]) -> str:
    if not names:
        return "none"
    some = [_short(name) for name in list(names)[:_MOST_NAMES]]
    return ", ".join(some) + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")
