"""Signed notes, checkpoints and cosignatures, as C2SP writes them (signed-note, tlog-checkpoint, tlog-cosignature).

A note is text with signatures under it. Reading is strict: a note that is read can be written again to the same bytes,
and a note that cannot be read says why in a BadInput. Signatures of keys that the caller does not name, and of types
that we do not know, are passed over, so that others may sign with what comes next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tallystick.model.errors import BadInput
from tallystick.proof.base64text import from_base64, to_base64
from tallystick.proof.keys import (
    COSIGNATURE,
    ED25519,
    Sign,
    VerifierKey,
    Verify,
    check_key_name,
    verify_ed25519,
)
from tallystick.proof.merkle import HASH_BYTES

__all__ = [
    "COSIGNATURE", "ED25519", "Checkpoint", "Note", "Signature", "Verified", "VerifierKey", "checkpoint_text",
    "cosign", "cosignature_message", "extend_note", "format_note", "parse_checkpoint", "parse_note", "parse_signature",
    "sign_note", "verified", "verify_note",
]  # fmt: skip

LONGEST_NOTE: Final = 1_000_000  # bytes, as in Go
MOST_SIGNATURES: Final = 100  # as in Go; C2SP asks for at least 16
LARGEST_SIZE: Final = 2**63 - 1

_DASH: Final = "— "
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f]")
_DECIMAL: Final = re.compile("0|[1-9][0-9]{0,18}")
_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
_ED25519_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: ``id`` is the key's four bytes, ``value`` what follows them."""

    name: str
    id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """The line without its newline."""
        return f"{_DASH}{self.name} {to_base64(self.id + self.value)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text (its last newline included) and the signatures under it, verified or not."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: ``root`` is the Merkle root (32 bytes) over its first ``size`` leaves."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The note text, see ``checkpoint_text``."""
        return checkpoint_text(self.origin, self.size, self.root, self.extensions)


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that holds. ``seconds`` is the Unix time that a witness put into its cosignature."""

    key: VerifierKey
    signature: Signature
    seconds: int | None = None


# ── notes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def parse_note(note: str | bytes) -> Note:
    """Read a signed note.

    Raises BadInput for what is not UTF-8, has control characters, lacks the empty line or the last newline, has no
    signature line or one that is not in its one form, and for more than 1,000,000 bytes or 100 signatures.
    """
    content = _readable(note)
    cut = content.rfind("\n\n")
    if cut < 0 or not content.endswith("\n") or cut + 2 == len(content):
        raise BadInput("a signed note ends with an empty line and at least one signature line")
    lines = content[cut + 2 : -1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise BadInput(f"a signed note has at most {MOST_SIGNATURES} signatures here")
    return Note(content[: cut + 1], tuple(parse_signature(line) for line in lines))


def parse_signature(line: str) -> Signature:
    """Read one signature line (without its newline). Raises BadInput."""
    name, space, value = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise BadInput("a line under a signed note is not a signature")
    check_key_name(name)
    raw = from_base64(value, "a signature of a note")
    if len(raw) <= _ID_BYTES:
        raise BadInput("a signature of a note is too short")
    return Signature(name, raw[:_ID_BYTES], raw[_ID_BYTES:])


def format_note(note: Note) -> str:
    """Write a note. Raises BadInput when it could not be read again as the same note."""
    lines = "".join(f"{signature.line}\n" for signature in note.signatures)
    content = f"{note.text}\n{lines}"
    if parse_note(content) != note:
        raise BadInput("this text cannot be a signed note: it must end with a newline")
    return content


def sign_note(text: str, key: VerifierKey, sign: Sign) -> Note:
    """A note of ``text`` with one signature of type ED25519. Raises BadInput for another type or an unfit text."""
    if key.type != ED25519:
        raise BadInput("only an Ed25519 key of type 1 signs notes")
    note = Note(text, (Signature(key.name, key.id, sign(text.encode("utf-8", "surrogatepass"))),))
    format_note(note)
    return note


def extend_note(note: Note, signatures: Iterable[Signature]) -> Note:
    """The note with more signatures; one of a key that had signed before takes the place of the earlier one."""
    lines = {(one.name, one.id): one for one in note.signatures}
    lines.update({(one.name, one.id): one for one in signatures})
    return Note(note.text, tuple(lines.values()))


def verified(
    note: Note, keys: Iterable[VerifierKey], verify: Verify = verify_ed25519
) -> tuple[Verified, ...]:
    """The signatures by ``keys`` that hold, in the note's order.

    Every line with the name and id of one of ``keys`` is verified, also a second one by the same key. If any of them
    fails, the whole note is rejected and nothing is returned (C2SP signed-note, "Signatures"). Lines of other keys and
    keys of types we do not know are passed over. Raises BadInput when two different keys share a name and an id.
    """
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.id), key) != key:
            raise BadInput("two of the keys given have the same name and the same id")
    found = []
    for signature in note.signatures:
        by = known.get((signature.name, signature.id))
        if by is None or by.type not in (ED25519, COSIGNATURE):
            continue
        holding = _holding(note.text, signature, by, verify)
        if holding is None:
            return ()
        found.append(holding)
    return tuple(found)


def verify_note(note: Note, keys: Iterable[VerifierKey], verify: Verify = verify_ed25519) -> tuple[str, ...]:
    """Names of the keys whose signatures hold; empty when the note must be rejected (see ``verified``)."""
    return tuple(dict.fromkeys(one.key.name for one in verified(note, keys, verify)))


def _holding(text: str, signature: Signature, key: VerifierKey, verify: Verify) -> Verified | None:
    value = signature.value
    if key.type == ED25519:
        return (
            Verified(key, signature)
            if verify(key.public, text.encode("utf-8", "surrogatepass"), value)
            else None
        )
    if len(value) != _TIME_BYTES + _ED25519_BYTES:
        return None
    seconds = int.from_bytes(value[:_TIME_BYTES], "big")
    if seconds > LARGEST_SIZE:
        return None
    holds = verify(key.public, cosignature_message(text, seconds), value[_TIME_BYTES:])
    return Verified(key, signature, seconds) if holds else None


def _readable(note: str | bytes) -> str:
    if len(note) > LONGEST_NOTE:
        raise BadInput(f"a signed note has at most {LONGEST_NOTE} bytes here")
    try:
        content = note if isinstance(note, str) else note.decode()
        size = len(content.encode())
    except UnicodeError as error:
        raise BadInput("a signed note must be UTF-8") from error
    if size > LONGEST_NOTE:
        raise BadInput(f"a signed note has at most {LONGEST_NOTE} bytes here")
    if _CONTROL.search(content):
        raise BadInput("a signed note has no control characters")
    return content


# ── checkpoints and cosignatures ────────────────────────────────────────────────────────────────────────────────


def checkpoint_text(origin: str, size: int, root: bytes, extensions: Iterable[str] = ()) -> str:
    """The note text of a checkpoint. Raises BadInput for what could not be read again."""
    text = "".join(f"{line}\n" for line in (origin, size, to_base64(root), *extensions))
    if parse_checkpoint(text) != Checkpoint(origin, size, root, tuple(extensions)):
        raise BadInput("this cannot be written as a checkpoint")
    return text


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a note's text as a checkpoint (without judging its signatures). Raises BadInput."""
    _readable(text)
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise BadInput("a checkpoint is at least three lines, and none of them is empty")
    origin, size, root, *extensions = lines
    if not _DECIMAL.fullmatch(size) or int(size) > LARGEST_SIZE:
        raise BadInput("the size in a checkpoint is not a decimal number in its one form")
    raw = from_base64(root, "the root in a checkpoint")
    if len(raw) != HASH_BYTES:
        raise BadInput(f"the root in a checkpoint has {HASH_BYTES} bytes")
    return Checkpoint(origin, int(size), raw, tuple(extensions))


def cosignature_message(text: str, seconds: int) -> bytes:
    """What a witness signs: ``text`` is a checkpoint's, ``seconds`` Unix time (tlog-cosignature, Ed25519)."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode("utf-8", "surrogatepass")


def cosign(text: str, key: VerifierKey, seconds: int, sign: Sign) -> Signature:
    """A witness's cosignature of a checkpoint's text at ``seconds`` (Unix time).

    Raises BadInput when the text is no checkpoint, the key not of type COSIGNATURE, or the time out of range.
    """
    parse_checkpoint(text)
    if key.type != COSIGNATURE:
        raise BadInput("only an Ed25519 key of type 4 cosigns checkpoints")
    if not 0 <= seconds <= LARGEST_SIZE:
        raise BadInput("the time of a cosignature is out of range")
    value = seconds.to_bytes(_TIME_BYTES, "big") + sign(cosignature_message(text, seconds))
    return Signature(key.name, key.id, value)
