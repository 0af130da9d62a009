"""What passes between the guard and whoever asks it: a declared tool, a verdict, a model call, a permit.

They stand on the ground floor because two floors that may not know each other (the SDK and the use cases) hand
them to one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tallystick.model.canonical import canonical_json
from tallystick.model.control import Decision
from tallystick.model.errors import BadInput
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
    )


def declaration_json(tool: ToolDeclaration) -> dict[str, Any]:
    """A declaration as the journal keeps it: every field by name, the effect by its word."""
    return {
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
    result that is allowed but repeats itself.
    """

    allowed: bool
    decision: Decision
    text: str = ""
    warning: str | None = None
    price_nano: int | None = None
    looping: bool = False


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
