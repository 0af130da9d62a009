"""What passes between the guard and whoever asks it: a declared tool, a verdict, a model call, a permit.

They stand on the ground floor because two floors that may not know each other (the SDK and the use cases) hand
them to one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tallystick.model.canonical import canonical_json
from tallystick.model.contract import Follow
from tallystick.model.control import Decision
from tallystick.model.errors import BadInput
from tallystick.model.labels import Returned, Role
from tallystick.model.step import Effect

_ORDER: Final = (Effect.NONE, Effect.READ, Effect.WRITE, Effect.IRREVERSIBLE)


@dataclass(frozen=True, slots=True)
class ToolDeclaration:
    """What is declared of a tool, in code or in ``tools/*.toml``. ``effect=None`` means nobody declared it."""

    name: str
    effect: Effect | None = None
    description: str = ""
    data: tuple[str, ...] = ()
    authority: tuple[str, ...] = ()
    # parameter -> string | long | decimal | bool | list | record, with "?" behind it when it may be absent
    arguments: Mapping[str, str] = field(default_factory=dict)
    price_nano: int | None = None  # nano-dollars a call; None means free of charge was not claimed
    recovery: str = "operator"  # retry | idempotent | reconcile | operator
    digest: str = ""
    roles: Mapping[str, Role] = field(
        default_factory=dict
    )  # argument -> what it is for, where that is declared
    origins: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # argument -> "tool:NAME.field", "data:NAME"
    asks: tuple[str, ...] = ()  # phrases by which people ask for it
    returns: Mapping[str, Returned] = field(
        default_factory=dict
    )  # field of what it returns ("*": all others)
    # argument -> the most in a run that nobody has to say, or the texts that nobody has to say
    limits: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    readers: tuple[str, ...] = ()  # classes of data that may flow to it
    output: Mapping[str, Any] | None = None  # JSON Schema of what it returns
    ensures: tuple[str, ...] = ()  # names of conditions that must hold of what it returned
    on_broken: str = ""  # record | stop | retry | ask; "" follows its effect (see model/contract.py)
    key: str = ""  # argument to which the guard gives an idempotency key
    reconcile: Follow | None = None  # the read that says what became of its effect
    undo: Follow | None = None  # the call that takes its effect back

    def role(self, argument: str) -> Role:
        """What an argument is for. Where nothing is declared of any argument, each is authority: the worst case."""
        declared = self.roles.get(argument)
        if declared is not None:
            return declared
        if argument in self.authority or not (self.roles or self.authority):
            return Role.AUTHORITY
        return Role.CONTENT if not self.roles else Role.AUTHORITY


def joined(declared: ToolDeclaration, given: ToolDeclaration) -> ToolDeclaration:
    """The first declaration, made never laxer than the second, with what it leaves open taken from that."""
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
        roles={**given.roles, **declared.roles, **_stricter(declared, given)},
        origins=declared.origins or given.origins,
        asks=declared.asks or given.asks,
        returns=declared.returns or given.returns,
        limits=declared.limits or given.limits,
        readers=declared.readers or given.readers,
        output=declared.output if declared.output is not None else given.output,
        ensures=tuple(dict.fromkeys((*declared.ensures, *given.ensures))),
        on_broken=declared.on_broken or given.on_broken,
        key=declared.key or given.key,
        reconcile=declared.reconcile or given.reconcile,
        undo=declared.undo or given.undo,
    )


def _stricter(declared: ToolDeclaration, given: ToolDeclaration) -> dict[str, Role]:
    """The arguments that the code calls authority and the declaration calls something else."""
    named = [name for name, role in given.roles.items() if role is Role.AUTHORITY]
    return {name: Role.AUTHORITY for name in (*given.authority, *named) if name in declared.roles}


def declaration_json(tool: ToolDeclaration) -> dict[str, Any]:
    """A declaration as the journal keeps it: every field by name, the effect by its word.

    What came later (roles and all after them) stands in it only where it says something: a declaration that does not
    use it has the text, and so the digest, that it always had.
    """
    written = {
        "name": tool.name,
        "effect": tool.effect.value if tool.effect is not None else None,
        "description": tool.description.encode("utf-8", "replace").decode("utf-8"),  # it decides nothing
        "data": list(tool.data),
        "authority": list(tool.authority),
        "arguments": dict(tool.arguments),
        "price_nano": tool.price_nano,
        "recovery": tool.recovery,
        "digest": tool.digest,
    }
    later: dict[str, Any] = {
        "roles": {name: role.value for name, role in tool.roles.items()},
        "origins": {name: list(found) for name, found in tool.origins.items()},
        "asks": list(tool.asks),
        "returns": {name: one.as_json() for name, one in tool.returns.items()},
        "limits": {name: one if isinstance(one, str) else list(one) for name, one in tool.limits.items()},
        "readers": list(tool.readers),
        "output": tool.output,
        "ensures": list(tool.ensures),
        "on_broken": tool.on_broken,
        "key": tool.key,
        "reconcile": None if tool.reconcile is None else tool.reconcile.as_json(),
        "undo": None if tool.undo is None else tool.undo.as_json(),
    }
    return written | {name: value for name, value in later.items() if value}


def declaration_from(plain: Any) -> ToolDeclaration:
    """The declaration that ``declaration_json`` wrote. Raises BadInput for anything else."""
    try:
        price = plain["price_nano"]
        return ToolDeclaration(
            plain["name"],
            None if plain["effect"] is None else Effect(plain["effect"]),
            plain["description"],
            tuple(plain["data"]),
            tuple(plain["authority"]),
            dict(plain["arguments"]),
            None if price is None else int(price),
            plain["recovery"],
            plain["digest"],
            {name: Role(role) for name, role in plain.get("roles", {}).items()},
            {name: tuple(found) for name, found in plain.get("origins", {}).items()},
            tuple(plain.get("asks", ())),
            {name: Returned.read(one) for name, one in plain.get("returns", {}).items()},
            {
                name: one if isinstance(one, str) else tuple(one)
                for name, one in plain.get("limits", {}).items()
            },
            tuple(plain.get("readers", ())),
            None if plain.get("output") is None else dict(plain["output"]),
            tuple(plain.get("ensures", ())),
            str(plain.get("on_broken", "")),
            str(plain.get("key", "")),
            None if plain.get("reconcile") is None else Follow.read(plain["reconcile"]),
            None if plain.get("undo") is None else Follow.read(plain["undo"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"this is no declaration of a tool: {error!r}") from error


def declaration_text(tool: ToolDeclaration) -> str:
    """One declaration as a text of the journal. Raises BadInput for names without canonical JSON."""
    return canonical_json(declaration_json(tool)).decode("utf-8")


def declarations_text(tools: Iterable[ToolDeclaration]) -> str:
    """Declarations as one text of the journal, in order of name. Raises BadInput like ``declaration_text``."""
    rows = [declaration_json(tool) for tool in sorted(tools, key=lambda one: one.name)]
    return canonical_json(rows).decode("utf-8")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard says before a tool call runs.

    ``text`` is what the model reads instead of a result when the call is not allowed. ``warning`` is appended to a
    result that is allowed but repeats itself, or that a person changed: then ``arguments`` are those to run with, and
    ``changed`` names the ones that are others now.
    """

    allowed: bool
    decision: Decision
    text: str = ""
    warning: str | None = None
    price_nano: int | None = None
    looping: bool = False
    arguments: Mapping[str, Any] | None = None
    changed: tuple[str, ...] = ()
    key: tuple[str, str] | None = None  # the argument that takes an idempotency key, and the key
    reconcile: Follow | None = None  # the read that says what became of the effect, where files declare it
    redact: tuple[str, ...] = ()  # arguments whose values are not to be kept


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A model call about to be made. ``request`` is the provider's keyword arguments (model, messages, …)."""

    run: str
    step: str
    agent: str | None
    workflow: str | None
    provider: str | None
    model: str | None
    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make a model call. ``max_tokens`` is the cap the budget leaves (None: no cap)."""

    hold: str | None
    held_nano: int = 0
    max_tokens: int | None = None
