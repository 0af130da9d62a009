"""The write transaction of the trace store: one batch, all or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from tallystick.adapters.blanking import blank
from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.blobs import note
from tallystick.adapters.sqlite.bringing import any_archived, archived_among, archived_of_traces, bring_back
from tallystick.adapters.sqlite.erased import any_erased, erased_among
from tallystick.adapters.sqlite.frames import FrameWriter, Recent
from tallystick.adapters.sqlite.payloads import Packer, pack_source
from tallystick.adapters.sqlite.records import RecordWriter
from tallystick.adapters.sqlite.runs import RunRow, RunTable, pairs_in
from tallystick.adapters.sqlite.shelf import Shelf
from tallystick.adapters.sqlite.tracking import follow
from tallystick.adapters.sqlite.tying import RunTying
from tallystick.model.attributes import BLOBS
from tallystick.model.blob import Blob, named_by
from tallystick.model.errors import ArchiveFault, StoreFault
from tallystick.model.span import Source, Span
from tallystick.model.step import Step
from tallystick.observe import stitch
from tallystick.observe.repeats import repeats
from tallystick.observe.summary import order_of
from tallystick.ports import Blobs, Written
from tallystick.proof.records import source_digest

Pair = tuple[str, str]  # trace id, span id


Stored = dict[Pair, tuple[int, int, int]]  # row number, flags, run number


class WriterMemory:
    """What one process knows of the file it writes to, so that it need not ask; true until a rollback."""

    def __init__(self) -> None:
        self.names = rows.Names()
        self.shapes = rows.Shapes()
        self.sources: dict[bytes, tuple[int, str]] = {}  # row number, digest of its canonical JSON
        self.recent = Recent()

    def forget(self) -> None:
        """Drop everything: what was learnt inside a transaction that was rolled back is not true."""
        self.names.forget()
        self.shapes.forget()
        self.sources.clear()
        self.recent.forget()


@dataclass(slots=True)
class Item:
    """One step on its way in. ``before`` and ``row`` are the start record it replaces, where there is one."""

    step: Step
    span: Span
    run: str = ""
    before: Step | None = None
    row: int | None = None
    mark: rows.Mark | None = None  # the start record's own record
    home: int = 0  # number of the run that the start record was put into


@dataclass(slots=True)
class Batch:
    """What is left of a batch after repeats were taken out."""

    items: list[Item] = field(default_factory=list)
    repeated: list[Pair] = field(default_factory=list)


class BatchWriter:
    """Writes one batch through an open write transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        memory: WriterMemory,
        compress: Callable[[bytes], bytes],
        silent_after: int,
        random_bytes: Callable[[int], bytes],
        shelf: Shelf,
        blobs: Blobs | None,
    ) -> None:
        self._blobs = blobs
        self._random_bytes = random_bytes
        self._shelf = shelf
        self._connection = connection
        self._memory = memory
        self._compress = compress
        self._runs = RunTable(connection, memory.names, memory.shapes, silent_after)

    def write(self, batch: Sequence[tuple[Step, Span]], *, at: int) -> Written:
        """Assign, store and count a batch."""
        known = self._known_traces({step.trace for step, _ in batch})
        self._archived = any_archived(self._connection)
        if self._archived and known:
            self._bring_back(archived_of_traces(self._connection, known.values()))
        if any_erased(self._connection):
            batch = self._bare(batch, known)
        here, fresh = self._sift(batch, known)
        items = fresh.items
        if not items:
            return Written(0, tuple(fresh.repeated), ())
        touched, moved, traces = self._assign(items, known, at)
        for item in items:
            if touched[item.run].erased:
                item.step, item.span = blank(item.step, item.span)
        self._leave(items, touched)
        for item in items:
            if item.before is not None and item.before.ended is not None:
                touched[item.run].recount = True
        groups: dict[str, list[Item]] = {}
        for item in items:
            groups.setdefault(item.run, []).append(item)
        for run, group in groups.items():
            self._count(touched[run], group, here.get(run, {}))
        self._step_rows(items, traces, touched)
        moved += self._tie(items, traces, touched)
        for row in touched.values():
            if row.recount and not self._runs.put_off(row, len(groups.get(row.id, ()))):
                self._runs.recount(row)
        self._runs.save(list(touched.values()), moved, at=at)
        signs = [
            (item.step.trace, item.step.span)
            for item in items
            if item.before is not None and item.before.ended == item.step.ended
        ]
        return Written(len(items) - len(signs), (*fresh.repeated, *signs), tuple(touched))

    def _tie(
        self, items: list[Item], traces: dict[str, int], touched: dict[str, RunRow]
    ) -> list[tuple[str, int]]:
        """Join and part runs as ties say; ``touched`` changes. Also: ids that lead to other runs now, by row number."""
        ties = [tie for item in items for tie in item.step.ties]
        if not ties:
            return []
        connection, memory = self._connection, self._memory

        def bring_back(runs: Iterable[int]) -> None:
            if self._archived:
                self._bring_back(archived_among(connection, runs))

        tying = RunTying(
            connection, self._runs, memory.shapes, self._shelf, bring_back, self._source, self._random_bytes
        )
        return tying.settle(ties, traces, touched)

    def _bring_back(self, runs: Sequence[int]) -> None:
        """Take runs out of the archive: what comes now may repeat, end or join their steps."""
        for number in runs:
            try:
                bring_back(self._connection, self._shelf, number, self._compress, self._memory.recent)
            except StoreFault as error:
                raise ArchiveFault(
                    f"its run is in the archive and cannot be brought back: {error.message}", hint=error.hint
                ) from error

    def _bare(
        self, batch: Sequence[tuple[Step, Span]], traces: dict[str, tuple[int, int]]
    ) -> Sequence[tuple[Step, Span]]:
        """The batch without the contents of what comes for erased runs: who sends again must not bring them back.

        It is done before the batch is looked at, because a conversation that an erased run had leads nowhere any more.
        """
        numbers, ids = erased_among(
            self._connection, {run for _, run in traces.values()}, {step.run for step, _ in batch if step.run}
        )
        if not numbers and not ids:
            return batch
        gone = {trace for trace, (_, run) in traces.items() if run in numbers}
        return [
            blank(step, span) if (step.run in ids if step.run else step.trace in gone) else (step, span)
            for step, span in batch
        ]

    def _count(self, row: RunRow, group: list[Item], here: dict[str, bool]) -> None:
        steps = [(item.step, item.before) for item in group]
        if self._runs.may_repeat(row, steps, inside_models=any(here.values())):
            if not row.fresh:
                row.recount = True  # from the rows, once they are written
                return
            _mark(group)
            steps = [(item.step, None) for item in group]  # a new run replaces no start record
        self._runs.count(row, steps, here)

    def _known_traces(self, ids: set[str]) -> dict[str, tuple[int, int]]:
        found = pairs_in(
            self._connection,
            "SELECT id, no, run FROM trace WHERE id IN ({})",
            [bytes.fromhex(trace) for trace in ids],
        )
        return {row[0].hex(): (row[1], row[2]) for row in found}

    def _sift(
        self, batch: Sequence[tuple[Step, Span]], traces: dict[str, tuple[int, int]]
    ) -> tuple[dict[str, dict[str, bool]], Batch]:
        """Take out repeats and join start and end records.

        Also say which of the batch's spans and parents came earlier: run -> trace + span -> is it a model call that
        a step of this batch lies inside.
        """
        stored = self._stored(batch, traces)
        fresh = Batch()
        seen: dict[Pair, Item] = {}
        for step, span in batch:
            pair = (step.trace, step.span)
            held = seen.get(pair)
            if held is None:
                row = stored.get(pair) if stored else None
                if row is None:
                    seen[pair] = item = Item(step, span)
                    fresh.items.append(item)
                    continue
                if row[1] & rows.ENDED and not (step.derived and self._runs.started(row[0]) > step.started):
                    fresh.repeated.append(pair)
                    continue
                before, mark = self._runs.step(row[0])
                if not stitch.adds_to(step, before):
                    fresh.repeated.append(pair)
                    continue
                seen[pair] = item = Item(step, span, before=before, row=row[0], mark=mark, home=row[2])
                fresh.items.append(item)
            elif stitch.adds_to(step, held.step):
                held.step, held.span = step, span
                if step.ended is None:
                    fresh.repeated.append(pair)
            else:
                fresh.repeated.append(pair)
        here: dict[str, dict[str, bool]] = {}
        if stored:
            ids = self._runs.ids({row[2] for row in stored.values()})
            parents = {(item.step.trace, item.step.parent) for item in fresh.items}
            for (trace, one), row in stored.items():
                around = row[1] & rows.MODEL != 0 and (trace, one) in parents
                here.setdefault(ids[row[2]], {})[trace + one] = around
        return here, fresh

    def _stored(self, batch: Sequence[tuple[Step, Span]], traces: dict[str, tuple[int, int]]) -> Stored:
        """Rows of the batch's spans, and of their parents, that came earlier."""
        stored: Stored = {}
        if not traces:
            return stored
        wanted: dict[str, set[str]] = {trace: set() for trace in traces}
        for step, _ in batch:
            ids = wanted.get(step.trace)
            if ids is not None:
                ids.add(step.span)
                if step.parent is not None:
                    ids.add(step.parent)
        for trace, ids in wanted.items():
            found = pairs_in(
                self._connection,
                "SELECT span, id, flags, run FROM step WHERE trace=? AND span IN ({})",
                list(map(bytes.fromhex, ids)),
                (traces[trace][0],),
            )
            for row in found:
                stored[trace, row[0].hex()] = row[1:]
        return stored

    def _assign(
        self, items: list[Item], known_traces: dict[str, tuple[int, int]], at: int
    ) -> tuple[dict[str, RunRow], list[tuple[str, int]], dict[str, int]]:
        """Give every item its run; make new runs, merge those that turned out to be one. Also: trace row numbers."""
        steps = [item.step for item in items]
        keys = stitch.keys_of(steps)
        known, by_id = self._runs.known(
            keys,
            {trace: run for trace, (_, run) in known_traces.items()},
            {step.run for step in steps if step.run},
        )
        if self._archived:
            self._bring_back(archived_among(self._connection, [row.no for row in by_id.values()]))
        decided = stitch.assign(steps, known)
        touched: dict[str, RunRow] = {}
        for item, run in zip(items, decided.runs, strict=True):
            item.run = run
            if run not in touched:
                touched[run] = by_id.get(run) or self._runs.new(run, stamped=run in decided.stamped, at=at)
        for run in decided.stamped & touched.keys():
            touched[run].stamped = True
        moved = self._runs.merge(decided.merged, touched, by_id)
        traces = {trace: number for trace, (number, _) in known_traces.items()}
        self._runs.remember(decided.keys, traces, {step.trace for step in steps}, touched)
        return touched, moved, traces

    def _leave(self, items: list[Item], touched: dict[str, RunRow]) -> None:
        """A start record whose end names another run leaves its run: both are counted anew."""
        for item in items:
            if item.row is None or item.home == touched[item.run].no:
                continue
            touched[item.run].recount = True
            follow(self._connection, item.home, touched[item.run].no)
            left = self._runs.by_number(item.home)
            if left is not None:  # else it was merged, and moved with its run
                touched.setdefault(left.id, left).recount = True

    def _step_rows(self, items: list[Item], traces: dict[str, int], touched: dict[str, RunRow]) -> None:
        connection, shapes = self._connection, self._memory.shapes
        scrubs = self._memory.recent.scrubs
        frames = FrameWriter(connection, self._compress, self._memory.recent)
        if self._memory.recent.scrubs != scrubs:
            self._memory.names.forget()  # an erasure may have taken names away
        pack, add = Packer(frames.keep).pack, frames.add
        new: list[tuple[Any, ...]] = []
        changed: list[tuple[Any, ...]] = []
        records = RecordWriter(connection, touched, self._random_bytes(RecordWriter.SALT * len(items)))
        blobs: list[tuple[int, Blob]] = []
        source, source_id, digest = None, 0, ""
        shape_of, to_row, numbers = rows.shape_of, rows.to_row, {run: row.no for run, row in touched.items()}
        for item in items:
            step, span = item.step, item.span
            if span.source is not source:
                source = span.source
                source_id, digest = self._source(source)
            shape = shape_of(step)
            number = shapes.numbers.get(shape) or shapes.number(connection, shape)
            mark = records.next(item.run)
            frames.run = run = numbers[item.run]
            row = to_row(step, run, traces[step.trace], source_id, add(pack(step, span)), number, mark)
            records.add(step, span, digest, erased=touched[item.run].erased)
            if BLOBS in span.attributes:
                blobs += [(run, blob) for blob in named_by(span)]
            if item.row is None:
                new.append(row)
            else:
                changed.append((*row, item.row))
                records.replace(item.mark, mark, item.row)
        records.flush()
        frames.flush()
        frames.track()
        if blobs:
            note(connection, blobs, self._blobs)
        rows.insert(connection, new)
        if changed:
            connection.executemany(rows.UPDATE, changed)

    def _source(self, source: Source) -> tuple[int, str]:
        body = pack_source(source)
        digest = sha256(body).digest()[:16]
        held = self._memory.sources.get(digest)
        if held is None:
            row = self._connection.execute("SELECT id FROM source WHERE digest=?", (digest,)).fetchone()
            if row is None:
                row = self._connection.execute(
                    "INSERT INTO source (digest, body) VALUES (?,?) RETURNING id", (digest, body)
                ).fetchone()
            held = self._memory.sources[digest] = (int(row[0]), source_digest(source))
        return held


def _mark(group: list[Item]) -> None:
    """Mark the steps of a run that is new in this batch which repeat others of it."""
    steps = sorted([item.step for item in group], key=lambda step: order_of(step)[:2])
    same_as = repeats(steps)
    for item in group:
        target = same_as.get(item.step.span)
        if target != item.step.same_as:
            item.step = replace(item.step, same_as=target)
