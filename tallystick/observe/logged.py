"""Which log records tell of a call that a span tells of too, so that each is counted once.

A record repeats the span that it lies in when both are of one kind; else the span with its response or call id; else
the span of a compatible call that was open when the record was written (or had ended moments before), the nearest end
first. A span takes one record of a call that went well that way, and any number of failed attempts. Where only the
record knows the tokens, the span repeats the record.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

from tallystick.model.step import Kind, Step, StepStatus

_LATE_NS: Final = 250_000_000  # how long after its span's end a record may be written
_NEAREST: Final = 64  # spans looked at for one record


def is_log(step: Step) -> bool:
    """Whether a step stands for a log record."""
    return step.facts is not None and "log" in step.facts


def logged(logs: Sequence[Step], steps: Sequence[Step], by_id: Mapping[str, Step]) -> dict[str, str]:
    """Span id -> span id of the step it repeats, for log steps and for spans that know less than their record."""
    same: dict[str, str] = {}
    left: list[Step] = []
    for log in logs:
        around = by_id.get(log.parent or "")
        if around is None or is_log(around) or not _tells_the_same(log, around):
            left.append(log)
        else:
            _join(log, around, same)
    for kind in (Kind.MODEL, Kind.TOOL):
        mine = [log for log in left if log.kind is kind]
        if mine:
            spans = [step for step in steps if step.kind is kind and not step.derived and not is_log(step)]
            _by_id(mine, spans, same)
            _by_time([log for log in mine if log.span not in same], spans, same)
    return same


def _tells_the_same(log: Step, around: Step) -> bool:
    if log.kind is Kind.OTHER:  # an exception that its span ended with is one error, not two
        return (
            log.status is StepStatus.ERROR and around.status is StepStatus.ERROR and log.error == around.error
        )
    return log.kind is around.kind


def _join(log: Step, span: Step, same: dict[str, str]) -> None:
    if log.kind is Kind.MODEL and _silent(span) and not _silent(log) and span.span not in same:
        same[span.span] = log.span
    else:
        same[log.span] = same.get(span.span, span.span)


def _silent(step: Step) -> bool:
    return step.usage.input_tokens is None and step.usage.output_tokens is None


def _name(step: Step) -> str | None:
    return step.response_id if step.kind is Kind.MODEL else step.call_id


def _by_id(logs: Sequence[Step], spans: Sequence[Step], same: dict[str, str]) -> None:
    named = {name: step for step in reversed(spans) if (name := _name(step)) is not None}
    for log in logs:
        span = named.get(_name(log) or "")
        if span is not None:
            _join(log, span, same)


def _by_time(logs: Sequence[Step], spans: Sequence[Step], same: dict[str, str]) -> None:
    ended = sorted(
        ((step.ended, step.span, step) for step in spans if step.ended is not None), key=lambda e: e[:2]
    )
    ends = [end for end, _, _ in ended]
    pairs: list[tuple[int, str, str, Step, Step]] = []
    for log in logs:
        at = log.ended or log.started
        first = bisect_left(ends, at - _LATE_NS)
        for end, _, span in ended[first : first + _NEAREST]:
            if span.started <= at and _compatible(log, span):
                pairs.append((abs(end - at), log.span, span.span, log, span))
    taken: set[str] = set()
    for _, _, _, log, span in sorted(pairs, key=lambda pair: pair[:3]):
        failed = log.status is StepStatus.ERROR
        if log.span in same or (span.span in taken and not failed):
            continue
        if not failed:
            taken.add(span.span)
            _join(log, span, same)
        else:
            same[log.span] = same.get(span.span, span.span)


def _compatible(log: Step, span: Step) -> bool:
    mine, its = _name(log), _name(span)
    if mine is not None and its is not None:
        return False  # equal ones were joined before: these are two calls
    if log.kind is Kind.TOOL:
        return log.tool == span.tool
    if (
        log.model
        and span.model
        and not (log.model.startswith(span.model) or span.model.startswith(log.model))
    ):
        return False
    first, second = log.usage.input_tokens, span.usage.input_tokens
    return first is None or second is None or first == second
