"""The shape of a result: JSON Schema, as a tool's declaration or its server gives it.

The validator is jsonschema-rs: one wheel that needs no other package, 1 µs for a small result, and what decides here:
its patterns take linear time, whatever a stranger's server wrote as a pattern (jsonschema and fastjsonschema use
Python's, which do not), it runs no code made from a schema (fastjsonschema does), and a reference to elsewhere is
refused and never fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final, Protocol

from tallystick.model.canonical import canonical_json
from tallystick.model.contract import MOST_DIFFERENCES, Difference
from tallystick.model.errors import BadInput

CONTRACT: Final = "output"
_PATTERN_BYTES: Final = 1_000_000
_KEPT: Final = 512  # schemas


class _Validator(Protocol):
    def iter_errors(self, instance: Any) -> Any: ...


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raises BadInput for what is no JSON Schema, and for one that refers to another place."""
    _validator(canonical_json(schema))


def shape_differences(schema: Mapping[str, Any], result: Any) -> tuple[Difference, ...]:
    """Where a JSON-ready result does not fit a schema. A schema that cannot be used is a difference itself."""
    try:
        validator = _validator(canonical_json(schema))
    except BadInput as error:
        return (Difference.of(CONTRACT, error.message),)
    try:
        found = list(islice(validator.iter_errors(result), MOST_DIFFERENCES + 1))
    except (ValueError, TypeError, RecursionError) as error:  # what JSON cannot hold
        return (Difference.of(CONTRACT, f"the result cannot be compared: {type(error).__name__}"),)
    return tuple(Difference.of(CONTRACT, _said(one)) for one in found)


def _said(error: Any) -> str:
    place = ".".join(str(part) for part in list(error.instance_path)[:16])
    return f"{place or 'the result'}: {error.message}"


@lru_cache(maxsize=_KEPT)
def _validator(schema: bytes) -> _Validator:
    import jsonschema_rs
    import msgspec

    try:
        made: _Validator = jsonschema_rs.validator_for(
            msgspec.json.decode(schema), retriever=_elsewhere, mask="(what came back)",
            pattern_options=jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES),
        )  # fmt: skip
    except Exception as error:  # its own classes, and ValueError: a schema from a stranger may be anything
        said = str(error).partition("\n")[0][:200]
        raise BadInput(
            f"this is no schema that results can be held against: {said}",
            hint="JSON Schema; references stay inside it, patterns have no look-around",
        ) from error
    return made


def _elsewhere(uri: str) -> Any:
    raise BadInput(f"a schema may not refer to {uri[:100]!r}")
