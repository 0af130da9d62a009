"""The file format of the spool: frames with a length and a checksum, each holding one msgpack record.

A segment begins with MAGIC. A frame is ``<II`` (length of the payload, CRC-32 of the payload) and the payload. A record
is an array whose first item says what it is:

- ``[0, index, resource, scope, scope_version, schema_url]``: a source; records of the same segment name it by index.
- ``[1, source, trace, span, parent, name, started, ended, kind, status, message, attributes, events, links, dropped,
  stamp, seq]``: a span; ids are raw bytes, ``ended`` is nil in a start record, events are ``[name, at, attributes]``,
  links ``[trace, span, attributes]``. The attributes in ``stamp`` (a mapping) and the sequence number ``seq`` are put
  on the span when it is read; both may be nil, or missing altogether.
- ``[2, total]``: how many records this owner has reported as lost so far.

Segments are allocated before they are filled, so whole frames are followed by zeros. The checksum begins with SEED,
so that no frame is all zeros: the zeros end the segment. Anything else after the last whole frame is a torn tail.
Segments that begin with OLD_MAGIC have the same records under a checksum that begins with 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any
from zlib import crc32

import msgspec

from tallystick.model import attributes as names
from tallystick.model.span import Event, Link, Source, Span

MAGIC = b"TLYSPOOL2\n"
OLD_MAGIC = b"TLYSPOOL1\n"
SEED = 0x7A11  # where the checksum begins
SOURCE, SPAN, REPORTED = 0, 1, 2

HEADER = Struct("<II")
HEADER_SIZE = HEADER.size
_decoder = msgspec.msgpack.Decoder()


def frame(payload: bytes, seed: int = SEED) -> bytes:
    """One frame around a payload."""
    return HEADER.pack(len(payload), crc32(payload, seed)) + payload


def read_frames(data: bytes, start: int = 0, seed: int = SEED) -> Iterator[tuple[bytes, int]]:
    """Yield (payload, offset after the frame) for each whole frame from ``start``; stop at the first that is not."""
    at, size = start, len(data)
    while at + HEADER_SIZE <= size:
        length, checksum = HEADER.unpack_from(data, at)
        end = at + HEADER_SIZE + length
        if end > size:
            return
        payload = data[at + HEADER_SIZE : end]
        if crc32(payload, seed) != checksum:
            return
        yield payload, end
        at = end


class RecordReader:
    """Turns payloads of one segment into spans; remembers the sources and the loss report it has passed."""

    def __init__(self) -> None:
        self._sources: dict[int, Source] = {}
        self.reported = 0

    def read(self, payload: bytes) -> Span | None:
        """The span in a payload, or None when the record is a source or a loss report."""
        record = _decoder.decode(payload)
        what = record[0]
        if what == SPAN:
            return self._span(record)
        if what == SOURCE:
            _, index, resource, scope, version, schema = record
            self._sources[index] = Source(resource, scope, version, schema)
        elif what == REPORTED:
            self.reported = record[1]
        return None

    def _span(self, record: list[Any]) -> Span:
        (_, source, trace, span, parent, name, started, ended, kind, status, message, attributes,
         events, links, dropped) = record[:15]  # fmt: skip
        if len(record) > 15:
            _put_stamp(attributes, record[15], record[16])
        return Span(
            trace.hex(),
            span.hex(),
            None if parent is None else parent.hex(),
            name,
            started,
            ended,
            self._sources.get(source) or Source(),
            kind,
            status,
            message,
            attributes,
            tuple(Event(*event) for event in events) if events else (),
            tuple(Link(trace.hex(), span.hex(), facts) for trace, span, facts in links) if links else (),
            dropped,
        )


def _put_stamp(attributes: dict[str, Any], stamp: dict[str, Any] | None, seq: int | None) -> None:
    if stamp is not None:
        own = attributes.get(names.AGENT) or attributes.get("gen_ai.agent.name")
        attributes.update(stamp)
        if own is not None:  # the span speaks of an agent itself; the stamp's agent is only the one around it
            attributes[names.AGENT] = own
    if seq is not None:
        attributes[names.SEQ] = seq
