"""How long runs are kept: old ones move into the archive, and whole runs go when a rule says so.

A rule is a query of runs and an age (``environment:dev=7d``); the shortest that matches a run wins, which is to say
that each rule lets go what it matches. A deletion is in the journal before it happens, and one that was interrupted is
finished by the next pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tallystick.model.errors import BadInput
from tallystick.model.journal import Draft
from tallystick.model.query import Query, Term, parse_query
from tallystick.ports import Clock, ControlStore
from tallystick.ports.archive import Archived, ArchivingTraces

DAY_NS: Final = 86_400_000_000_000
AT_ONCE: Final = 200  # runs deleted under one entry of the journal
_LATEST: Final = 50  # entries looked at for a deletion that was interrupted
_RULE = re.compile(r"^(?P<query>\S.*)=(?P<days>[0-9]{1,5})d$")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rule:
    """Runs that match ``query`` are let go ``days`` days after they started. ``text`` is the rule as it was written."""

    text: str
    query: Query
    days: int


@dataclass(frozen=True, slots=True)
class Expired:
    """What expiring did, or would do: runs and steps deleted, by rule; ``kept``: runs that are due and may not go yet.

    A run may not go while an approval of it waits, or while the journal does not hold it as it stands.
    """

    runs: int = 0
    steps: int = 0
    kept: int = 0
    rules: tuple[tuple[str, int], ...] = ()


def parse_rule(text: str) -> Rule:
    """Read a rule (``QUERY=DAYSd``). Raises BadInput."""
    match = _RULE.match(text.strip())
    if match is None:
        raise BadInput(
            f"{text[:80]!r} is not a rule of retention", hint="write a query and an age: environment:dev=7d"
        )
    query = parse_query(match["query"])
    if any(term.field in ("since", "until") for term in query.terms):
        raise BadInput("a rule of retention has no since: or until:", hint="the age stands after the =")
    return Rule(text.strip(), query, int(match["days"]))


def rules_of(keep_days: int | None, rules: Sequence[str]) -> tuple[Rule, ...]:
    """The rules that settings mean: those written, and one for all runs where ``keep_days`` is set."""
    found = [parse_rule(text) for text in rules]
    if keep_days is not None:
        found.append(Rule(f"keep_days={keep_days}", Query(), keep_days))
    return tuple(found)


def archive_old(
    traces: ArchivingTraces, clock: Clock, *, days: int, dry_run: bool = False, say: Say
) -> Archived:
    """Archive the runs of days (UTC) that ended ``days`` days ago or earlier; 0 takes all that has ended."""
    now = clock.now()
    before = now if days == 0 else (now - days * DAY_NS) // DAY_NS * DAY_NS
    return traces.archive(before=before, now=now, dry_run=dry_run, say=say)


class Retention:
    """Lets runs go by rules. ``by`` is who asked for it."""

    def __init__(
        self, traces: ArchivingTraces, control: ControlStore, clock: Clock, *, by: str = "tallystick"
    ) -> None:
        self._traces = traces
        self._control = control
        self._clock = clock
        self._by = by

    def expire(self, rules: Sequence[Rule], *, dry_run: bool = False) -> Expired:
        """Delete the runs that the rules let go, and finish what was interrupted."""
        done = Expired() if dry_run else self._finish()
        seen: set[str] = set()
        for rule in rules:
            count = 0
            for runs in self._due(rule, seen):
                ready = self._ready(runs)
                done = replace(done, kept=done.kept + len(runs) - len(ready))
                if not ready:
                    continue
                steps = 0
                gone: Sequence[str] = ready
                if not dry_run:
                    body = {
                        "rule": rule.text, "runs": list(ready), "by": self._by,
                        "because": f"older than {rule.days} days",
                    }  # fmt: skip
                    self._control.append([Draft("runs.deleted", rule.text, body, actor=self._by)])
                    deleted = self._traces.delete_runs(ready, now=self._clock.now())
                    gone, steps = deleted.runs, deleted.steps
                count += len(gone)
                done = replace(done, runs=done.runs + len(gone), steps=done.steps + steps)
            done = replace(done, rules=(*done.rules, (rule.text, count)))
        return done

    def _due(self, rule: Rule, seen: set[str]) -> Iterator[list[str]]:
        """Runs that a rule lets go and that no rule before it did, some at a time, newest first."""
        query = Query((*rule.query.terms, Term("until", "=", f"{rule.days}d")))
        now = self._clock.now()
        listed: list[str] = []
        before: str | None = None
        more = True
        while more:  # all are listed before the first goes: pages lead from run to run
            page = self._traces.runs(query, now=now, limit=500, before=before)
            listed += [run.run for run in page.runs]
            more = len(page.runs) == 500
            before = page.runs[-1].run if page.runs else None
        listed = [run for run in listed if run not in seen]
        seen.update(listed)
        for start in range(0, len(listed), AT_ONCE):
            yield listed[start : start + AT_ONCE]

    def _ready(self, runs: Sequence[str]) -> list[str]:
        """Those of some runs that may go now."""
        return [
            run for run in self._traces.deletable(runs)
            if not self._control.approvals(state="waiting", run=run, limit=1)
        ]  # fmt: skip

    def _finish(self) -> Expired:
        """Delete what the journal says was deleted and is still here."""
        entries = self._control.entries(kind="runs.deleted", newest=True, limit=_LATEST)
        runs = steps = 0
        for entry in entries:
            left = [
                str(run) for run in entry.body.get("runs", ())
                if self._is_older(str(run), entry.at)
            ]  # fmt: skip
            if left:
                deleted = self._traces.delete_runs(self._ready(left), now=self._clock.now())
                runs, steps = runs + len(deleted.runs), steps + deleted.steps
        return Expired(runs, steps)

    def _is_older(self, run: str, at: int) -> bool:
        """Whether a run is here that nothing came for since a moment: one that began anew is another one."""
        page = self._traces.runs(Query((Term("run", "=", run),)), now=self._clock.now(), limit=1)
        return any(one.run == run and one.seen < at for one in page.runs)
