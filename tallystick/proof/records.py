"""Records: what the journal holds of a span (docs/reference/proof-format.md, section 5). This is the definition.

A record's leaf names the span and says how Tallystick read it when it arrived; the span itself, the *content*, is held
by a salted commitment. Writers have a faster way to the same bytes (adapters/recording.py); a property test holds
the two together. Nothing but the standard library and ``rfc8785`` is needed here, so that a verifier may use it.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final

from tallystick.model.canonical import canonical_json, digest_bytes
from tallystick.model.errors import BadInput
from tallystick.model.span import Event, Link, Source, Span
from tallystick.model.step import Step
from tallystick.model.usage import NO_USAGE
from tallystick.proof.merkle import leaf_hash

RECORD_VERSION: Final = (
    3  # grows whenever spans are read in another way, so that an old reading is not called false
)
EXACT: Final = 2**53 - 1  # integers beyond are no JSON numbers
BITS: Final = 4096  # of an integer beyond this only the size is recorded, as the stores do
_COUNTS: Final = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens",
)  # fmt: skip
_FIELDS: Final = frozenset(
    ("attributes", "dropped", "events", "kind", "links", "message", "name", "source", "status")
)


def source_digest(source: Source) -> str:
    """The digest by which contents name their source. Raises BadInput for values that no attribute may have."""
    return digest_bytes(source_bytes(source))


def source_bytes(source: Source) -> bytes:
    """The canonical JSON of ``[resource attributes, scope name, scope version, schema URL]``."""
    return canonical_json([
        plain_map(source.resource), plain(source.scope), plain(source.scope_version), plain(source.schema_url)
    ])  # fmt: skip


def source_of(value: Any) -> Source:
    """The source whose canonical JSON was decoded to ``value``. Raises BadInput."""
    try:
        resource, scope, version, schema = value
        return Source(_attributes(resource), _text(scope), _text(version), _text(schema))
    except _WRONG as error:
        raise BadInput(f"this is not a source: {error!r}") from error


def content_of(span: Span, source: str) -> dict[str, Any]:
    """The whole span, but for its place and times, in JSON's own types; ``source`` is its source's digest."""
    return {
        "attributes": plain_map(span.attributes),
        "dropped": plain(span.dropped),
        "events": [[plain(one.name), str(one.at), plain_map(one.attributes)] for one in span.events],
        "kind": plain(span.kind),
        "links": [[plain(one.trace), plain(one.span), plain_map(one.attributes)] for one in span.links],
        "message": plain(span.status_message),
        "name": plain(span.name),
        "source": source,
        "status": plain(span.status),
    }


def content_bytes(span: Span, source: str) -> bytes:
    """What a record commits to: the canonical JSON of the content. Raises BadInput for what no attribute may be."""
    try:
        return canonical_json(content_of(span, source))
    except RecursionError as error:
        raise BadInput("this span is nested too deeply") from error


def span_of(
    content: Mapping[str, Any], trace: str, span: str, parent: str | None, started: int, ended: int | None,
    source: Source,
) -> Span:  # fmt: skip
    """The span that ``content_of`` was made from (lists for tuples). Raises BadInput for anything else."""
    try:
        if content.keys() != _FIELDS:
            raise BadInput("a content has other fields than it should")
        return Span(
            trace, span, parent, _text(content["name"]), started, ended, source, _number(content["kind"]),
            _number(content["status"]), value_of(content["message"]), _attributes(content["attributes"]),
            tuple([Event(_text(name), _time(at), _attributes(more)) for name, at, more in content["events"]]),
            tuple([Link(_text(one), _text(two), _attributes(more)) for one, two, more in content["links"]]),
            _number(content["dropped"]),
        )  # fmt: skip
    except _WRONG as error:
        raise BadInput(f"this is not the content of a record: {error!r}") from error


def reading_of(step: Step) -> dict[str, Any]:
    """How Tallystick reads a span: what of its step has a value and is no content."""
    usage, facts = step.usage, step.facts
    counts = {} if usage is NO_USAGE else {
        name: count for name in _COUNTS if (count := getattr(usage, name)) is not None
    }  # fmt: skip
    said = {name: value for name, value in facts.items() if name != "goal"} if facts else {}
    reading = {
        "agent": step.agent, "call_id": step.call_id, "cost_gap": step.cost_gap, "cost_nano": step.cost_nano,
        "decision": step.decision, "derived": step.derived or None, "dialect": step.dialect or None,
        "dropped": step.dropped or None, "effect": None if step.effect is None else step.effect.value,
        "exclusive_input": step.exclusive_input or None, "facts": said or None, "kind": step.kind.value,
        "model": step.model, "outcome": None if step.outcome is None else step.outcome.value,
        "provider": step.provider, "response_id": step.response_id, "seq": step.seq, "status": step.status.value,
        "tool": step.tool, "usage": counts or None, "workflow": step.workflow,
    }  # fmt: skip
    return {name: value for name, value in reading.items() if value is not None}


def record_leaf(
    span: Span, reading: Mapping[str, Any], commitment: str, version: int = RECORD_VERSION
) -> bytes:
    """The record's leaf; ``reading`` is that of ``reading_of``. Raises BadInput for what has no canonical JSON."""
    return canonical_json({
        "content": commitment, "ended": None if span.ended is None else str(span.ended), "parent": span.parent,
        "span": span.span, "started": str(span.started), "step": reading, "trace": span.trace, "v": version,
    })  # fmt: skip


def record_hash(leaf: bytes) -> bytes:
    """A record's leaf hash (32 bytes), which its segment's Merkle root covers."""
    return leaf_hash(leaf)


def charge_leaf(trace: str, span: str, nano: int | None, gap: str | None) -> bytes:
    """One leaf of the tree that ``run.charged`` names: what a step cost, or why nobody knows."""
    return canonical_json({"gap": gap, "nano": nano, "span": span, "trace": trace})


# ── values that JSON does not have ──────────────────────────────────────────────────────────────────────────────


def plain(value: Any) -> Any:
    """An attribute's value in JSON's own types. Raises BadInput for what no attribute may be."""
    if isinstance(value, str):
        return _plain_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _plain_int(value)
    if isinstance(value, float):
        return _plain_float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": b64encode(bytes(value)).decode()}
    if isinstance(value, Mapping):
        return plain_map(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise BadInput(
        f"an attribute cannot be a {type(value).__name__}", hint="use text, numbers, lists and mappings"
    )


def plain_map(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping of attributes in JSON's own types."""
    made = {plain_key(name): plain(value) for name, value in attributes.items()}
    if len(made) == 1:
        ((name, value),) = made.items()
        if name.startswith("$"):
            return {"$map": [[name, value]]}
    return made


def plain_key(name: Any) -> str:
    """A key as the stores keep it: text, and a question mark for each half of a surrogate pair."""
    text = name if isinstance(name, str) else str(name)
    return str.__str__(text) if text.isascii() else text.encode("utf-8", "replace").decode()


def _plain_text(value: str) -> Any:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return {"$text": b64encode(value.encode("utf-8", "surrogatepass")).decode()}
    return str.__str__(value)


def _plain_int(value: int) -> Any:
    if -EXACT <= value <= EXACT:
        return int(value)
    bits = value.bit_length()
    return f"{bits} bits" if bits >= BITS else {"$int": str(int(value))}


def _plain_float(value: float) -> Any:
    if not isfinite(value):
        return {"$float": "nan" if value != value else "inf" if value > 0 else "-inf"}
    if not value.is_integer():
        return float(value)
    if value == 0 and str(float(value)).startswith("-"):
        return {"$float": "-0"}
    return {"$float": canonical_json(float(value)).decode()}


def value_of(value: Any) -> Any:
    """The attribute value that ``plain`` made this of. Raises BadInput."""
    if isinstance(value, dict):
        return _odd_or_map(value)
    if isinstance(value, list):
        return [value_of(item) for item in value]
    return value


def _odd_or_map(value: dict[str, Any]) -> Any:
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name.startswith("$"):
            read = _ODD.get(name)
            if read is None:
                raise BadInput(f"a content has no values of kind {name[:20]!r}")
            try:
                return read(inner)
            except _WRONG as error:
                raise BadInput(f"a {name} value cannot be read: {error!r}") from error
    return {name: value_of(inner) for name, inner in value.items()}


def _raw(text: str) -> bytes:
    return b64decode(text.encode("ascii"), validate=True)


def _one_pair(pairs: Any) -> dict[str, Any]:
    ((name, value),) = pairs
    return {_text(name): value_of(value)}


def _digits(text: str) -> int:
    if len(text) > 1_300 or not text.isascii() or not text.removeprefix("-").isdigit():
        raise ValueError("not an integer")
    return int(text)


_ODD: Final[Mapping[str, Callable[[Any], Any]]] = {
    "$bytes": _raw,
    "$text": lambda text: _raw(text).decode("utf-8", "surrogatepass"),
    "$int": _digits,
    "$float": float,
    "$map": _one_pair,
}
_WRONG: Final = (KeyError, TypeError, ValueError, AttributeError, BadBase64, RecursionError)


def _attributes(value: Any) -> Mapping[str, Any]:
    found = value_of(value)
    if not isinstance(found, dict):
        raise TypeError("attributes are a mapping")
    return found


def _text(value: Any) -> str:
    found = value_of(value)
    if not isinstance(found, str):
        raise TypeError("this should be text")
    return found


def _number(value: Any) -> int:
    found = value_of(value)
    if not isinstance(found, int) or isinstance(found, bool):
        raise TypeError("this should be a whole number")
    return found


def _time(value: Any) -> int:
    if not isinstance(value, str):
        raise TypeError("a time is decimal text")
    return _digits(value)
