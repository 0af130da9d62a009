"""The trace store in memory (``ports.Traces``), for tests and short-lived programs: all its ports, and writing.

It counts every touched run from its steps, so it is also the yardstick for the sums that the SQLite store keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tallystick.adapters.memory.held import Held, Pair
from tallystick.adapters.memory.traces.blobs import MemoryBlobbing
from tallystick.adapters.memory.traces.erasing import MemoryErasing
from tallystick.adapters.memory.traces.records import MemoryRecords
from tallystick.adapters.memory.traces.runs import MemoryRuns
from tallystick.adapters.memory.traces.steps import MemorySteps
from tallystick.adapters.memory.traces.sums import MemorySums
from tallystick.adapters.memory.traces.texts import MemoryTexts
from tallystick.adapters.memory.traces.uses import MemoryUses
from tallystick.model.attributes import RUN_ID
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.model.tie import Tie
from tallystick.observe import stitch
from tallystick.observe.completeness import judge
from tallystick.observe.tying import settle
from tallystick.ports import Written


class MemoryTraces(
    MemoryRuns, MemorySteps, MemorySums, MemoryRecords, MemoryUses, MemoryTexts, MemoryErasing, MemoryBlobbing
):
    """Runs, steps and spans of this process. Each of the classes is one port on top of the same ``HeldRuns``."""

    def write(self, batch: Sequence[tuple[Step, Span]], *, at: int) -> Written:
        """Take a batch (see ``ports.TraceStore.write``)."""
        with self._lock:
            fresh, repeated = self._sift(self._bare(batch))
            if not fresh:
                return Written(0, tuple(repeated), ())
            decided = self._assign([step for step, _ in fresh.values()], at)
            self._bare_late(fresh, decided.runs)
            made = self._logs.made(fresh.values())
            written = 0
            left: dict[str, None] = {}  # runs that a start record leaves because its end names another one
            for (pair, (step, span)), run, record in zip(fresh.items(), decided.runs, made, strict=True):
                self._logs.add(run, pair, record)
                held = self._runs[run]
                if held.erased:
                    self._logs.erase(pair, span)
                home = self._home.get(pair)
                before = self._take_out(pair)
                if home is not None and home != run:
                    left.setdefault(home)
                if before is None or before[1].ended != step.ended:
                    written += 1
                else:
                    repeated.append(pair)
                self._arrived += 1
                held.steps[pair] = (
                    before[0] if before else self._arrived,
                    replace(step, run=run, ties=()),
                    span,
                )
                self._home[pair] = run
            tied = self._tie([tie for step, _ in fresh.values() for tie in step.ties])
            touched = tuple(run for run in dict.fromkeys([*decided.runs, *left, *tied]) if run in self._runs)
            for run in touched:
                held = self._runs[run]
                held.seen, held.stale = max(held.seen, at), True
                self._count(held)
                held.verdict = judge(held.tally, now=at, alive=None, silent_after=self._silent_after)
                self._revision += 1
                held.revision = self._revision
            return Written(written, tuple(repeated), touched)

    def _sift(self, batch: Sequence[tuple[Step, Span]]) -> tuple[dict[Pair, tuple[Step, Span]], list[Pair]]:
        """What is new or adds to what is here, joined by span; and what repeats something."""
        fresh: dict[Pair, tuple[Step, Span]] = {}
        repeated: list[Pair] = []
        for step, span in batch:
            pair = (step.trace, step.span)
            held = fresh[pair][0] if pair in fresh else self._step(pair)
            if held is not None and not stitch.adds_to(step, held):
                repeated.append(pair)
                continue
            if pair in fresh and step.ended is None:
                repeated.append(pair)
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
        keeps.erased |= gone.erased
        keeps.created, keeps.seen = min(keeps.created, gone.created), max(keeps.seen, gone.seen)
        for key, run in self._keys.items():
            if run == old:
                self._keys[key] = new
        for alias, (run, revision) in list(self._aliases.items()):
            if run == old:
                self._aliases[alias] = (new, revision)
        self._revision += 1
        self._aliases[old] = (new, self._revision)

    def _tie(self, ties: Sequence[Tie]) -> list[str]:
        """Join and part runs as the ties of a batch say; the runs that changed."""
        self._ties.add(ties)
        decided = settle(ties, self._ties)
        led = [self._keys[trace] for trace in decided if trace in self._ties.tied]
        changed = self._ties.tie(decided)
        touched: list[str] = []
        for run in dict.fromkeys(led if changed else ()):
            if not self._runs[run].erased:
                touched += self._part(run)
        runs = [(self._keys[trace], self._keys[host]) for trace, host in changed.items() if host is not None]
        known = stitch.Known(
            stamped=frozenset(run for run, held in self._runs.items() if held.stamped),
            age={run: held.no for run, held in self._runs.items()},
        )
        pairs = [pair for pair in runs if not any(self._runs[run].erased for run in pair)]
        for old, new in stitch.joins(pairs, known).items():
            self._merge(old, new)
            self._runs[new].stale = True
            touched.append(new)
        return touched

    def _part(self, run: str) -> list[str]:
        """Let every group of traces go that nothing holds in a run any more; the runs that there are then."""
        held = self._runs[run]
        steps = sorted(held.steps.values(), key=lambda one: one[0])
        stamped = {step.trace for _, step, span in steps if RUN_ID in span.attributes}
        groups = stitch.parted(
            [(step.trace, step.links) for _, step, _ in steps], self._ties.tied.items(), stamped
        )
        keeps = next((group for group in groups if group & (stamped or {run})), groups[0])
        made = [run]
        for group in groups:
            if group is not keeps:
                made.append(self._leave(held, group, [one for one in steps if one[1].trace in group]))
        held.stale = True
        return made

    def _leave(self, held: Held, group: set[str], steps: Sequence[tuple[int, Step, Span]]) -> str:
        name = next(step.trace for _, step, _ in steps if step.trace not in self._runs)
        self._numbered += 1
        one = self._runs[name] = Held(self._numbered, name, False, held.created, held.seen)
        self._aliases.pop(name, None)
        for arrived, step, span in steps:
            pair = (step.trace, step.span)
            del held.steps[pair]
            one.steps[pair] = (arrived, replace(step, run=name), span)
            self._home[pair] = name
            self._logs.move(name, pair, step, span)
        links = group | {link for _, step, _ in steps for link in step.links}
        self._keys |= {key: name for key in links if self._keys.get(key) == held.id}
        for alias in [alias for alias, (to, _) in self._aliases.items() if to == held.id and alias in group]:
            self._revision += 1
            self._aliases[alias] = (name, self._revision)
        self._uses_revision += 1
        held.listed_steps = 0
        return name

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
