"""What a verifier remembers of the lines that went by, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.model.canonical import read_canonical
from tallystick.model.errors import BadInput, TooLarge
from tallystick.model.journal import Entry

MOST_KEPT: Final = 512 * 2**20  # bytes of lines that are needed later: entries, openings, texts, payloads
CLOCK_STEP_NS: Final = 3_600_000_000_000  # clocks are set back now and then, but seldom by more than an hour
_ENTRY_FIELDS: Final = frozenset({"actor", "at", "body", "id", "kind", "run", "seq", "subject"})


@dataclass(slots=True)
class Seen:
    """Header and everything that later lines may refer to. ``kept`` counts the bytes of what is remembered."""

    header: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    runs: frozenset[str] = frozenset()
    texts: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)  # commitment -> what it was opened to
    withheld: dict[str, str] = field(default_factory=dict)  # commitment -> why it is not opened
    kept: int = 0
    declared: dict[str, Mapping[str, Any]] = field(
        default_factory=dict
    )  # declarations that were read, by digest

    def declaration(self, named: Any) -> Mapping[str, Any] | None:
        """The declaration of a tool that an entry names; None where it is not here. Raises BadInput for none.

        It is read once, however many entries name it.
        """
        known = self.declared.get(named)
        if known is None and (text := self.texts.get(named)) is not None:
            known = read_canonical(text.encode("utf-8"))
            if not isinstance(known, dict):
                raise BadInput("this is no declaration of a tool")
            self.declared[named] = known
        return known

    def keep(self, size: int) -> None:
        """Count what is remembered. Raises TooLarge: a verifier must not be brought down by a file."""
        self.kept += size
        if self.kept > MOST_KEPT:
            raise TooLarge(
                f"checking this file would take more than {MOST_KEPT // 2**20} MiB of memory",
                hint="ask for evidence without contents (--redact)",
            )


def entry_of(leaf: Mapping[str, Any], digest: str) -> Entry:
    """The entry that a leaf is. Raises KeyError, TypeError or BadInput where it is none."""
    old = "previous" in leaf
    known = _ENTRY_FIELDS | ({"previous"} if old else {"v", "nth"})
    if set(leaf) != known or (not old and leaf["v"] != 2):
        raise BadInput("it does not have the fields of a journal entry")
    seq, nth, at = leaf["seq"], leaf.get("nth"), leaf["at"]
    if type(seq) is not int or seq < 1 or not (nth is None or (type(nth) is int and nth > 0)):
        raise TypeError("its numbers are none")
    texts = [leaf["id"], leaf["kind"], leaf["subject"], leaf["actor"], at]
    if not all(type(text) is str for text in texts) or not isinstance(leaf["body"], dict):
        raise TypeError("its fields are not of their kinds")
    if leaf["run"] is not None and type(leaf["run"]) is not str:
        raise TypeError("its run is no id")
    return Entry(
        seq, leaf["id"], time_of(at), leaf["kind"], leaf["subject"], leaf["run"], leaf["actor"], leaf["body"],
        digest, nth, leaf.get("previous"),
    )  # fmt: skip


def time_of(text: Any) -> int:
    """Nanoseconds written as decimal text. Raises BadInput for any other spelling."""
    if type(text) is not str or not text.isascii() or not text.isdigit() or len(text) > 20:
        raise BadInput("a time is nanoseconds as decimal text")
    if text[0] == "0" and text != "0":
        raise BadInput("a time has no leading zero")
    return int(text)


def is_digest(value: Any) -> bool:
    """Whether a value is 64 lower-case hex digits."""
    return type(value) is str and len(value) == 64 and not value.strip("0123456789abcdef")


def hash_of(value: Any) -> bytes:
    """The 32 bytes of a digest. Raises BadInput for anything else."""
    if not is_digest(value):
        raise BadInput("this is no SHA-256 digest")
    return bytes.fromhex(value)


def salt_of(value: Any) -> bytes:
    """A salt written as 32 lower-case hex digits. Raises BadInput for anything else."""
    if type(value) is not str or len(value) != 32 or value.strip("0123456789abcdef"):
        raise BadInput("a salt is 16 bytes as hex digits")
    return bytes.fromhex(value)
