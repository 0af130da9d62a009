"""What a witness decides (C2SP tlog-witness, add-checkpoint), and what a log says to it and hears from it.

A witness remembers one checkpoint of each log and signs the next only if that one's tree is a prefix of it. Then a log
cannot show two histories to two people unless its witnesses are in it. Everything here is pure: the caller keeps the
state (durably, and before it answers), the time and the keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.model.errors import BadInput
from tallystick.proof.base64text import from_base64, to_base64
from tallystick.proof.keys import COSIGNATURE, VerifierKey, Verify, verify_ed25519
from tallystick.proof.merkle import EMPTY_ROOT, HASH_BYTES, is_consistent, roots_from_consistency
from tallystick.proof.notes import (
    LARGEST_SIZE,
    LONGEST_NOTE,
    Checkpoint,
    Note,
    Signature,
    extend_note,
    format_note,
    parse_checkpoint,
    parse_note,
    parse_signature,
    verified,
)

MOST_HASHES: Final = 63
LONGEST_REQUEST: Final = LONGEST_NOTE + 64 * 64  # bytes
LONGEST_RESPONSE: Final = 64_000  # bytes
TEXT: Final = "text/plain; charset=utf-8"
SIZE_TYPE: Final = "text/x.tlog.size"

_DECIMAL: Final = re.compile("0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class WitnessState:
    """The latest checkpoint of a log that was cosigned; ``note`` is it as the log sent it."""

    origin: str
    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class Request:
    """An add-checkpoint request that could be read: ``proof`` leads from the tree of ``old_size`` leaves."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Cosigned:
    """Keep ``state``, then answer 200 with a cosignature of ``checkpoint`` (``response_body``)."""

    checkpoint: Checkpoint
    state: WitnessState


@dataclass(frozen=True, slots=True)
class Refused:
    """Answer ``status`` with ``body`` and change nothing."""

    status: int
    reason: str
    body: str
    content_type: str = TEXT


@dataclass(frozen=True, slots=True)
class Forked:
    """Answer as for ``Refused``, keep both notes and raise the alarm: the log signed two heads that do not join.

    ``proven``: the notes show it, alone (one size, two roots) or with ``proof`` (it leads to the new root and to
    another old one). Otherwise the log's signed head came without a proof that it continues the one before. That is
    how a fork looks, and also the request of a stranger who sends a signed head with a proof that he made up.
    """

    status: int
    reason: str
    body: str
    kept: str
    offered: str
    proof: tuple[bytes, ...]
    proven: bool
    content_type: str = TEXT


Judgement = Cosigned | Refused | Forked


# ── the witness's side ──────────────────────────────────────────────────────────────────────────────────────────


def parse_request(body: bytes) -> Request:
    """Read the body of add-checkpoint: "old N", proof lines, an empty line, a checkpoint. Raises BadInput."""
    if len(body) > LONGEST_REQUEST:
        raise BadInput("this request is too long")
    head, empty, note = body.partition(b"\n\n")
    try:
        old, *hashes = head.decode("ascii").split("\n")
    except UnicodeError as error:
        raise BadInput("the lines before the checkpoint must be ASCII") from error
    word, _, size = old.partition(" ")
    if not empty or word != "old":
        raise BadInput('a request begins with a line "old SIZE" and has an empty line before the checkpoint')
    if len(hashes) > MOST_HASHES:
        raise BadInput(f"a consistency proof has at most {MOST_HASHES} hashes")
    proof = tuple(from_base64(line, "a hash of the consistency proof") for line in hashes)
    if any(len(one) != HASH_BYTES for one in proof):
        raise BadInput(f"a hash of the consistency proof has {HASH_BYTES} bytes")
    read = parse_note(note)
    return Request(parse_size(size), proof, read, parse_checkpoint(read.text))


def judge(
    state: WitnessState | None,
    request: Request,
    log_keys: Mapping[str, Sequence[VerifierKey]],
    verify: Verify = verify_ed25519,
) -> Judgement:
    """Decide about a request. ``state`` is what is kept of the request's origin, ``log_keys`` the keys by origin.

    Status codes are those of C2SP tlog-witness: 404 unknown origin, 403 no signature of the log, 400 the old size is
    larger than the new, 409 the old size is not the one we know (the body says which) or the root of one size differs,
    422 the proof does not hold.
    """
    checkpoint, old = request.checkpoint, request.old_size
    keys = log_keys.get(checkpoint.origin)
    if keys is None:
        return _refused(404, "this witness does not know the log of this checkpoint")
    if not verified(request.note, keys, verify):
        return _refused(403, "no key of the log has signed this checkpoint")
    if old > checkpoint.size:
        return _refused(400, "the old size is larger than the checkpoint's")
    size, root = (state.size, state.root) if state is not None else (0, EMPTY_ROOT)
    other = checkpoint.size == size and checkpoint.root != root
    if state is not None and other:
        answer = _behind(size) if old != size else _refused(409, "the root is not the one of that size")
        return _forked(
            state, request, answer, f"the log has signed two different trees of {size} leaves", True
        )
    if old != size:
        return _behind(size)
    if not is_consistent(old, checkpoint.size, root, checkpoint.root, request.proof):
        wrong = f"the proof does not lead from the tree of {old} leaves to that of {checkpoint.size}"
        if state is None or old in (
            0,
            checkpoint.size,
        ):  # nothing to fork from, or the very head that we know
            return _refused(422, wrong)
        roots = roots_from_consistency(old, checkpoint.size, root, request.proof)
        proven = roots is not None and roots[1] == checkpoint.root
        return _forked(state, request, _refused(422, wrong), wrong, proven)
    return Cosigned(
        checkpoint,
        WitnessState(checkpoint.origin, checkpoint.size, checkpoint.root, format_note(request.note)),
    )


def response_body(signatures: Iterable[Signature]) -> str:
    """The body of a 200 answer."""
    return "".join(f"{signature.line}\n" for signature in signatures)


def _refused(status: int, reason: str) -> Refused:
    return Refused(status, reason, f"{reason}\n")


def _behind(size: int) -> Refused:
    return Refused(409, f"the latest checkpoint has {size} leaves", f"{size}\n", SIZE_TYPE)


def _forked(state: WitnessState, request: Request, answer: Refused, reason: str, proven: bool) -> Forked:
    offered = format_note(request.note)
    return Forked(
        answer.status, reason, answer.body, state.note, offered, request.proof, proven, answer.content_type
    )


# ── the log's side ──────────────────────────────────────────────────────────────────────────────────────────────


def request_body(old_size: int, proof: Sequence[bytes], note: Note) -> bytes:
    """The body of add-checkpoint. ``proof`` is ``merkle.prove_consistency(old_size, …)``."""
    lines = [f"old {old_size}", *(to_base64(one) for one in proof), "", format_note(note)]
    return "\n".join(lines).encode()


def parse_size(body: str | bytes) -> int:
    """The size in a 409 answer of type SIZE_TYPE. Raises BadInput."""
    text = body.decode("ascii", "replace") if isinstance(body, bytes) else body
    text = text.removesuffix("\n")
    if not _DECIMAL.fullmatch(text) or int(text) > LARGEST_SIZE:
        raise BadInput("this is not a tree size")
    return int(text)


def parse_response(
    body: bytes, note: Note, keys: Iterable[VerifierKey], verify: Verify = verify_ed25519
) -> tuple[Signature, ...]:
    """The cosignatures of ``note`` by ``keys`` in a 200 answer; lines of other keys are passed over.

    Raises BadInput when the answer cannot be read, a cosignature by one of ``keys`` does not hold, or none is there.
    """
    if len(body) > LONGEST_RESPONSE:
        raise BadInput("the witness's answer is too long")
    try:
        lines = body.decode().split("\n")
    except UnicodeError as error:
        raise BadInput("the witness's answer is not UTF-8") from error
    if lines.pop() or not lines:
        raise BadInput("the witness's answer is not signature lines")
    answer = Note(note.text, tuple(parse_signature(line) for line in lines))
    cosigners = [key for key in keys if key.type == COSIGNATURE]
    found = tuple(one.signature for one in verified(answer, cosigners, verify))
    if not found:
        raise BadInput("the witness's answer has no cosignature of this checkpoint that holds")
    format_note(extend_note(note, found))
    return found
