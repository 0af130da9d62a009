"""Entries of no run: a file holds those that its run depends on, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.model.journal import Entry
from tallystick.proof.report import Checklist
from tallystick.proof.verify.seen import Seen

# What an entry of no run is about, by its kind; those of the journal's own keys always belong to it.
_ABOUT: Final = {
    "policy.loaded": "digest", "rates.loaded": "card", "budget.set": "scope", "hold.settled": "hold",
    "object.declared": "name", "object.retired": "name",
}  # fmt: skip
_ALWAYS: Final = ("key.created", "key.retired", "journal.reopened")
EVERY_RUN: Final = "run:*"


class Others:
    """Collects what the run names, and at the end holds every entry of no run against it."""

    def __init__(self, told: Checklist, seen: Seen) -> None:
        self._told = told
        self._seen = seen
        self._entries: list[tuple[int, str, str]] = []  # number, kind, what it is about
        self._named: dict[str, set[str]] = {kind: set() for kind in _ABOUT}

    def entry(self, entry: Entry) -> None:
        """Look at one entry."""
        body = entry.body
        if entry.run is None and entry.previous is None and entry.kind not in _ALWAYS:
            self._entries.append((entry.seq, entry.kind, str(body.get(_ABOUT.get(entry.kind, "")))))
        elif entry.kind == "decision.made":
            self._named["policy.loaded"].add(str(body.get("policy_digest")))
            self.took_part(body)
        elif entry.kind == "hold.taken":
            self._named["hold.settled"].add(str(body["hold"]))
            self._named["budget.set"].update(map(str, body["scopes"]), [EVERY_RUN])
        elif entry.kind == "run.charged":
            self._named["rates.loaded"].add(str(body["card"]))

    def took_part(self, step: Mapping[str, Any]) -> None:
        """The agent and the tool of a decision, or of a record's step."""
        for kind in ("object.declared", "object.retired"):
            self._named[kind].update(str(step.get(key)) for key in ("agent", "tool"))

    def finish(self) -> None:
        """Say which entries nothing needs."""
        for seq, kind, about in self._entries:
            if about not in self._named.get(kind, ()):
                self._told.finding("format", f"entry {seq}", "nothing in this file needs this entry")
