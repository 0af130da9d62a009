"""What a tool declares of itself: effect, data, authority, price, and the types of its arguments from its signature."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence, Set
from decimal import Decimal
from typing import Any

from tallystick.model.canonical import digest
from tallystick.model.contract import Follow
from tallystick.model.errors import ConfigError
from tallystick.model.money import nano_from_usd
from tallystick.model.step import Effect
from tallystick.sdk.runtime import ToolDeclaration

RECOVERIES = ("retry", "idempotent", "reconcile", "operator")
_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "bool"), (str, "string"), (int, "long"), (float, "decimal"), (Decimal, "decimal"), (bytes, "record"),
    (Mapping, "record"), (Sequence, "list"), (Set, "list"),
)  # fmt: skip  # order matters: a bool is an int, text is a sequence


def declare(
    function: Callable[..., Any], *, name: str | None, effect: Effect | str | None, description: str | None,
    data: Sequence[str], authority: Sequence[str], price: str | int | Decimal | None, recovery: str,
    ensures: Sequence[str] = (), on_broken: str = "", key: str = "", undo: Follow | None = None,
) -> ToolDeclaration:  # fmt: skip
    """The declaration of a callable. Raises ConfigError for an unknown effect, recovery or authority argument."""
    label = label_of(function, name)
    arguments = argument_types(function)
    if effect is not None and effect not in tuple(Effect):
        raise ConfigError(f"tool {label}: {effect!r} is not an effect", hint="one of: " + ", ".join(Effect))
    if recovery not in RECOVERIES:
        raise ConfigError(
            f"tool {label}: {recovery!r} is not a recovery", hint="one of: " + ", ".join(RECOVERIES)
        )
    unknown = [item for item in authority if arguments and item not in arguments]
    if unknown:
        raise ConfigError(
            f"tool {label} has no argument {unknown[0]!r} to give authority",
            hint="it has: " + ", ".join(arguments),
        )
    if key and arguments and key not in arguments:
        raise ConfigError(
            f"tool {label} has no argument {key!r} that takes a key", hint="it has: " + ", ".join(arguments)
        )
    about = description if description is not None else (inspect.getdoc(function) or "").strip()
    facts = {
        "name": label,
        "effect": None if effect is None else str(effect),
        "description": about,
        "data": list(data),
        "authority": list(authority),
        "arguments": arguments,
        "recovery": recovery,
    }
    later: dict[str, Any] = {
        "ensures": list(ensures), "on_broken": on_broken, "key": key,
        "undo": None if undo is None else undo.as_json(),
    }  # fmt: skip  # only where it says something: a tool that does not use it keeps its digest
    facts |= {name: value for name, value in later.items() if value}
    return ToolDeclaration(
        name=label,
        effect=None if effect is None else Effect(effect),
        description=about,
        data=tuple(data),
        authority=tuple(authority),
        arguments=arguments,
        price_nano=None if price is None else nano_from_usd(price),
        recovery=recovery,
        digest=digest(facts),
        ensures=tuple(ensures),
        on_broken=on_broken,
        key=key,
        undo=undo,
    )


def label_of(function: Callable[..., Any], name: str | None) -> str:
    """The name of a tool: the one it was given, else its function's."""
    return name or str(getattr(function, "__name__", type(function).__name__))


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature of a callable, or None for those that have none (some built-ins)."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def argument_types(function: Callable[..., Any]) -> dict[str, str]:
    """Parameter name to string | long | decimal | bool | list | record; unannotated ones are records (worst case).

    A "?" at the end says that the argument may be left out or be None.
    """
    signature = signature_of(function)
    if signature is None:
        return {}
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # noqa: BLE001 - annotations are foreign code; without them the worst case holds
        hints = {}
    found = {}
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls") or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            found[parameter.name] = "list"
            continue
        hint = hints.get(parameter.name, parameter.annotation)
        word = "record" if hint is parameter.empty else _word(hint)
        found[parameter.name] = word + "?" if parameter.default is None or _may_be_none(hint) else word
    return found


def bound_arguments(
    signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments by parameter name with defaults filled in, ``**kwargs`` flattened, self and cls left out.

    Raises TypeError when the call does not fit the signature.
    """
    if signature is None:
        return {f"arg{index}": value for index, value in enumerate(args)} | dict(kwargs)
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    found: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            found.update({key: item for key, item in value.items() if key not in found})
        elif name not in ("self", "cls"):
            found[name] = value
    return found


def _may_be_none(hint: Any) -> bool:
    if typing.get_origin(hint) is typing.Annotated:
        return _may_be_none(typing.get_args(hint)[0])
    return typing.get_origin(hint) in (typing.Union, types.UnionType) and type(None) in typing.get_args(hint)


def _word(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _word(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        words = {_word(option) for option in typing.get_args(hint) if option is not type(None)}
        return words.pop() if len(words) == 1 else "record"
    if origin is typing.Literal:
        words = {_word(type(option)) for option in typing.get_args(hint)}
        return words.pop() if len(words) == 1 else "record"
    kind = origin if isinstance(origin, type) else hint
    if not isinstance(kind, type) or dataclasses.is_dataclass(kind):
        return "record"
    return next((word for known, word in _TYPES if issubclass(kind, known)), "record")
