"""The runs that every part of the trace store in memory stands on: look-up, counting, and what is due before a read."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace

from tallystick.adapters import process
from tallystick.adapters.memory.held import Held, Pair
from tallystick.adapters.memory.matching import matches
from tallystick.adapters.memory.records import MemoryLogs
from tallystick.adapters.memory.said import Said, says
from tallystick.adapters.memory.tying import MemoryTies
from tallystick.adapters.naming import unknown_run
from tallystick.model.query import Query
from tallystick.model.run import Run
from tallystick.observe.completeness import SILENT_AFTER_NS, judge, watched
from tallystick.observe.numbering import lives
from tallystick.observe.repeats import repeats
from tallystick.observe.summary import Tally, count_all, run_of
from tallystick.ports import Blobs


class HeldRuns:
    """Runs of this process. Each port of the store is a class on top of this; its parameters: see ``SqliteTraces``."""

    def __init__(
        self, *, alive: Callable[[str], bool | None] = process.alive, silent_after: int = SILENT_AFTER_NS,
        random_bytes: Callable[[int], bytes] = os.urandom, blobs: Blobs | None = None,
    ) -> None:  # fmt: skip
        self._logs = MemoryLogs(random_bytes)
        self._alive, self._blobs = alive, blobs
        self._silent_after = silent_after
        self._lock = threading.RLock()
        self._runs: dict[str, Held] = {}
        self._keys: dict[str, str] = {}
        self._home: dict[Pair, str] = {}
        self._aliases: dict[str, tuple[str, int]] = {}
        self._ties = MemoryTies()
        self._revision = self._arrived = self._numbered = self._uses_revision = 0
        self._said: dict[int, Said] = {}  # by the run's number
        self._here: set[str] = set()  # blobs whose bytes were put
        self._indexed_upto = 0  # the revision up to which texts are indexed

    def _get(self, run: str) -> Held:
        held = self._runs.get(run) or self._runs.get(self._aliases.get(run, ("", 0))[0])
        if held is None:
            raise unknown_run(run)
        return held

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
                alive = lives(owner, self._alive)
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
        chosen: list[tuple[Held, Run]] = []
        for held in self._runs.values():
            run, said = self._summary(held), says(held, self._said.get(held.no, Said()))
            if matches(query, run, held.parts.keys(), said=said, place=held.place, now=now):
                chosen.append((held, run))
        return chosen
