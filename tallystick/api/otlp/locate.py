"""Where an OTLP protobuf body is broken: the protobuf runtime only says that it is.

Run once a body was refused, never on good ones: it walks the framing again in plain Python and stops at the fault.
"""

from __future__ import annotations

from typing import Final

from tallystick.api.otlp.batch import Unreadable
from tallystick.api.otlp.values import skip, varint

# message -> {field number: (name, message inside or None, wire type)}; what is not listed is only skipped over
_MESSAGES: Final[dict[str, dict[int, tuple[str, str]]]] = {
    "request": {1: ("resource_spans", "resource")},
    "resource": {1: ("resource", "leaf"), 2: ("scope_spans", "scope"), 1000: ("scope_spans", "scope")},
    "scope": {2: ("spans", "span")},
    "span": {11: ("events", "leaf"), 13: ("links", "leaf")},
    "logs": {1: ("resource_logs", "resource of logs")},
    "resource of logs": {1: ("resource", "leaf"), 2: ("scope_logs", "scope of logs")},
    "scope of logs": {2: ("log_records", "leaf")},
    "metrics": {1: ("resource_metrics", "resource of metrics")},
    "resource of metrics": {1: ("resource", "leaf"), 2: ("scope_metrics", "scope of metrics")},
    "scope of metrics": {2: ("metrics", "leaf")},
    "leaf": {},
}


def locate_fault(body: bytes, message: str = "request") -> str | None:
    """The first broken place as text ("… at byte 1204 in resource_spans[0].scope_spans[0].spans[3]"), or None."""
    return _walk(body, 0, len(body), message, "")


def _walk(body: bytes, at: int, end: int, message: str, path: str) -> str | None:
    counts: dict[int, int] = {}
    inside = f" in {path.removeprefix('.')}" if path else ""
    while at < end:
        start = at
        try:
            tag, at = varint(body, at)
            number = tag >> 3
            if number == 0:
                return f"field number 0 at byte {start}{inside}"
            if tag & 7 != 2:
                at = skip(body, at, tag)
                if at > end:
                    return f"a field at byte {start} runs past its message{inside}"
                continue
            size, at = varint(body, at)
        except IndexError:
            return f"it is cut off in the field at byte {start}{inside}"
        except Unreadable as error:
            return f"{error.message} at byte {start}{inside}"
        name, kind = _MESSAGES[message].get(number, ("", ""))
        index = counts.get(number, 0)
        counts[number] = index + 1
        if at + size > end:
            if end < len(body):
                return f"the field at byte {start} is longer than its message{inside}"
            deeper = _walk(body, at, end, kind, f"{path}.{name}[{index}]") if kind else None
            missing = at + size - end
            return (
                deeper
                or f"it is cut off at byte {end}: {missing} bytes of the field at byte {start} are missing{inside}"
            )
        if kind:
            fault = _walk(body, at, at + size, kind, f"{path}.{name}[{index}]")
            if fault is not None:
                return fault
        at += size
    return None
