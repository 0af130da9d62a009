"""Openings: every commitment of an entry is opened or withheld right behind it, and what opens it fits."""

from __future__ import annotations

from typing import Final

from tallystick.model.canonical import canonical_json, digest_bytes
from tallystick.model.commitment import commitment
from tallystick.model.journal import Entry, commitments_of
from tallystick.proof.lines import Line
from tallystick.proof.report import Checklist
from tallystick.proof.verify.seen import Seen, salt_of

_CHECK: Final = "openings"
# What stands before the value in an opening: digest and salt have a fixed length.
_BEFORE_VALUE: Final = len('{"commitment":"","line":"opening","salt":"","value":') + 64 + 32


class Openings:
    """Follows texts, and the openings that each entry needs."""

    def __init__(self, told: Checklist, seen: Seen) -> None:
        self._told = told
        self._seen = seen
        self._needed: dict[str, str] = {}  # commitment -> the entry that needs it
        self._named: set[str] = set()  # digests of texts that entries name
        self._last = ""

    def text(self, line: Line) -> None:
        """A document that entries name by its digest."""
        named, text = line.value["digest"], line.value["text"]
        if digest_bytes(text.encode("utf-8")) != named:
            self._told.finding(_CHECK, line.place, "a text does not have its digest")
            return
        if named <= self._last:
            self._told.finding("format", line.place, "texts do not stand in the order of their digests")
        self._last = named
        self._seen.keep(len(text))
        self._seen.texts[named] = text
        self._told.holds(_CHECK)

    def entry(self, entry: Entry) -> None:
        """Note which commitments of an entry are not known yet, and which texts it names."""
        for one in commitments_of(entry.body):
            if one not in self._seen.values and one not in self._seen.withheld:
                self._needed[one] = f"entry {entry.seq}"
        body = entry.body
        if entry.kind == "policy.loaded" and entry.previous is None:
            named = [file["text"] for file in body["files"]]
            named += [body["tools"]] if body["tools"] is not None else []
        elif entry.kind == "decision.made" and entry.previous is None:
            named = [body["declaration"]] if body["declaration"] is not None else []
        else:
            return
        self._named.update(named)
        for one in named:
            if one not in self._seen.texts:
                self._told.finding(
                    _CHECK, f"entry {entry.seq}", f"text {str(one)[:12]}, which it names, is not here"
                )

    def opening(self, line: Line) -> None:
        """What opens a commitment of the entry before."""
        value = line.value
        named = value["commitment"]
        if self._needed.pop(named, None) is None:
            self._told.finding("format", line.place, "no entry before it needs this opening")
            return
        salt = salt_of(value["salt"])
        content = line.raw[_BEFORE_VALUE:-1] if line.flaw is None else canonical_json(value["value"])
        if commitment(content, salt) != named:
            self._told.finding(_CHECK, line.place, "the value is not what was committed to")
            return
        self._seen.keep(len(content))
        self._seen.values[named] = value["value"]
        self._told.holds(_CHECK)

    def withheld(self, line: Line) -> None:
        """A commitment that is not opened here."""
        named, why = line.value["commitment"], line.value["why"]
        if type(why) is not str or self._needed.pop(named, None) is None:
            self._told.finding("format", line.place, "no entry before it needs this line")
            return
        self._seen.keep(128)
        self._seen.withheld[named] = why
        self._told.not_checked(_CHECK, line.place, f"withheld: {why}")

    def settled(self) -> None:
        """The openings of an entry are over: what is still needed is missing."""
        for place in self._needed.values():
            self._told.finding(_CHECK, place, "a content of it is neither opened nor withheld")
        self._needed.clear()

    def finish(self) -> None:
        """No text stands here that nothing names."""
        for named in sorted(self._seen.texts.keys() - self._named):
            self._told.finding("format", f"text {named[:12]}", "no entry names this text")
