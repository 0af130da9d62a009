"""The trace store in memory (``ports.TraceStore``), for tests and short-lived programs.

It counts every touched run from its steps, so it is also the yardstick for the sums that the SQLite store keeps.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tallystick.adapters import process
from tallystick.adapters.memory import held as uses_of
from tallystick.adapters.memory.blobs import MemoryBlobbing, MemoryBlobs
from tallystick.adapters.memory.erasing import MemoryErasing
from tallystick.adapters.memory.held import Held, Pair
from tallystick.adapters.memory.matching import matches, page_of
from tallystick.adapters.memory.outlining import OutlineOf
from tallystick.adapters.memory.records import MemoryLogs
from tallystick.adapters.memory.sharing import owners_of, shares, sightings_of
from tallystick.adapters.memory.tallying import TalliesOf
from tallystick.adapters.memory.texts import MemoryTexts
from tallystick.adapters.memory.wholeness import WholenessOf
from tallystick.adapters.naming import unknown_run
from tallystick.model.errors import BadInput
from tallystick.model.query import Query
from tallystick.model.registry import Use
from tallystick.model.run import Run
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe import stitch
from tallystick.observe.completeness import SILENT_AFTER_NS, judge, watched
from tallystick.observe.repeats import repeats
from tallystick.observe.summary import PART_TYPES, SEEN_TYPES, Tally, count_all, run_of
from tallystick.ports import (
    Account,
    Change,
    Charge,
    Flaw,
    Kept,
    Record,
    RunPage,
    Segment,
    Sighting,
    Spend,
    Written,
)  # fmt: skip


class MemoryTraces(MemoryBlobbing, MemoryErasing, MemoryTexts, OutlineOf, WholenessOf, TalliesOf):
    """Runs, steps and spans of this process. The parameters are those of SqliteTraces."""

    def __init__(
        self, *, alive: Callable[[str], bool | None] = process.alive, silent_after: int = SILENT_AFTER_NS,
        random_bytes: Callable[[int], bytes] = os.urandom, blobs: MemoryBlobs | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._logs = MemoryLogs(random_bytes)
        self._alive, self._blobs = alive, blobs
        self._silent_after = silent_after
        self._lock = threading.RLock()
        self._runs: dict[str, Held] = {}
        self._keys: dict[str, str] = {}
        self._home: dict[Pair, str] = {}
        self._aliases: dict[str, tuple[str, int]] = {}
        self._revision = self._arrived = self._numbered = self._uses_revision = 0

    def write(self, batch: Sequence[tuple[Step, Span]], *, at: int) -> Written:
        """Take a batch (see ``ports.TraceStore.write``)."""
        with self._lock:
            fresh, repeated = self._sift(batch)
            if not fresh:
                return Written(0, repeated, ())
            made = self._logs.made(fresh.values())
            decided = self._assign([step for step, _ in fresh.values()], at)
            written = 0
            left: dict[str, None] = {}  # runs that a start record leaves because its end names another one
            for (pair, (step, span)), run, record in zip(fresh.items(), decided.runs, made, strict=True):
                self._logs.add(run, pair, record)
                held = self._runs[run]
                home = self._home.get(pair)
                before = self._take_out(pair)
                if home is not None and home != run:
                    left.setdefault(home)
                written += before is None or before[1].ended != step.ended
                self._arrived += 1
                held.steps[pair] = (before[0] if before else self._arrived, replace(step, run=run), span)
                self._home[pair] = run
            touched = tuple(dict.fromkeys([*decided.runs, *left]))
            for run in touched:
                held = self._runs[run]
                held.seen, held.stale = max(held.seen, at), True
                self._count(held)
                held.verdict = judge(held.tally, now=at, alive=None, silent_after=self._silent_after)
                self._revision += 1
                held.revision = self._revision
            return Written(written, repeated + len(fresh) - written, touched)

    def _sift(self, batch: Sequence[tuple[Step, Span]]) -> tuple[dict[Pair, tuple[Step, Span]], int]:
        """What is new or adds to what is here, joined by span; and the number of repeats."""
        fresh: dict[Pair, tuple[Step, Span]] = {}
        repeated = 0
        for step, span in batch:
            pair = (step.trace, step.span)
            held = fresh[pair][0] if pair in fresh else self._step(pair)
            if held is not None and not stitch.adds_to(step, held):
                repeated += 1
                continue
            repeated += pair in fresh and step.ended is None
            fresh[pair] = (step, span)
        return fresh, repeated

    def _step(self, pair: Pair) -> Step | None:
        home = self._home.get(pair)
        return None if home is None else self._runs[home].steps[pair][1]

    def _take_out(self, pair: Pair) -> tuple[int, Step, Span] | None:
        home = self._home.get(pair)
        if home is None:
            return None
        self._runs[home].stale = True
        return self._runs[home].steps.pop(pair)

    def _assign(self, steps: list[Step], at: int) -> stitch.Assignment:
        keys = {key: self._keys[key] for key in stitch.keys_of(steps) if key in self._keys}
        known = stitch.Known(
            keys, frozenset(run for run, held in self._runs.items() if held.stamped),
            {run: held.no for run, held in self._runs.items()},
        )  # fmt: skip
        decided = stitch.assign(steps, known)
        for run in dict.fromkeys(decided.runs):
            if run not in self._runs:
                self._numbered += 1
                self._runs[run] = Held(self._numbered, run, run in decided.stamped, at, at)
                self._aliases.pop(run, None)
            self._runs[run].stamped |= run in decided.stamped
        for old, new in decided.merged.items():
            if old in self._runs:
                self._merge(old, new)
        self._keys.update(decided.keys)
        return decided

    def _merge(self, old: str, new: str) -> None:
        gone, keeps = self._runs.pop(old), self._runs[new]
        for pair, (arrived, step, span) in gone.steps.items():
            keeps.steps[pair] = (arrived, replace(step, run=new), span)
            self._home[pair] = new
        self._uses_revision += 1
        keeps.listed_steps = 0  # it is listed anew, with what came to it
        keeps.created, keeps.seen = min(keeps.created, gone.created), max(keeps.seen, gone.seen)
        for key, run in self._keys.items():
            if run == old:
                self._keys[key] = new
        for alias, (run, revision) in list(self._aliases.items()):
            if run == old:
                self._aliases[alias] = (new, revision)
        self._revision += 1
        self._aliases[old] = (new, self._revision)

    def _count(self, held: Held) -> None:
        if not held.stale:
            return
        ordered = held.ordered()
        same_as = repeats([step for _, step, _ in ordered])
        for arrived, step, span in ordered:
            marked = (
                step
                if same_as.get(step.span) == step.same_as
                else replace(step, same_as=same_as.get(step.span))
            )
            held.steps[(step.trace, step.span)] = (arrived, marked, span)
        steps = [step for _, step, _ in held.steps.values()]
        held.tally, held.parts = count_all(steps, Tally(created=held.created, seen=held.seen), held.id)
        held.stale = False

    def _sweep(self, now: int) -> None:
        for held in self._runs.values():
            self._count(held)
            if held.verdict is None or held.verdict.completeness == "open":
                owner = watched(held.tally)
                alive = None if owner is None else self._alive(owner)
                verdict = judge(held.tally, now=now, alive=alive, silent_after=self._silent_after)
                if verdict != held.verdict:
                    self._revision += 1
                    held.revision, held.verdict = self._revision, verdict

    def _summary(self, held: Held) -> Run:
        self._count(held)
        verdict = held.verdict
        assert verdict is not None
        run = run_of(held.id, held.tally, verdict.completeness, verdict.status, verdict.missing)
        return replace(run, erased=True) if held.erased else run

    def _chosen(self, query: Query, now: int) -> list[tuple[Held, Run]]:
        self._sweep(now)
        pairs = [(held, self._summary(held)) for held in self._runs.values()]
        return [
            (held, run) for held, run in pairs
            if matches(query, run, held.parts.keys(), said=self.says(held), place=held.place, now=now)
        ]  # fmt: skip

    def runs(self, query: Query, *, now: int, limit: int = 50, before: str | None = None) -> RunPage:
        """Runs that match, newest first."""
        with self._lock:
            found = self._chosen(query, now)
            last = None if before is None else self._get(before)
            return page_of(
                query, [(one.place, run) for one, run in found], limit=max(0, limit),
                after=None if last is None else (last.place, last.id),
            )  # fmt: skip

    def run(self, run: str, *, now: int) -> Run:
        """One run by id. Raises UnknownThing."""
        with self._lock:
            self._sweep(now)
            return self._summary(self._get(run))

    def resolve(self, prefix: str) -> str:
        """The one run id that starts with ``prefix``; ids of merged runs and of traces lead to their run."""
        with self._lock:
            if prefix in self._runs:
                return prefix
            found = {run for run in self._runs if run.startswith(prefix)}
            found |= {run for alias, (run, _) in self._aliases.items() if alias.startswith(prefix)}
            if not found and prefix:
                found = {
                    run for key, run in self._keys.items() if ":" not in key and key.startswith(prefix.lower())
                }  # fmt: skip
            if len(found) == 1 and prefix:
                return found.pop()
            raise unknown_run(prefix, several=len(found) > 1)

    def spans(self, run: str, spans: Iterable[str] | None = None) -> Mapping[str, Span]:
        """The original spans of a run by span id. Unknown span ids are left out."""
        with self._lock:
            wanted = None if spans is None else set(spans)
            found: dict[str, Span] = {}
            for _, step, span in sorted(self._get(run).steps.values(), key=lambda one: one[0]):
                if wanted is None or step.span in wanted:
                    found.setdefault(step.span, span)
            return found

    def spend(self, by: str, query: Query, *, now: int) -> Sequence[Spend]:
        """Cost by agent, tool, workflow, run or model, dearest first; the rows add up to the total of the runs."""
        if by != "run" and by not in PART_TYPES:
            raise BadInput(f"cost cannot be grouped by {by!r}", hint="group by run, " + ", ".join(PART_TYPES))
        with self._lock:
            sums: dict[str | None, list[int]] = {}
            runs: dict[str | None, set[str]] = {}
            for held, run in self._chosen(query, now):
                for key, part in shares(by, run, held.parts):
                    total = sums.setdefault(key, [0] * 6)
                    for index, value in enumerate((
                        part.cost_nano, part.cost_gaps, part.steps, part.input_tokens, part.output_tokens,
                        part.token_gaps,
                    )):  # fmt: skip
                        total[index] += value
                    runs.setdefault(key, set()).add(run.run)
        rows = [Spend(key, t[0], t[1], t[2], len(runs[key]), t[3], t[4], t[5]) for key, t in sums.items()]
        return sorted(rows, key=lambda row: (-row.cost_nano, -row.unknown, row.key is None, row.key or ""))

    def sightings(self, type: str) -> Sequence[Sighting]:
        """What was seen of one type, last seen first."""
        if type not in SEEN_TYPES:
            raise BadInput(f"nothing is sighted by {type!r}", hint="types: " + ", ".join(SEEN_TYPES))
        with self._lock:
            held = [(self._summary(one), one.place, one.parts) for one in self._runs.values()]
        return sightings_of(type, held)

    def changes(self, after: int, *, limit: int = 500) -> Sequence[Change]:
        """Runs changed since a cursor, oldest first."""
        with self._lock:
            if after < 0:
                return [Change(self._revision, "")]
            changes = [Change(held.revision, run) for run, held in self._runs.items()]
            changes += [Change(revision, alias) for alias, (_, revision) in self._aliases.items()]
        return sorted([one for one in changes if one.cursor > after], key=lambda one: one.cursor)[:limit]

    # ── uses ────────────────────────────────────────────────────────────────────────────────────────────────────

    def unlisted(self, *, now: int, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Runs whose uses are not listed as they stand, oldest change first."""
        with self._lock:
            self._sweep(now)
            return uses_of.due(self._runs.values(), limit)

    def list_uses(self, run: str, revision: int, uses: Sequence[Use]) -> None:
        """Put the uses of a run in the place of those it had. UnknownThing for a run that is not here."""
        with self._lock:
            if run not in self._runs:
                raise unknown_run(run)
            uses_of.list_uses(self._runs, self._runs[run], revision, uses)
            self._uses_revision += 1

    def uses_revision(self) -> int:
        """A number that grows whenever a run was listed."""
        return self._uses_revision

    def seen(self) -> Sequence[tuple[str, str]]:
        """Type and name of every agent, tool, model and workflow that was seen."""
        with self._lock:
            runs = [(held.parts, owners_of(self._summary(held))) for held in self._runs.values()]
        return sorted({key for both in runs for keys in both for key in keys if key[0] in SEEN_TYPES})

    def uses(
        self, *, agent: str | None = None, type: str | None = None, name: str | None = None, since: int | None = None,
        run: str | None = None,
    ) -> Sequence[Use]:  # fmt: skip
        """Uses summed up by agent, type, name and detail, in that order; with ``run`` only that run's."""
        with self._lock:
            runs = self._runs.values() if run is None else [self._get(run)]
            rows = [held.uses for held in runs]
            return uses_of.read_uses(rows, agent=agent, type=type, name=name, since=since)

    # ── records ─────────────────────────────────────────────────────────────────────────────────────────────────

    def unattested(self, *, limit: int = 10_000) -> Sequence[Segment]:
        """Records that were not marked as attested, one segment a run at most, oldest runs first."""
        with self._lock:
            return self._logs.unattested(limit)

    def attested(self, marks: Mapping[str, int]) -> None:
        """Mark the first ``n`` records of each run as attested. Marking fewer than before changes nothing."""
        with self._lock:
            self._logs.attested(marks)

    def records(self, run: str) -> Sequence[Record]:
        """All records of a run and of the runs that were merged into it, by log and number. Raises UnknownThing."""
        with self._lock:
            held = self._get(run)
            names = [held.id, *(alias for alias, (to, _) in self._aliases.items() if to == held.id)]
            return self._logs.records(names, held.steps)

    def account(self, run: str) -> Account:
        """A run as it stands, charges in the order of its records. Raises UnknownThing."""
        with self._lock:
            held = self._get(run)
            summary = self._summary(held)
            counted = [
                Charge(step.trace, step.span, step.cost_nano, step.cost_gap) for _, step, _ in held.steps.values()
                if step.same_as is None and (step.cost_nano is not None or step.cost_gap is not None)
            ]  # fmt: skip
            counted.sort(key=lambda one: self._logs.mark_of((one.trace, one.span)) or ("", 0))
            return Account(summary, len(self.records(run)), tuple(counted))

    def kept(self, run: str) -> Iterator[Kept]:
        """All steps of a run in order of arrival. Raises UnknownThing."""
        with self._lock:
            records = {(one.trace, one.span): one for one in self.records(run) if one.replaced_by is None}
            held = self._get(run)
            self._count(held)
            steps = sorted(held.steps.values(), key=lambda one: one[0])
        yield from (Kept(step, span, records.get((step.trace, step.span))) for _, step, span in steps)

    def unsealed(self, *, now: int, limit: int = 500) -> Sequence[tuple[str, int]]:
        """Runs that have ended and changed since they were sealed, with the revision to seal."""
        with self._lock:
            self._sweep(now)
            return [
                (held.id, held.revision) for held in sorted(self._runs.values(), key=lambda held: held.no)
                if held.sealed < held.revision and held.verdict is not None and held.verdict.completeness != "open"
            ][:limit]  # fmt: skip

    def sealed(self, marks: Mapping[str, int]) -> None:
        """Remember the revision at which each run was sealed."""
        with self._lock:
            for run in marks.keys() & self._runs.keys():
                self._runs[run].sealed = max(self._runs[run].sealed, marks[run])

    def logs(self, runs: Iterable[str] | None = None) -> Mapping[str, tuple[int, int]]:
        """Logs by run id (all, or those asked for): how many records each has, and how many are marked as attested."""
        with self._lock:
            return self._logs.logs(runs)

    def flaws(self) -> Iterator[Flaw]:
        """Nothing here is on a disk that somebody could have changed."""
        return iter(())

    def info(self) -> Mapping[str, Any]:
        """Counts; nothing is on a disk."""
        with self._lock:
            logs = self._logs.logs().values()
            return {
                "path": None, "schema": None, "runs": len(self._runs), "steps": len(self._home),
                "records": sum(count for count, _ in logs), "attested": sum(count for _, count in logs), "bytes": None,
            }  # fmt: skip

    def close(self) -> None:
        """Nothing to release."""

    def _get(self, run: str) -> Held:
        held = self._runs.get(run) or self._runs.get(self._aliases.get(run, ("", 0))[0])
        if held is None:
            raise unknown_run(run)
        return held
