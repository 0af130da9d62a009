"""Record: spans in, steps committed.

The one way into the trace store, used by the OTLP door, the SDK's local sink and the importers alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tallystick.app.recording.pricing import CardNotice
from tallystick.app.recording.redacting import SpanRedactor
from tallystick.cost.rates import RateCard
from tallystick.model.attributes import CLAIMED, LOST
from tallystick.model.errors import ArchiveFault
from tallystick.model.span import Source, Span
from tallystick.model.step import Kind, Step
from tallystick.observe.normalise import read_span
from tallystick.ports import Clock, Counts, Tidings, TraceStore, Written

_MODEL: Final = Kind.MODEL
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16
_END_OF_TIME: Final = 2**63


@dataclass(frozen=True, slots=True)
class Rejection:
    """A span that was refused, and why."""

    trace: str
    span: str
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch of spans; everything counted as accepted is committed. ``repeats``: spans that were here
    already."""

    accepted: int
    repeats: int
    rejected: tuple[Rejection, ...]
    runs: tuple[str, ...]


class Recorder:
    """Redacts, maps, prices and commits batches of spans.

    ``notice`` names the rate card before the first price is kept; ``redactor`` takes out what may not be stored.
    ``believed`` false: nothing vouches for whoever sends (no token was asked for, or a file is read), and it is noted.
    """

    def __init__(
        self, traces: TraceStore, rates: RateCard, clock: Clock, *, notice: CardNotice | None = None,
        redactor: SpanRedactor | None = None, counts: Counts | None = None, believed: bool = True,
    ) -> None:  # fmt: skip
        self._believed = believed
        self._notice = notice
        self._redactor = redactor
        self._counts = counts
        self._traces = traces
        self._rates = rates
        self._clock = clock

    def record(self, spans: Sequence[Span]) -> Receipt:
        """Commit the good spans of a batch in one transaction and name the bad ones.

        Raises StoreFull or StoreFault when nothing was committed; also where the journal cannot take the rate card.
        """
        batch: list[tuple[Step, Span]] = []
        made: list[tuple[str, str]] = []  # steps that no span stands for: they were read out of another one
        rejected: list[Rejection] = []
        given = len(spans)
        if self._redactor is not None:
            self._redactor.begin()
            spans = _redacted(self._redactor, spans, rejected)
        if not self._believed:
            _mark_claimed(spans)
        for span in spans:
            started, ended = span.started, span.ended
            if (
                len(span.trace) != 32 or len(span.span) != 16 or span.trace == _NO_TRACE or span.span == _NO_SPAN
                or ended is None or not 0 <= started <= ended < _END_OF_TIME
            ):  # fmt: skip
                reason = _flaw(span)
                if reason is not None:
                    rejected.append(Rejection(span.trace, span.span, reason))
                    continue
            pairs = read_span(span)
            for step, _ in pairs:
                if step.kind is _MODEL and step.cost_nano is None and step.ended is not None:
                    self._price(step)
            batch += pairs
            if len(pairs) > 1:
                made += [(step.trace, step.span) for step, _ in pairs[1:]]
        receipt = Receipt(0, 0, tuple(rejected), ())
        if batch:
            written = self._write(batch, rejected)
            again = _spans_again(written, made)
            receipt = Receipt(given - len(rejected), again, tuple(rejected), written.runs)
        if self._redactor is not None:
            self._redactor.committed(self._traces)
        if self._counts is not None:
            self._counts.add(_tidings(receipt, spans))
        return receipt

    def _write(self, batch: list[tuple[Step, Span]], rejected: list[Rejection]) -> Written:
        """Commit a batch; where runs cannot be brought back from the archive, only their spans are refused."""
        try:
            return self._traces.write(batch, at=self._clock.now())
        except ArchiveFault as fault:
            traces = list(dict.fromkeys(step.trace for step, _ in batch))
            if len(traces) == 1:
                reason = f"{fault.message} ({fault.hint})" if fault.hint else fault.message
                rejected.extend(
                    Rejection(step.trace, step.span, reason) for step, _ in batch if not step.derived
                )
                return Written(0, (), ())
        first = set(traces[: len(traces) // 2])
        parts = [[pair for pair in batch if (pair[0].trace in first) is half] for half in (True, False)]
        one, other = (self._write(part, rejected) for part in parts)
        runs = tuple(dict.fromkeys((*one.runs, *other.runs)))
        return Written(one.steps + other.steps, one.repeated + other.repeated, runs)

    def _price(self, step: Step) -> None:
        """Put the price into a step, which nobody else holds yet: a copy would cost more than the price does."""
        nano, gap = self._rates.price(step.provider, step.model, step.usage, at=step.started)
        if gap == "no usage" and step.status in ("error", "stopped"):
            return  # a call that failed or was never sent was not billed
        step.cost_nano, step.cost_gap = nano, gap
        if nano is not None and self._notice is not None:
            self._notice.give()


def _spans_again(written: Written, made: Sequence[tuple[str, str]]) -> int:
    """How many spans of a batch were here already. A step that was ``made`` out of one comes again with every later
    call of its conversation, and nobody sent that one again."""
    if not written.repeated:
        return 0
    return (Counter(written.repeated) - Counter(made)).total()


def _mark_claimed(spans: Sequence[Span]) -> None:
    """Note in the sources of spans that nothing vouches for their sender. A batch has few sources."""
    made: dict[int, Source] = {}
    for span in spans:
        source = span.source
        marked = made.get(id(source))
        if marked is None:
            marked = made[id(source)] = replace(source, resource={**source.resource, CLAIMED: True})
            made[id(marked)] = marked  # also keeps the number from being given to another source
        span.source = marked


def _redacted(redactor: SpanRedactor, spans: Sequence[Span], rejected: list[Rejection]) -> Sequence[Span]:
    """Spans as they may be stored. One that cannot be looked through to its end is refused, never stored as it is."""
    try:
        return redactor.spans(spans)
    except RecursionError:
        if len(spans) == 1:
            rejected.append(Rejection(spans[0].trace, spans[0].span, "its values are nested too deeply"))
            return ()
    middle = len(spans) // 2
    return [*_redacted(redactor, spans[:middle], rejected), *_redacted(redactor, spans[middle:], rejected)]


def _tidings(receipt: Receipt, spans: Sequence[Span]) -> Tidings:
    """What a batch adds to the store's counts. What its senders dropped is counted again where a batch is repeated."""
    dropped = {}
    cut = sum([span.dropped for span in spans])
    if cut:
        dropped["sender", "attributes, events and links over the sender's limits"] = cut
    lost = sum([_whole(span.attributes[LOST]) for span in spans if LOST in span.attributes])
    if lost:
        dropped["agent", "its spool had no room for a record, as it reported"] = lost
    rejected = Counter(one.reason for one in receipt.rejected) if receipt.rejected else {}
    return Tidings(receipt.accepted, receipt.repeats, rejected, dropped)


def _whole(value: object) -> int:
    return min(value, 2**40) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _flaw(span: Span) -> str | None:
    if len(span.trace) != 32 or span.trace == _NO_TRACE:
        return "trace id is not 16 bytes, or all zero"
    if len(span.span) != 16 or span.span == _NO_SPAN:
        return "span id is not 8 bytes, or all zero"
    if not 0 <= span.started < 2**63:
        return "start time is out of range"
    if span.ended is not None and (span.ended < span.started or span.ended >= 2**63):
        return "end time is before the start, or out of range"
    return None
