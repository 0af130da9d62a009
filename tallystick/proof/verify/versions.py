"""Versions: what the registry declared is what its digest names, and each decision was about a version of it."""

from __future__ import annotations

from typing import Any, Final

from tallystick.model.canonical import digest
from tallystick.model.journal import Entry
from tallystick.proof.report import Checklist
from tallystick.proof.verify.seen import Seen

_CHECK: Final = "versions"


class Versions:
    """Follows declarations of agents and tools, and holds the tools of decisions against them."""

    def __init__(self, told: Checklist, seen: Seen) -> None:
        self._told = told
        self._seen = seen
        self._tools: dict[str, set[str]] = {}  # name -> digests of the versions declared so far

    def entry(self, entry: Entry) -> None:
        """Look at one entry."""
        place = f"entry {entry.seq}"
        if entry.kind == "object.declared":
            self._declared(entry.body, place)
        elif entry.kind == "decision.made":
            self._decided(entry.body, place)

    def _declared(self, body: Any, place: str) -> None:
        identity = {name: body[name] for name in ("type", "name", "version", "body")}
        if digest(identity) != body["digest"]:
            self._told.finding(
                _CHECK, place, f"the digest of {body['type']} {body['name']} is of something else"
            )
            return
        self._told.holds(_CHECK)
        if body["type"] == "tool":
            self._tools.setdefault(body["name"], set()).add(body["digest"])

    def _decided(self, body: Any, place: str) -> None:
        declared = self._seen.declaration(body["declaration"])
        if declared is None:
            return  # that is said by the check of openings
        known, named = self._tools.get(body["tool"]), declared["digest"]
        if known is None:
            self._told.not_checked(_CHECK, place, "the tool is declared in code, and not in the registry")
        elif named in known:
            self._told.holds(_CHECK)
        else:
            self._told.finding(
                _CHECK, place, f"no version of tool {body['tool']} in the registry is the one decided on"
            )
