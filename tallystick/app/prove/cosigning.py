"""The journal's side of C2SP tlog-witness: a witness is shown that the journal only grew, and co-signs its head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tallystick.app.prove.checkpoints import Signed
from tallystick.model.errors import TallystickError
from tallystick.ports import ControlStore
from tallystick.proof.merkle import prove_consistency
from tallystick.proof.notes import Signature, VerifierKey, extend_note, format_note, parse_note
from tallystick.proof.witness import SIZE_TYPE, parse_response, parse_size, request_body

_TRIES: Final = 4  # another process may submit at the same time; then the witness's size has changed between


class Reply(Protocol):
    """What a witness answered."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def content_type(self) -> str:
        """Content type without parameters."""
        ...

    @property
    def body(self) -> bytes:
        """The body, bounded."""
        ...


class WitnessDoor(Protocol):
    """A witness as the settings name it (``adapters.witness_door.HttpWitness``)."""

    @property
    def key(self) -> VerifierKey:
        """Its public key, of type COSIGNATURE."""
        ...

    @property
    def url(self) -> str:
        """Its submission prefix."""
        ...

    @property
    def outside(self) -> bool:
        """Whether somebody else than this journal's operator runs it."""
        ...

    def ask(self, body: bytes) -> Reply:
        """POST to add-checkpoint. Raises Unreachable."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """How a submission ended.

    ``state`` is "signed", "failed" (no answer, or one that is of no use) or "fork": the witness says that the journal
    is not the one it saw before. ``size`` is what the witness is known to have co-signed.
    """

    state: str
    size: int
    error: str | None = None
    signatures: tuple[Signature, ...] = ()


def submit(control: ControlStore, witness: WitnessDoor, signed: Signed, known: int) -> Told:
    """Ask a witness to co-sign a checkpoint; ``known`` is the size that it co-signed last, as far as we know."""
    size, note = signed.checkpoint.size, parse_note(signed.note)
    old = known if known <= size else 0
    try:
        for _ in range(_TRIES):
            proof = prove_consistency(old, size, control.nodes)
            reply = witness.ask(request_body(old, proof, note))
            if reply.status == 200:
                return Told("signed", size, None, parse_response(reply.body, note, [witness.key]))
            if reply.status == 422:
                return Told(
                    "fork", old, f"it says that the journal is no continuation of the {old} entries it saw"
                )
            if reply.status != 409:
                return Told("failed", known, _why(reply.status))
            theirs = parse_size(reply.body) if reply.content_type == SIZE_TYPE else old
            if theirs == old:  # our size was right, so the root is not
                return Told("fork", old, f"it says that it co-signed another journal of {old} entries")
            if theirs > size:
                return _ahead(control, theirs)
            old = theirs
    except TallystickError as error:
        return Told("failed", known, error.message)
    return Told("failed", known, "its size changed with every try")


def _ahead(control: ControlStore, theirs: int) -> Told:
    """The witness knows more entries than the checkpoint has: by another process of ours, or because they are gone."""
    here, _ = control.head()
    if theirs <= here:
        return Told("failed", theirs, "another process submitted a newer checkpoint; the next one will do")
    return Told("fork", theirs, f"it says that it co-signed {theirs} entries, and the journal has {here}")


def _why(status: int) -> str:
    if status == 404:
        return "it does not know this journal: hand it the key that `tally journal key` prints"
    if status == 403:
        return "it does not trust this journal's key: hand it the key that `tally journal key` prints"
    return f"it answered HTTP {status}"


def add_signatures(control: ControlStore, size: int, note: str, signatures: Sequence[Signature]) -> str:
    """Keep a checkpoint with more signatures than before; gives the note as it is kept now."""
    text = format_note(extend_note(parse_note(note), signatures))
    control.add_checkpoint(size, text)
    return next((one for at, one in control.checkpoints(limit=50) if at == size), text)
