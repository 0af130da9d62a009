"""Editing: running a tool with the arguments that a person put in place of the model's, and with nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tallystick.model.errors import BadInput
from tallystick.sdk.values import plain

_BARE: Final = (str, int, float, bool)


def can_edit(signature: inspect.Signature | None) -> bool:
    """Whether a call can be made again with other arguments: each is a parameter of its own."""
    if signature is None:
        return False
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return not any(one.kind in variable for one in signature.parameters.values())


def edited_call(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any], approved: Mapping[str, Any],
    changed: Sequence[str],
) -> tuple[tuple[Any, ...], dict[str, Any]]:  # fmt: skip
    """The call with changed arguments in the types of those they replace.

    Raises BadInput where what would run is not exactly what was approved.
    """
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    for name in changed:
        hint = signature.parameters[name].annotation
        bound.arguments[name] = _as(bound.arguments[name], hint, approved[name])
    runs = {name: value for name, value in bound.arguments.items() if name not in ("self", "cls")}
    if plain(runs) != dict(approved):
        raise BadInput(
            "the changed arguments cannot be given to this tool as they were approved",
            hint="change arguments that are text, numbers, yes or no, or lists of them",
        )
    return bound.args, dict(bound.kwargs)


def _as(before: Any, hint: Any, value: Any) -> Any:
    """A value as the type that the tool had there, or asks for; as it came where that is none of the plain types."""
    if isinstance(before, Decimal) or hint in (Decimal, "Decimal"):
        try:
            return Decimal(str(value))
        except ArithmeticError as error:
            raise BadInput(f"{value!r} is no amount") from error
    wanted = type(before)
    if wanted is float and type(value) is int:
        return float(value)
    if wanted in _BARE and type(value) is not wanted:
        raise BadInput(f"{value!r} is no {wanted.__name__}")
    return value
