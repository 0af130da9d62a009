"""Records: the run's spans, number by number, are those that the journal attests, and opened ones read as recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from tallystick.model.canonical import canonical_json, digest_bytes
from tallystick.model.commitment import commitment
from tallystick.model.journal import Entry
from tallystick.proof.lines import Line
from tallystick.proof.merkle import leaf_hash, root_of
from tallystick.proof.report import Checklist
from tallystick.proof.verify.decisions import NO_JUDGE, tell
from tallystick.proof.verify.deeds import Deeds
from tallystick.proof.verify.judge import Judge
from tallystick.proof.verify.seals import Seals
from tallystick.proof.verify.seen import Seen, hash_of, is_digest, salt_of, time_of

LONGEST_CONTENT: Final = 64 * 2**20  # bytes of one record's joined pieces
_CHECK: Final = "records"
_FIELDS: Final = {"content", "ended", "parent", "span", "started", "step", "trace", "v"}


@dataclass(slots=True)
class _Log:
    hashes: list[bytes] = field(default_factory=list)
    replaced: dict[int, tuple[str, int]] = field(default_factory=dict)
    segments: list[tuple[int, int, str, int]] = field(default_factory=list)  # first, count, root, entry


@dataclass(frozen=True, slots=True)
class Costed:
    """What a live record says of its step's cost; ``order`` is its place among all records of the file."""

    order: int
    leaf: Mapping[str, Any]


class Records:
    """Follows records, the payloads and sources that they refer to, and what the journal says of them."""

    def __init__(self, told: Checklist, seen: Seen, seals: Seals, deeds: Deeds, judge: Judge | None) -> None:
        self._told = told
        self._seen = seen
        self._judge = judge
        self._logs: dict[str, _Log] = {}
        self._payloads: dict[str, bytes] = {}
        self._sources: dict[str, Any] = {}
        self._unused: set[str] = set()
        self._last: tuple[str, int] = ("", -1)
        self._count = 0
        self._seals = seals
        self._deeds = deeds
        self._sealed: tuple[int, Mapping[str, Any]] | None = None
        self.costed: dict[tuple[str, str], Costed] = {}

    # ── what the journal says ───────────────────────────────────────────────────────────────────────────────────

    def entry(self, entry: Entry) -> None:
        """Look at one entry."""
        body = entry.body
        if entry.kind == "records.accepted":
            first, count = body["first"], body["count"]
            if type(first) is not int or type(count) is not int or count < 1 or not is_digest(body["root"]):
                raise TypeError("a segment has a first number, a count and a root")
            log = self._logs.setdefault(body["run"], _Log())
            log.segments.append((first, count, body["root"], entry.seq))
        elif entry.kind == "run.sealed" and body["run"] == self._seen.run:
            self._sealed = (entry.seq, body)

    # ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────

    def payload(self, line: Line) -> None:
        """A piece of text that records refer to."""
        text = line.value["text"].encode("utf-8")
        named = line.value["digest"]
        if digest_bytes(text) != named:
            self._told.finding("openings", line.place, "a payload does not have its digest")
        if named in self._payloads:
            self._told.finding("format", line.place, "the payload stands here a second time")
        self._seen.keep(len(text))
        self._payloads[named] = text
        self._unused.add(named)

    def source(self, line: Line) -> None:
        """Who sent spans."""
        content = canonical_json(line.value["value"])
        named = line.value["digest"]
        if sha256(content).hexdigest() != named:
            self._told.finding("openings", line.place, "a source does not have its digest")
        if named in self._sources:
            self._told.finding("format", line.place, "the source stands here a second time")
        self._seen.keep(len(content))
        self._sources[named] = line.value["value"]
        self._unused.add(named)

    def record(self, line: Line) -> None:
        """One record: its number, its leaf, and its content where that is opened."""
        value = line.value
        log_id, n = value["log"], value["n"]
        if type(n) is not int or type(log_id) is not str:
            raise TypeError("a record has the id of its log and a number")
        if (log_id, n) <= self._last:
            self._told.finding("format", line.place, "records are not in the order of their logs and numbers")
        self._last = (log_id, n)
        if log_id not in self._seen.runs:
            self._told.finding(_CHECK, line.place, "the record is of a run that this file is not about")
        log = self._logs.setdefault(log_id, _Log())
        if n != len(log.hashes):
            self._told.finding(
                _CHECK, line.place, f"record {len(log.hashes)} is wanted here, and this is {n}"
            )
        self._count += 1
        self._seen.keep(256)
        if "hash" in value:
            log.hashes.append(hash_of(value["hash"]))
            self._replaced(line, log_id, n)
            return
        leaf = value["leaf"]
        _check_leaf(leaf)
        log.hashes.append(leaf_hash(canonical_json(leaf)))
        self._seals.record(leaf)
        self._deeds.record(leaf)
        if leaf["step"].get("cost_nano") is not None or leaf["step"].get("cost_gap") is not None:
            self.costed[leaf["trace"], leaf["span"]] = Costed(self._count, leaf)
        if "withheld" in value:
            self._told.not_checked("readings", line.place, f"content withheld: {value['withheld']}")
            return
        self._content(line, leaf)

    def _replaced(self, line: Line, log_id: str, n: int) -> None:
        """A record of which only the hash is known: another one, here or in another log, took its place."""
        by, log = line.value["replaced_by"], line.value["replaced_in"] or log_id
        if by is None:
            self._told.not_checked(
                "readings", line.place, "the step of the record is not part of this run any more"
            )
        elif type(by) is not int or type(log) is not str or (log == log_id and by <= n):
            self._told.finding(
                _CHECK, line.place, f"record {n} is replaced by one that did not come after it"
            )
        else:
            self._told.not_checked("readings", line.place, "what a record said before another took its place")
            if log in self._seen.runs:
                self._logs[log_id].replaced[n] = (log, by)
            else:
                self._told.finding(_CHECK, line.place, "it is replaced by a record of a run that is not here")

    def _content(self, line: Line, leaf: Mapping[str, Any]) -> None:
        content = self._joined(line)
        if commitment(content, salt_of(line.value["salt"])) != leaf["content"]:
            self._told.finding("openings", line.place, "the content is not what its record committed to")
            return
        self._told.holds("openings")
        named = _source_named(content)
        self._unused.discard(named)
        if named not in self._sources:
            self._told.finding("openings", line.place, "the source that the span names is not here")
        elif self._judge is None:
            self._told.not_checked("readings", line.place, NO_JUDGE)
        else:
            tell(self._told, "readings", line.place, self._judge.reading(leaf, content, self._sources[named]))

    def _joined(self, line: Line) -> bytes:
        parts: list[bytes] = []
        size = 0
        for piece in line.value["content"]:
            if isinstance(piece, str):
                part = piece.encode("utf-8")
            elif set(piece) == {"payload"}:
                part = self._payloads[piece["payload"]]
                self._unused.discard(piece["payload"])
            else:
                raise TypeError("a piece is text or names a payload")
            size += len(part)
            if size > LONGEST_CONTENT:
                raise ValueError(f"a record's content has at most {LONGEST_CONTENT} bytes")
            parts.append(part)
        return b"".join(parts)

    # ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────

    def finish(self) -> None:
        """Hold the logs against the segments and the seal in the journal."""
        for named in sorted(self._unused):
            self._told.finding("format", f"digest {named[:12]}", "nothing refers to this payload or source")
        for log_id, log in sorted(self._logs.items()):
            self._segments(log_id, log)
            for n, (other, by) in log.replaced.items():
                if other not in self._logs or by >= len(self._logs[other].hashes):
                    self._told.finding(
                        _CHECK, f"record {n}", f"it is replaced by record {by}, which is not here"
                    )
        if self._sealed is None:
            self._told.finding(_CHECK, "", "the journal does not seal this run")
        elif self._sealed[1]["records"] != self._count:
            sealed, place = self._sealed[1]["records"], f"entry {self._sealed[0]}"
            self._told.finding(
                _CHECK, place, f"the run was sealed with {sealed} records, and {self._count} are here"
            )
        else:
            self._told.holds(_CHECK)

    def _segments(self, log_id: str, log: _Log) -> None:
        reached = 0
        for first, count, root, seq in log.segments:
            place = f"entry {seq}"
            if first != reached:
                self._told.finding(
                    _CHECK, place, f"segment of run {log_id[:12]} begins at {first}, not at {reached}"
                )
                continue  # no record is hashed twice, however many segments claim it
            reached = first + count
            if reached > len(log.hashes):
                self._told.finding(
                    _CHECK, place, f"records up to {reached} are attested, and {len(log.hashes)} are here"
                )
            elif root_of(log.hashes[first:reached]).hex() != root:
                self._told.finding(_CHECK, place, f"records {first} to {reached - 1} are not those attested")
            else:
                self._told.holds(_CHECK, count)
        if reached < len(log.hashes):
            self._told.finding(
                _CHECK, f"record {reached}", f"records of run {log_id[:12]} that nothing attests are here"
            )


def _check_leaf(leaf: Any) -> None:
    if not isinstance(leaf, dict) or set(leaf) != _FIELDS or type(leaf["v"]) is not int or leaf["v"] < 1:
        raise TypeError("it does not have the fields of a record")
    time_of(leaf["started"])
    if leaf["ended"] is not None:
        time_of(leaf["ended"])
    if not isinstance(leaf["step"], dict) or not is_digest(leaf["content"]):
        raise TypeError("it does not have the fields of a record")


def _source_named(content: bytes) -> str:
    """The source that a content names: the last text of that name, found without reading the whole."""
    at = content.rfind(b'"source":"')
    return content[at + 10 : at + 74].decode("ascii", "replace") if at >= 0 else ""
