"""Import tools: write down what an MCP server shows of its tools; what is new or changed waits for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tallystick.model.canonical import canonical_json, read_canonical
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.registry import Channel, Definition, Shown
from tallystick.ports import ControlStore
from tallystick.registry.offered import (
    Finding,
    Offer,
    Refused,
    definition_from,
    definitions,
    judge,
    stand_ins,
)
from tallystick.registry.offered_files import claimed_effect


@dataclass(frozen=True, slots=True)
class Source:
    """A server: the name that its tools get, its identity (without secrets), and how to ask it for its tools."""

    name: str
    identity: str
    ask: Callable[[], Sequence[Offer]]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import found. ``quarantined``: something waits for a person, or was refused."""

    source: Source
    findings: tuple[Finding, ...]
    refused: tuple[Refused, ...]
    written: int

    @property
    def quarantined(self) -> bool:
        """Whether a person is needed."""
        return bool(self.refused) or any(one.quarantined for one in self.findings)

    def as_json(self, files: Mapping[str, str] | None = None) -> dict[str, Any]:
        """``{"server", "name", "counts", "quarantined", "tools": [...], "refused": [...]}``, JSON-ready.

        ``files``: files that were written, by tool.
        """
        return {
            "server": self.source.identity, "name": self.source.name, "quarantined": self.quarantined,
            "counts": dict(sorted(Counter(one.state for one in self.findings).items())),
            "tools": [_finding_json(one, (files or {}).get(one.tool)) for one in self.findings],
            "refused": [{"tool": one.tool, "why": one.why} for one in self.refused],
        }  # fmt: skip


def import_tools(control: ControlStore, source: Source, *, by: str, dry_run: bool = False) -> Imported:
    """Ask a server, hold its tools against what is known, and write what is new, changed or back.

    Nothing is ever accepted here. Raises what asking raises, and BadInput for a name that no server can have.
    """
    definitions(source.name, source.identity, ())  # a name that cannot be is said before anything is started
    offered, refused = definitions(source.name, source.identity, source.ask())
    shown = control.shown()
    offered = {**stand_ins(source.name, source.identity, refused, shown), **offered}
    findings = judge(source.name, offered, shown, _known(control, shown, source.name))
    drafts = [_draft(one, one.definition, by) for one in findings if one.write and one.definition is not None]
    if drafts and not dry_run:
        control.append(drafts)
    return Imported(source, tuple(findings), tuple(refused), 0 if dry_run else len(drafts))


def _known(control: ControlStore, shown: Sequence[Shown], server: str) -> dict[str, Definition]:
    """The definitions of a server's tools that were shown before, by digest; a text that is lost is left out."""
    known: dict[str, Definition] = {}
    for one in shown:
        if one.channel is Channel.MCP and one.tool.startswith(server + ".") and one.definition not in known:
            try:
                known[one.definition] = definition_from(read_canonical(control.text(one.definition).encode()))
            except (UnknownThing, BadInput):
                continue  # then the change is named, and not shown side by side
    return known


def _draft(finding: Finding, definition: Definition, by: str) -> Draft:
    body = {
        "tool": finding.tool, "channel": Channel.MCP.value, "definition": definition.digest, "trust": "quarantined",
        "why": "new" if finding.state == "new" else "changed", "differs": list(finding.differs),
        "against": finding.against if finding.against != definition.digest else None, "server": definition.server,
    }  # fmt: skip
    text = canonical_json(definition.as_json()).decode("utf-8")
    return Draft("definition.shown", f"tool:{finding.tool}", body, actor=by, texts={definition.digest: text})


def _finding_json(one: Finding, file: str | None) -> dict[str, Any]:
    made = one.definition
    return {
        "tool": one.tool, "state": one.state, "quarantined": one.quarantined,
        "definition": None if made is None else made.digest, "against": one.against, "differs": list(one.differs),
        "changes": [{"path": each.path, "before": each.before, "after": each.after} for each in one.changes],
        "claimed_effect": None if made is None else claimed_effect(made.annotations), "file": file,
    }  # fmt: skip
