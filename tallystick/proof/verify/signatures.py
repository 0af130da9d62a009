"""Signatures: answers to approvals, statements and the trailer are signed by the key that the reader gave."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from tallystick.model.canonical import canonical_json, read_canonical
from tallystick.model.journal import Entry
from tallystick.proof.dsse import payload_of, verify_envelope
from tallystick.proof.lines import FORMAT, Line
from tallystick.proof.notes import parse_note, verified
from tallystick.proof.report import Checklist
from tallystick.proof.statements import answer_statement, statement
from tallystick.proof.verify.inclusion import Trust
from tallystick.proof.verify.seen import CLOCK_STEP_NS, Seen, time_of

_CHECK: Final = "signature"


class Signatures:
    """Follows what is signed one by one."""

    def __init__(self, told: Checklist, seen: Seen, trust: Trust) -> None:
        self._told = told
        self._seen = seen
        self._reached = 0  # the entry that the statement before was about
        self._trust = trust
        self._expected: dict[
            bytes, int
        ] = {}  # SHA-256 of a statement's payload -> the entry that it is about
        self._until: dict[str, int] = {}  # approval -> the time until which it can be answered
        if not trust.keys:
            told.not_checked(_CHECK, "", "no key was given (--key), so nobody knows who made this file")

    def entry(self, entry: Entry, leaf: Mapping[str, Any], leaf_hash: bytes) -> None:
        """Note the statement that an entry must have, and check the envelope of an approval's answer."""
        told = statement(leaf, leaf_hash) if entry.previous is None else None
        if told is not None:
            self._expected[sha256(canonical_json(told)).digest()] = entry.seq
        if entry.kind == "approval.requested" and entry.previous is None:
            self._until[entry.body["approval"]] = time_of(str(entry.body["expires_ns"]))
        if entry.kind == "approval.answered" and self._trust.keys and entry.previous is None:
            self._answered(entry)

    def _answered(self, entry: Entry) -> None:
        place, body = f"entry {entry.seq}", entry.body
        if body["envelope"] is None:
            self._told.finding(_CHECK, place, f"the answer to approval {body['approval']} is unsigned")
            return
        payload = verify_envelope(body["envelope"], self._trust.keys)
        if payload is None:
            self._told.finding(
                _CHECK, place, f"the answer to approval {body['approval']} is not signed by the key given"
            )
            return
        signed = read_canonical(payload)
        given = {
            key: body[key] for key in ("approval", "binding", "answer", "by", "person", "via") if key in body
        }
        at = signed["predicate"]["at"]
        if signed != answer_statement({**given, "at": at}):
            self._told.finding(_CHECK, place, "what was signed is another answer than the one in the journal")
        elif time_of(at) >= self._until.get(body["approval"], entry.at + CLOCK_STEP_NS):
            self._told.finding(
                _CHECK, place, f"the answer to approval {body['approval']} was signed after its time"
            )
        elif abs(time_of(at) - entry.at) > CLOCK_STEP_NS:
            self._told.finding(_CHECK, place, "the answer was signed long before or after it was written")
        else:
            self._told.holds(_CHECK)

    def statement(self, line: Line) -> None:
        """A statement must be that of an entry here, and be signed."""
        envelope = line.value["envelope"]
        payload = payload_of(envelope)
        about = self._expected.pop(sha256(payload).digest(), None)
        if about is None:
            self._told.finding("format", line.place, "the statement is not that of an entry here")
        elif about < self._reached:
            self._told.finding("format", line.place, "statements are not in the order of their entries")
        self._reached = about or self._reached
        if not self._trust.keys:
            return
        if verify_envelope(envelope, self._trust.keys) is None:
            self._told.finding(_CHECK, line.place, "the statement is not signed by the key given")
        else:
            self._told.holds(_CHECK)

    def trailer(self, line: Line, digest: str) -> None:
        """The last line signs all others."""
        value, place = line.value, line.place
        if value["lines"] != line.number - 1:
            self._told.finding("format", place, "the trailer counts another number of lines")
        if value["sha256"] != digest:
            self._told.finding("format", place, "the trailer's digest is not that of the lines before it")
        note = parse_note(value["note"])
        if note.text != trailer_text(value["sha256"], value["lines"]):
            self._told.finding("format", place, "what is signed under the trailer is something else")
        if not self._trust.keys:
            return
        if verified(note, self._trust.of(self._seen.header.get("origin"))):
            self._told.holds(_CHECK)
        else:
            self._told.finding(_CHECK, place, "the file is not signed by the key given")

    def finish(self) -> None:
        """Every consequential action has its statement."""
        for seq in self._expected.values():
            self._told.finding("format", f"entry {seq}", "its statement is missing")


def trailer_text(digest: str, lines: int) -> str:
    """What the log's key signs under a file."""
    return f"{FORMAT}\n{digest}\n{lines}\n"
