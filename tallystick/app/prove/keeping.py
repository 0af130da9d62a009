"""What happens around each checkpoint: witnesses co-sign it, and places outside the store get a copy.

Neither may hold anything up: what fails is counted and said, and tried again with the next checkpoint. What was reached
is kept in a small state document, so that other processes can show it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tallystick.app.prove.checkpoints import Kept, Signed, journal_keys, make_checkpoint
from tallystick.app.prove.cosigning import WitnessDoor, add_signatures, submit
from tallystick.model.errors import StoreFault, TallystickError
from tallystick.ports import ControlStore, Signer
from tallystick.proof.keys import VerifierKey


class Target(Protocol):
    """A place outside the store that gets every checkpoint (``adapters.exports``)."""

    @property
    def name(self) -> str:
        """How the place is called in settings and on pages."""
        ...

    def send(self, signed: Signed) -> None:
        """Deliver a checkpoint; again is allowed. Raises StoreFault or Unreachable."""
        ...


class States(Protocol):
    """The state document (``adapters.state_file.StateFile``)."""

    def read(self) -> dict[str, Any]:
        """The document as it is."""
        ...

    def change(self, function: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Change the document; one process at a time."""
        ...


class Keeper:
    """Makes checkpoints of one journal and passes them on. Safe to call from several threads and processes."""

    def __init__(
        self, control: ControlStore, signer: Callable[[], Signer], kept: Kept, states: States,
        targets: Sequence[Target], witnesses: Sequence[WitnessDoor], say: Callable[[str], None],
    ) -> None:  # fmt: skip
        """``say`` tells a person what went wrong, in one line; the same thing is told once."""
        self._control = control
        self._signer = signer
        self._kept = kept
        self._states = states
        self._targets = targets
        self._witnesses = witnesses
        self._say = say
        self._turn = threading.Lock()
        self._told: str | None = None

    def keep(self) -> Signed:
        """A checkpoint of the journal as it is now, passed on to everybody who does not have it yet.

        Raises StoreFault when the journal does not lead on from its last checkpoint; faults of others, and of the state
        document, are said.
        """
        with self._turn:
            before = self._keys()
            signed = make_checkpoint(self._control, self._signer, self._kept)
            self._tell_of_key(before)
            try:
                states = self._states.read()
            except (
                StoreFault
            ) as error:  # who has refused a fork is not known any more: nobody is asked as if anew
                self._trouble(f"the checkpoint is passed on to nobody: {error.message}")
                return signed
            cosigned = self._ask_witnesses(signed, states.get("witnesses", {}))
            self._export(cosigned, states.get("exports", {}))
        return cosigned

    def _ask_witnesses(self, signed: Signed, before: Mapping[str, Any]) -> Signed:
        size = signed.checkpoint.size
        note = signed.note
        for witness in self._witnesses:
            name = witness.key.text
            was = before.get(name, {})
            if was.get("state") == "signed" and was.get("size") == size:
                continue
            told = submit(self._control, witness, signed, was.get("size", 0))
            if told.signatures:
                note = add_signatures(self._control, size, note, told.signatures)
            now = {"state": told.state, "size": told.size, "error": told.error}
            if was.get("state") == "fork" and told.state == "failed":
                now = {
                    "state": "fork",
                    "size": was["size"],
                    "error": was["error"],
                }  # silence takes nothing back
            self._remember("witnesses", name, was, now, f"witness {witness.key.name}")
        if note != signed.note:
            self._kept.append(note)
        return Signed(signed.checkpoint, note, signed.fresh)

    def _export(self, signed: Signed, before: Mapping[str, Any]) -> None:
        checkpoint = signed.checkpoint
        for target in self._targets:
            was = before.get(target.name, {})
            if was.get("state") == "written" and was.get("size") == checkpoint.size:
                continue
            now = {"state": "written", "size": checkpoint.size, "error": None}
            try:
                target.send(signed)
            except TallystickError as error:
                now = {"state": "failed", "size": was.get("size", 0), "error": error.message}
            self._remember("exports", target.name, was, now, f"checkpoint export to {target.name}")

    def _remember(
        self, group: str, name: str, was: Mapping[str, Any], now: dict[str, Any], what: str
    ) -> None:
        failed = now["error"] is not None
        now["failures"] = was.get("failures", 0) + failed

        def change(document: dict[str, Any]) -> None:
            """Put the new state in the place of the old one."""
            document.setdefault(group, {})[name] = now

        try:
            self._states.change(change)
        except StoreFault as error:  # others are still to be asked; what is not remembered is done again
            self._trouble(f"how passing on went is not remembered: {error.message}")
        else:
            self._told = None
        if failed and now["error"] != was.get("error"):
            self._say(_printable(f"{what}: {now['error']}"))

    def _keys(self) -> list[VerifierKey]:
        return [one.key for one in journal_keys(self._control) if one.retired is None]

    def _tell_of_key(self, before: Sequence[VerifierKey]) -> None:
        """A key that was not there was made anew: whoever verifies must learn of it, and somebody may miss the old."""
        now = self._keys()
        if before and now != before:
            names = ", ".join(f"{one.name}+{one.id.hex()}" for one in now)
            self._say(
                f"the journal's key was not there any more: it is {names} from now on, and the one before is retired;"
                " hand out what `tally journal key` prints"
            )

    def _trouble(self, text: str) -> None:
        """Say what is wrong with the state document, once."""
        if text != self._told:
            self._told = text
            self._say(_printable(text))


def _printable(text: str) -> str:
    """What a witness, git or a server said, harmless for a terminal."""
    return "".join(letter if letter.isprintable() else "·" for letter in text)
