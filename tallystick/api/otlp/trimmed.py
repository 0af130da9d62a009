"""Trimmed protobuf schemas: the framing of a message by the runtime (upb), its leaves as bytes.

Attributes, text, scope and status are left as bytes: what the runtime would refuse a whole request for (text that is
not UTF-8, a damaged attribute) is found by the reader and costs one span.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tallystick.api.otlp.batch import Unreadable
from tallystick.api.otlp.locate import locate_fault
from tallystick.api.otlp.values import read_attributes, read_scope, read_text
from tallystick.app.recording.record import Rejection
from tallystick.model.errors import BadInput
from tallystick.model.span import Source

BYTES, FIXED64, UINT32, INT32, MESSAGE = 12, 6, 13, 5, 11
ONE, MANY = 1, 3

# message -> its fields: name, number, type, label, message inside
Schema: TypeAlias = dict[str, tuple[tuple[str, int, int, int, str], ...]]
RESOURCE: Final = (("attributes", 1, BYTES, MANY, ""),)


def compile_schema(messages: Schema, root: str) -> Any:
    """Build a trimmed schema and return the class of its message ``root``."""
    package = f"tallystick.otlp.{root.lower()}"
    file = descriptor_pb2.FileDescriptorProto(
        name=f"tallystick/otlp_{root.lower()}.proto", package=package, syntax="proto3"
    )
    for message, fields in messages.items():
        described = file.message_type.add(name=message)
        for name, number, kind, label, type_name in fields:
            field = described.field.add(name=name, number=number)
            field.type = kind
            field.label = label
            if type_name:
                field.type_name = f".{package}.{type_name}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{root}"))


def source_of(group: Any, part: Any) -> Source:
    """Who sent what is in one scope. Raises Unreadable."""
    name, version = read_scope(part.scope)
    schema = text_of(part.schema_url, "the schema URL") or text_of(group.schema_url, "the schema URL")
    return Source(read_attributes(group.resource.attributes), name, version, schema)


def text_of(raw: bytes, what: str) -> str:
    """A text that many spans share. Raises Unreadable, naming ``what`` it is."""
    try:
        return read_text(raw)
    except UnicodeDecodeError as error:
        raise Unreadable(f"{what} is not UTF-8: {error.reason} at byte {error.start}") from None


def parse(schema: Any, body: bytes, *, root: str, what: str, message: str) -> Any:
    """A body as the message ``message`` of OTLP. Raises BadInput that names the byte and the place of the fault."""
    try:
        return schema.FromString(body)
    except DecodeError as error:
        place = locate_fault(body, root)
        raise BadInput(
            f"not an OTLP {what} request: {place or error}",
            hint=f"send a serialised {message}, complete and not compressed twice",
        ) from error


def rejection_of(raw: Any, reason: str) -> Rejection:
    """A span or log record that is refused, by the ids that it claims, however long they are."""
    return Rejection(raw.trace_id[:32].hex(), raw.span_id[:32].hex(), reason)
