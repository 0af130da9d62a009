"""The journal as people look at it: its head, who vouches for it, and its verification step by step.

Two lamps, never one. *Integrity*: nothing that is written was changed. *Completeness*: nothing was taken away and no
second journal is shown to others; that cannot be seen from inside, so it stays grey until a witness that somebody
else runs has co-signed.

``JournalBook.state()`` gives::

    {"origin": text | None, "size": n, "root": hex, "key": verifier key | None,
     "checkpoints": [{"size": n, "root": hex, "at": RFC 3339 | None, "witnesses": [name]}],
     "witnesses": [{"name": text, "url": text, "outside": bool, "state": "waiting" | "signed" | "failed" | "fork",
                    "size": n, "error": text | None}],
     "exports": [{"target": text, "state": "waiting" | "written" | "failed", "error": text | None}],
     "lamps": {"integrity": "unchecked" | "holds" | "broken", "completeness": "grey" | "green" | "red", "why": text,
               "integrity_why": text, "completeness_why": text}}

A checkpoint's ``at`` is when the last entry that it covers was written. ``JournalBook.verify_steps()`` yields
``{"step": text, "state": "holds" | "finding" | "not checked", "detail": text, "count": n}`` as each part is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tallystick.app.prove.audit import Audited
from tallystick.app.prove.checkpoints import (
    ALL,
    JournalKey,
    Kept,
    guard_continuity,
    journal_keys,
    read,
)
from tallystick.app.prove.continuity import check_continuity
from tallystick.app.prove.cosigning import WitnessDoor
from tallystick.app.prove.keeping import States, Target
from tallystick.app.prove.mirror import content_of
from tallystick.app.reading.shapes import time_text
from tallystick.model.errors import BadInput, TallystickError
from tallystick.ports import ControlStore, Flaw
from tallystick.proof.notes import parse_note, verified

Step = Mapping[str, Any]
MOST_FLAWS: Final = 100  # told one by one
SHOWN: Final = 20  # checkpoints in a state
_LOOK_BACK: Final = 500  # checkpoints that are searched for the newest cosignature of an outside witness


class JournalBook:
    """What may be known of one journal; every answer is JSON-ready."""

    def __init__(
        self, control: ControlStore, *, kept: Kept | None = None, states: States | None = None,
        targets: Sequence[Target] = (), witnesses: Sequence[WitnessDoor] = (),
        audited: Callable[[], Iterable[Audited]] | None = None,
    ) -> None:  # fmt: skip
        """``audited`` holds the stored steps against the journal, run by run (see ``app.prove.audit``)."""
        self._control = control
        self._kept = kept
        self._states = states
        self._targets = targets
        self._witnesses = witnesses
        self._audited = audited
        self._verdict: tuple[bool, int] | None = (
            None  # whether the last verification held, and the entries it saw
        )

    # ── state ───────────────────────────────────────────────────────────────────────────────────────────────────

    def state(self) -> dict[str, Any]:
        """Head, checkpoints, witnesses, exports and lamps."""
        size, root = self._control.head()
        keys = journal_keys(self._control)
        key = next((one.key for one in reversed(keys) if one.retired is None), None)
        known = self._states.read() if self._states is not None else {}
        return {
            "origin": key.name if key is not None else None,
            "size": size,
            "root": root.hex(),
            "key": key.text if key is not None else None,
            "checkpoints": [self._row(at, note) for at, note in self._control.checkpoints(limit=SHOWN)],
            "witnesses": self._witness_rows(known.get("witnesses", {})),
            "exports": self._export_rows(known.get("exports", {})),
            "lamps": self._lamps(known.get("witnesses", {})),
        }

    def _row(self, size: int, note: str) -> dict[str, Any]:
        last = self._control.entries(after=size - 1, limit=1)
        try:
            root = read(note).root.hex()
        except BadInput:
            root = ""
        return {
            "size": size, "root": root, "at": time_text(last[0].at) if last else None,
            "witnesses": self._cosigners(note),
        }  # fmt: skip

    def _cosigners(self, note: str, *, outside: bool = False) -> list[str]:
        """Names of the witnesses whose cosignatures of a note hold."""
        found = []
        for witness in self._witnesses:
            if outside and not witness.outside:
                continue
            try:
                if verified(parse_note(note), [witness.key]):
                    found.append(witness.key.name)
            except BadInput:
                return []
        return found

    def _witness_rows(self, known: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "name": one.key.name, "url": one.url, "outside": one.outside,
                "state": known.get(one.key.text, {}).get("state", "waiting"),
                "size": known.get(one.key.text, {}).get("size", 0),
                "error": known.get(one.key.text, {}).get("error"),
            }
            for one in self._witnesses
        ]  # fmt: skip

    def _export_rows(self, known: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "target": one.name, "state": known.get(one.name, {}).get("state", "waiting"),
                "error": known.get(one.name, {}).get("error"),
            }
            for one in self._targets
        ]  # fmt: skip

    def file(self, path: str) -> bytes:
        """A file of the log in the layout of tlog-tiles (``app.prove.mirror``). Raises UnknownThing."""
        return content_of(self._control, path)

    # ── lamps ───────────────────────────────────────────────────────────────────────────────────────────────────

    def lamps(self) -> dict[str, str]:
        """Both lamps and why they are as they are."""
        known = self._states.read() if self._states is not None else {}
        return self._lamps(known.get("witnesses", {}))

    def _lamps(self, known: Mapping[str, Any]) -> dict[str, str]:
        loss = self._loss()
        integrity, first = self._integrity(loss)
        if loss is not None:
            completeness, second = "red", f"Entries are missing or replaced: {loss}."
        else:
            completeness, second = self._completeness(known)
        return {
            "integrity": integrity, "completeness": completeness, "why": f"{first} {second}",
            "integrity_why": first, "completeness_why": second,
        }  # fmt: skip

    def _loss(self) -> str | None:
        """Why the journal does not lead on from its last kept checkpoint, or None."""
        if self._kept is None:
            return None
        try:
            guard_continuity(self._control, self._kept)
        except TallystickError as error:
            return error.message
        return None

    def _integrity(self, loss: str | None) -> tuple[str, str]:
        if loss is not None:
            return "broken", "The journal is not the one that its checkpoints were signed for."
        if self._verdict is None:
            return "unchecked", "Nothing was recomputed yet since this program started."
        held, size = self._verdict
        if held:
            return "holds", f"All {size} entries were recomputed and nothing was changed."
        return "broken", "The last verification had findings."

    def _completeness(self, known: Mapping[str, Any]) -> tuple[str, str]:
        for one in self._witnesses:
            state = known.get(one.key.text, {})
            if state.get("state") == "fork":
                return "red", f"Witness {one.key.name} refuses: {state.get('error')}."
        if not any(one.outside for one in self._witnesses):
            return "grey", "No witness outside this operation watches the journal."
        head, _ = self._control.head()
        for size, note in self._control.checkpoints(limit=_LOOK_BACK):
            names = self._cosigners(note, outside=True)
            if not names:
                continue
            try:
                check_continuity(self._control, size, read(note).root)
            except TallystickError as error:
                return "red", f"What {names[0]} co-signed is gone: {error.message}."
            return "green", f"{', '.join(names)} co-signed the first {size} of {head} entries."
        return "grey", "No witness outside this operation has co-signed yet."

    # ── verification ────────────────────────────────────────────────────────────────────────────────────────────

    def verify_steps(self, earlier: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """Check everything that can be checked here, a step at a time; integrity is known when all were taken.

        ``earlier`` are checkpoints from elsewhere (signed notes) that the journal must lead on from.
        """
        held = True
        size, _ = self._control.head()
        for step in self._steps(earlier):
            held = held and step["state"] != "finding"
            yield dict(step)
        self._verdict = held, size

    def _steps(self, earlier: Sequence[str]) -> Iterator[Step]:
        yield self._entries()
        if earlier:
            yield self._judge(
                "earlier checkpoints", earlier, "the journal leads on from what was kept elsewhere"
            )
        yield self._checkpoints()
        yield self._kept_checkpoints()
        yield self._cosignatures()
        yield from self._stored_steps()

    def _entries(self) -> Step:
        try:
            count = self._control.verify()
        except TallystickError as error:
            return _step("entries", "finding", error.message, error.detail.get("seq") or 0)
        return _step("entries", "holds", "every entry, opening, text and tile is what was written", count)

    def _stored_steps(self) -> Iterator[Step]:
        """What is not as it was recorded, one line each, then one line for all the rest."""
        if self._audited is None:
            yield _step(
                "stored steps", "not checked", "the recorded steps are not held against the journal here"
            )
            return
        steps = waiting = uncovered = flaws = 0
        for one in self._audited():
            steps, waiting = steps + one.steps, waiting + one.waiting
            uncovered += one.uncovered
            for flaw in one.flaws:
                flaws += 1
                if flaws <= MOST_FLAWS:
                    place = "".join(
                        f"{what} {name}: " for what, name in (("run", flaw.run), ("step", flaw.step)) if name
                    )
                    yield _step("stored steps", "finding", place + flaw.text)
        if flaws > MOST_FLAWS:
            yield _step("stored steps", "finding", f"and {flaws - MOST_FLAWS} more", flaws)
        if uncovered:
            yield _step(
                "stored steps", "not checked", "recorded before the journal attested steps", uncovered
            )
        if waiting:
            yield _step("stored steps", "not checked", "recorded a moment ago, not attested yet", waiting)
        if not flaws:
            yield _step(
                "stored steps", "holds", "every step, sum and seal is what was recorded", steps - uncovered
            )

    def _checkpoints(self) -> Step:
        notes = [note for _, note in self._control.checkpoints(limit=ALL)]
        return self._judge(
            "checkpoints", notes, "signed by a key of the journal, and the journal leads on from each"
        )

    def _kept_checkpoints(self) -> Step:
        if self._kept is None:
            return _step(
                "kept checkpoints", "not checked", "no file of checkpoints is kept beside this journal"
            )
        try:
            notes = list(self._kept.notes())
        except TallystickError as error:
            return _step("kept checkpoints", "finding", error.message)
        return self._judge("kept checkpoints", notes, "checkpoints.log agrees with the journal")

    def _judge(self, step: str, notes: Sequence[str], fine: str) -> Step:
        if not notes:
            return _step(step, "not checked", "there are none yet: tally journal checkpoint")
        try:
            keys = journal_keys(self._control)
            for count, note in enumerate(notes, 1):
                problem = problem_of(self._control, keys, note)
                if problem is not None:
                    return _step(step, "finding", f"number {count} of {len(notes)}: {problem}", count)
        except TallystickError as error:
            return _step(step, "finding", error.message)
        return _step(step, "holds", fine, len(notes))

    def _cosignatures(self) -> Step:
        if not self._witnesses:
            return _step("cosignatures", "not checked", "no witness is named in the settings")
        count = 0
        for size, note in self._control.checkpoints(limit=ALL):
            try:
                parsed = parse_note(note)
            except BadInput as error:
                return _step(
                    "cosignatures", "finding", f"the checkpoint of {size} entries: {error.message}", size
                )
            for witness in self._witnesses:
                key = witness.key
                if not any((one.name, one.id) == (key.name, key.id) for one in parsed.signatures):
                    continue
                if not verified(parsed, [key]):
                    detail = (
                        f"the cosignature of {key.name} under the checkpoint of {size} entries does not hold"
                    )
                    return _step("cosignatures", "finding", detail, size)
                count += 1
        if not count:
            return _step("cosignatures", "not checked", "no witness has co-signed yet")
        return _step("cosignatures", "holds", "every cosignature of a named witness holds", count)


def problem_of(control: ControlStore, keys: Sequence[JournalKey], note: str) -> str | None:
    """What is wrong with a checkpoint of this journal, or None. ``keys`` are the journal's."""
    try:
        checkpoint = read(note)
        fitting = [
            one.key for one in keys
            if one.key.name == checkpoint.origin and one.created <= checkpoint.size
            and (one.retired is None or checkpoint.size < one.retired)
        ]  # fmt: skip
        if not verified(parse_note(note), fitting):
            return f"the checkpoint of {checkpoint.size} entries is not signed by a key that the journal had then"
        check_continuity(control, checkpoint.size, checkpoint.root)
    except TallystickError as error:
        return error.message
    return None


def _step(step: str, state: str, detail: str, count: int = 0) -> Step:
    return {"step": step, "state": state, "detail": detail, "count": count}


def _place(flaw: Flaw) -> str:
    named = (("run", flaw.run), ("step", flaw.step))
    return "".join(f"{what} {name}: " for what, name in named if name)
