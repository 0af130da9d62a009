"""Thrift's compact protocol, as far as the headers and footers of Parquet files need it.

A struct is a mapping from the numbers of its fields to values: ``int``, ``bytes``, ``list`` of structs or of one of the
others, or another struct. Whole numbers are written by their type (``I32``, ``I64``), which makes no difference to the
bytes but for the mark of the type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

I32: Final = 5
I64: Final = 6
BINARY: Final = 8
LIST: Final = 9
STRUCT: Final = 12
_TRUE, _FALSE, _BYTE, _I16, _DOUBLE, _SET = 1, 2, 3, 4, 7, 10
_DEEPEST: Final = 16


class Damaged(Exception):
    """What was read is not whole, or is something else."""


Field = tuple[int, Any]  # type, value; of a list the value is (type of its items, items)
Fields = Mapping[int, Field]


def write_struct(fields: Fields) -> bytes:
    """A struct as bytes. Fields are given by number with their type."""
    made = bytearray()
    last = 0
    for number in sorted(fields):
        kind, value = fields[number]
        if number - last <= 15:
            made.append((number - last) << 4 | kind)
        else:
            made.append(kind)
            made += _varint(_zigzag(number))
        made += _value(kind, value)
        last = number
    made.append(0)
    return bytes(made)


def _value(kind: int, value: Any) -> bytes:
    if kind in (I32, I64):
        return _varint(_zigzag(value))
    if kind == BINARY:
        return _varint(len(value)) + bytes(value)
    if kind == STRUCT:
        return write_struct(value)
    of, items = value
    size = len(items)
    head = bytes([size << 4 | of]) if size < 15 else bytes([0xF0 | of]) + _varint(size)
    return head + b"".join([_value(of, item) for item in items])


def structs(items: Sequence[Fields]) -> Field:
    """A field that is a list of structs."""
    return LIST, (STRUCT, items)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def read_struct(data: bytes, at: int = 0) -> tuple[dict[int, Any], int]:
    """A struct as the values of its fields, and where it ends. Raises Damaged for what is none."""
    reader = _Reader(data, at)
    try:
        return reader.struct(0), reader.at
    except IndexError:
        raise Damaged("it ends too soon") from None


class _Reader:
    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def struct(self, depth: int) -> dict[int, Any]:
        found: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._number()
            found[number] = self._read(head & 15, depth + 1, in_list=False)
        return found

    def _read(self, kind: int, depth: int, *, in_list: bool) -> Any:
        if depth > _DEEPEST:
            raise Damaged("it is nested too deeply")
        if kind in (_TRUE, _FALSE):
            return (self._byte() if in_list else kind) == _TRUE
        if kind in (_I16, I32, I64):
            return self._number()
        if kind == BINARY:
            return self._bytes(self._unsigned())
        if kind in (LIST, _SET):
            head = self._byte()
            size = head >> 4 if head >> 4 < 15 else self._unsigned()
            if size > len(self.data):
                raise Damaged("a list is longer than the file")
            return [self._read(head & 15, depth + 1, in_list=True) for _ in range(size)]
        if kind == STRUCT:
            return self.struct(depth)
        if kind == _BYTE:
            return self._byte()
        if kind == _DOUBLE:
            return self._bytes(8)
        raise Damaged(f"type {kind} is not known")

    def _byte(self) -> int:
        value = self.data[self.at]
        self.at += 1
        return value

    def _bytes(self, size: int) -> bytes:
        value = self.data[self.at : self.at + size]
        if len(value) != size:
            raise IndexError
        self.at += size
        return value

    def _number(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise Damaged("a number is too large")
