"""Notary: what the trace store took in becomes part of the journal.

Records enter it in segments, each by its Merkle root, so that no stored step can be changed unseen. A run that has
ended is sealed: how many records there are, how it reads, what it cost. Several notaries may work on one store: the
journal takes a segment only where the last one ended, and a notary that comes too late, or that died between the
journal and the mark, learns from the refusal how far the journal is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallystick.model.canonical import canonical_json
from tallystick.model.errors import BadInput, Conflict, StoreFault, TallystickError, UnknownThing
from tallystick.model.journal import Draft, Entry
from tallystick.ports import Account, Clock, ControlStore, Segment, Traces
from tallystick.proof.merkle import leaf_hash, root_of
from tallystick.proof.records import charge_leaf

RECORDS_AT_ONCE: Final = 10_000
ENTRIES_AT_ONCE: Final = 256
RUNS_AT_ONCE: Final = 128
SHORT_RUN: Final = 1_000  # records; a run up to here is sealed whenever it changed
PAUSE_NS: Final = 1_000_000  # for each further record: a run of 50,000 is sealed at most every 49 seconds


@dataclass(frozen=True, slots=True)
class Attested:
    """What a notary did: records and segments that entered the journal, and runs that were sealed."""

    records: int = 0
    segments: int = 0
    runs: int = 0


class Notary:
    """Brings a trace store's records into the journal."""

    def __init__(self, traces: Traces, control: ControlStore, clock: Clock) -> None:
        self._traces = traces
        self._control = control
        self._clock = clock

    def attest(self, *, seal: bool = True) -> Attested:
        """Write all segments that the journal lacks, then seal the runs that have ended and changed since.

        Raises StoreFault where the journal holds more records of a run than the trace store, and BadInput for a run
        that no seal can hold; both only after all other runs were done.
        """
        records, segments, refused = self._segments()
        runs, unsealed = self._seal_ended() if seal else (0, None)
        fault = refused or unsealed
        if fault is not None:
            raise fault
        return Attested(records, segments, runs)

    def seal(self, run: str) -> Entry:
        """Seal a run as it stands now, also one that is open; the ``run.sealed`` entry. Raises UnknownThing."""
        name = self._traces.run(run, now=self._clock.now()).run
        *_, refused = self._segments()
        if refused is not None and refused.detail.get("run") == name:
            raise refused
        self._write_seals([name])
        sealed = self._last("run.sealed", name)
        assert sealed is not None  # it was written just now, or stood already
        return sealed

    # ── segments ────────────────────────────────────────────────────────────────────────────────────────────────

    def _segments(self) -> tuple[int, int, StoreFault | None]:
        """Records and segments that were written, and why a segment could not be, which holds up no other run."""
        records = written = 0
        refused: dict[str, StoreFault] = {}
        limit = RECORDS_AT_ONCE
        while True:
            found = self._traces.unattested(limit=limit)
            due = [one for one in found if one.run not in refused]
            if not due:
                if sum(len(one.leaves) for one in found) >= limit:
                    limit *= 2  # what was refused stands before the others
                    continue
                return records, written, next(iter(refused.values()), None)
            for start in range(0, len(due), ENTRIES_AT_ONCE):
                done = self._append(due[start : start + ENTRIES_AT_ONCE], refused)
                written += len(done)
                records += sum(len(one.leaves) for one in done)

    def _append(self, segments: Sequence[Segment], refused: dict[str, StoreFault]) -> Sequence[Segment]:
        """Write segments together; where the journal refuses one, each by itself. Those that were written."""
        try:
            self._control.append([_accepted(one) for one in segments])
        except Conflict:
            return [one for one in segments if self._append_one(one, refused)]
        self._traces.attested({one.run: one.first + len(one.leaves) for one in segments})
        return segments

    def _append_one(self, one: Segment, refused: dict[str, StoreFault]) -> bool:
        try:
            self._control.append([_accepted(one)])
        except Conflict as refusal:
            try:
                self._catch_up(one, refusal)
            except StoreFault as fault:
                refused[one.run] = fault
            return False
        self._traces.attested({one.run: one.first + len(one.leaves)})
        return True

    def _catch_up(self, one: Segment, refusal: Conflict) -> None:
        """Somebody else wrote it: mark as far as the journal is, so that the next look begins there."""
        known = refusal.detail.get("known")
        if not isinstance(known, int) or known == one.first:
            raise refusal  # it was not the order that the journal refused
        here, marked = self._traces.logs([one.run])[one.run]
        if known > here:
            raise StoreFault(
                f"the journal holds {known} records of run {one.run[:80]}, and the trace store has only {here}",
                hint="put back the traces.db that belongs to this journal; tally journal verify says what is missing",
                run=one.run, journal=known, store=here,
            )  # fmt: skip
        if known < marked:
            raise StoreFault(
                f"the trace store counts {marked} records of run {one.run[:80]} as attested; the journal holds {known}",
                hint="put back the control.db that belongs to this store", run=one.run, journal=known, store=marked,
            )  # fmt: skip
        self._traces.attested({one.run: known})

    # ── seals ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _seal_ended(self) -> tuple[int, TallystickError | None]:
        """How many runs were sealed, and why one could not be, which holds up no other."""
        sealed = 0
        refused: TallystickError | None = None
        later: set[str] = set()
        while True:
            now = self._clock.now()
            limit = RUNS_AT_ONCE + len(later)
            found = [one for one in self._traces.unsealed(now=now, limit=limit) if one[0] not in later]
            if not found:
                return sealed, refused
            later.update(run for run, _ in found if self._sealed_lately(run, now))
            due = {run: revision for run, revision in found if run not in later}
            if not due:
                continue
            try:
                self._write_seals(list(due))
            except (BadInput, UnknownThing):
                done, error = self._write_each(due)
                refused = refused or error
                later.update(due.keys() - set(done))
                due = {run: due[run] for run in done}
            self._traces.sealed(due)
            sealed += len(due)

    def _sealed_lately(self, run: str, now: int) -> bool:
        """Whether a long run that goes on after its end was sealed so recently that its next seal can wait.

        A seal reads the whole run. Without a pause that grows with the run, one that goes on for hours would cost ever
        more; with it, seals take a bounded share of the time. Evidence seals whatever waits.
        """
        last = self._last("run.sealed", run)
        records = None if last is None else last.body.get("records")
        if last is None or type(records) is not int:
            return False
        return 0 <= now - last.at < (records - SHORT_RUN) * PAUSE_NS

    def _write_seals(self, runs: Sequence[str]) -> None:
        card = self._card()
        drafts: list[Draft] = []
        for name in runs:
            account = self._traces.account(name)
            for kind, body in (
                ("run.sealed", sealed_body(account)),
                ("run.charged", charged_body(account, card)),
            ):
                draft = Draft(kind, account.run.run, body, account.run.run)
                if not self._stands(draft):
                    drafts.append(draft)
        if drafts:
            self._control.append(drafts)

    def _write_each(self, runs: Iterable[str]) -> tuple[list[str], TallystickError | None]:
        """Seal runs one by one, because one of them cannot be: those that were sealed, and why another was not."""
        done: list[str] = []
        refused: TallystickError | None = None
        for name in runs:
            try:
                self._write_seals([name])
            except (BadInput, UnknownThing) as error:
                refused = refused or error
            else:
                done.append(name)
        return done, refused

    def _stands(self, draft: Draft) -> bool:
        """Whether the journal's last word on the run is this one already."""
        last = self._last(draft.kind, draft.subject)
        # As JSON: a number that is too large for it stands in the journal as text.
        return last is not None and canonical_json(last.body) == canonical_json(draft.body)

    def _last(self, kind: str, run: str) -> Entry | None:
        """The newest entry of a kind about a run: a look-up, however often the run was sealed."""
        return next(iter(self._control.entries(kind=kind, subject=run, newest=True, limit=1)), None)

    def _card(self) -> str | None:
        """The rate card that the journal names last."""
        for entry in self._control.entries(kind="rates.loaded", newest=True, limit=1):
            card = entry.body.get("card")
            return card if isinstance(card, str) else None
        return None


def _accepted(one: Segment) -> Draft:
    body: Mapping[str, Any] = {
        "run": one.run, "first": one.first, "count": len(one.leaves), "root": root_of(one.leaves).hex(),
    }  # fmt: skip
    return Draft("records.accepted", one.run, body, one.run)


def sealed_body(account: Account) -> Mapping[str, Any]:
    """The body of ``run.sealed`` for a run as it stands."""
    run = account.run
    return {
        "run": run.run, "records": account.records, "status": str(run.status), "completeness": str(run.completeness),
        "missing": run.missing, "steps": run.steps, "errors": run.errors, "model_calls": run.model_calls,
        "tool_calls": run.tool_calls, "denials": run.denials, "stopped_by": run.stopped_by,
        "started": str(run.started), "ended": None if run.ended is None else str(run.ended),
    }  # fmt: skip


def charged_body(account: Account, card: str | None) -> Mapping[str, Any]:
    """The body of ``run.charged`` for a run as it stands; ``card`` is the rate card that the journal names."""
    charges = account.charges
    leaves = [leaf_hash(charge_leaf(one.trace, one.span, one.nano, one.gap)) for one in charges]
    return {
        "run": account.run.run, "rows": len(charges), "root": root_of(leaves).hex(),
        "known_nano": sum(one.nano or 0 for one in charges), "unknown": sum(one.nano is None for one in charges),
        "card": card,
    }  # fmt: skip
