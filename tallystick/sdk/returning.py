"""Whether a result is what a function's return annotation says, for annotations that say something of its inside.

Dataclasses, TypedDicts and msgspec structs are compared by msgspec, pydantic models by pydantic, if the program has it
(nothing is imported for it); in lists, optionals and mappings of them too. A plain type (``str``, ``dict``) is not
compared: such annotations promise little and are wrong too often. What cannot be compared is not measured.
"""

from __future__ import annotations

import dataclasses
import datetime
import sys
import typing
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from tallystick.model.contract import MOST_DIFFERENCES, Difference

CONTRACT: Final = "returns"
_KEPT: Final = (
    Decimal,
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    uuid.UUID,
    bytes,
)
_DEEPEST: Final = 8

Compare = Callable[[Any], tuple[Difference, ...]]


def comparison(function: Callable[..., Any]) -> Compare | None:
    """What compares the results of a function with its annotation; None where there is nothing to compare."""
    try:
        hint = typing.get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001 - annotations are foreign code; without them nothing is promised
        return None
    if hint is None or not _says_something(hint, 0):
        return None
    return _by_pydantic(hint) if _has_pydantic(hint, 0) else _by_msgspec(hint)


def _says_something(hint: Any, depth: int) -> bool:
    if dataclasses.is_dataclass(hint) or typing.is_typeddict(hint) or _is_model(hint):
        return True
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return True
    return depth < _DEEPEST and any(_says_something(one, depth + 1) for one in typing.get_args(hint))


def _is_model(hint: Any) -> bool:
    pydantic = sys.modules.get("pydantic")
    model = getattr(pydantic, "BaseModel", None)
    return model is not None and isinstance(hint, type) and issubclass(hint, model)


def _has_pydantic(hint: Any, depth: int) -> bool:
    return _is_model(hint) or (
        depth < _DEEPEST and any(_has_pydantic(one, depth + 1) for one in typing.get_args(hint))
    )


def _by_msgspec(hint: Any) -> Compare | None:
    try:
        msgspec.json.schema(hint)
    except Exception:  # noqa: BLE001 - a type that msgspec does not know is not measured
        return None

    def compare(result: Any) -> tuple[Difference, ...]:
        try:
            msgspec.convert(msgspec.to_builtins(result, builtin_types=_KEPT), hint, builtin_types=_KEPT)
        except msgspec.ValidationError as error:
            return (Difference.of(CONTRACT, str(error)),)
        except (TypeError, RecursionError, OverflowError) as error:
            return (Difference.of(CONTRACT, f"the result is no {_name(hint)}: {type(error).__name__}"),)
        return ()

    return compare


def _by_pydantic(hint: Any) -> Compare | None:
    adapter_class = getattr(sys.modules.get("pydantic"), "TypeAdapter", None)
    if adapter_class is None:
        return None
    adapter = adapter_class(hint)

    def compare(result: Any) -> tuple[Difference, ...]:
        given = result.__dict__ if _is_model(type(result)) and _is_model(hint) else result
        try:
            adapter.validate_python(given)
        except Exception as error:  # noqa: BLE001 - validators are foreign code
            listed = getattr(error, "errors", None)
            if listed is None:
                return (Difference.of(CONTRACT, f"the result is no {_name(hint)}: {type(error).__name__}"),)
            return tuple(
                _told(one) for one in listed(include_input=False, include_url=False)[:MOST_DIFFERENCES]
            )
        return ()

    return compare


def _told(error: Any) -> Difference:
    place = ".".join(str(part) for part in error.get("loc", ()))
    return Difference.of(CONTRACT, f"{place or 'the result'}: {error.get('type', 'it does not fit')}")


def _name(hint: Any) -> str:
    return str(getattr(hint, "__name__", hint))[:80]
