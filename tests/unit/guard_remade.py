"""Makes every decision of a journal again, from its entries, openings and texts alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec

from tallystick.app.acting.decided import Missing, call_digest, differences, inputs_of, made_again
from tallystick.app.acting.policies import remade
from tallystick.app.acting.watch import LoopRecord, loop_record
from tallystick.cost.loops import replay
from tallystick.model.commitment import Opening
from tallystick.model.control import approval_binding as binding
from tallystick.model.errors import UnknownThing
from tallystick.model.guarding import declaration_from
from tallystick.model.journal import Entry


class Record:
    """A journal as a verifier has it."""

    def __init__(self, control: Any) -> None:
        self.entries: list[Entry] = list(control.entries(limit=100_000))
        self.openings: dict[str, Opening] = {
            one.commitment: one
            for rows in control.openings([entry.seq for entry in self.entries]).values()
            for one in rows
        }
        self.texts: dict[str, str] = {}
        for named in self._named():
            try:
                self.texts[named] = control.text(named)
            except UnknownThing:
                continue

    def _named(self) -> list[str]:
        found = [entry.body["declaration"] for entry in self.of("decision.made")]
        for entry in self.of("policy.loaded"):
            found += [entry.body["tools"], *(file["text"] for file in entry.body["files"])]
        return found

    def of(self, kind: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind == kind]


def problems(record: Record) -> list[str]:
    """Where a decision or a loop finding made again is not the recorded one. Masked ones say why they cannot be."""
    assert all(one.fits for one in record.openings.values() if one.content is not None)
    sets = {entry.subject: remade(entry.body, record.texts) for entry in record.of("policy.loaded")}
    found: list[str] = []
    for entry in record.of("decision.made"):
        body = entry.body
        if call_digest(body) != body["call"]:
            found.append(f"{entry.subject}: call")
        if body["policy_answer"] is None:
            if body["answer"] != "deny" or body["stage"] not in (
                "pin",
                "switch",
                "arguments",
                "loop",
                "fault",
            ):
                found.append(f"{entry.subject}: settled by {body['stage']}")
            continue
        inputs = inputs_of(body, record.openings, record.texts)
        if isinstance(inputs, Missing):
            found.append(f"{entry.subject}: missing: {inputs.why}")
            continue
        policies = sets[body["policy_digest"]]
        ruling = made_again(inputs, policies)
        if isinstance(ruling, Missing):
            found.append(f"{entry.subject}: missing: {ruling.why}")
            continue
        found += [f"{entry.subject}: {text}" for text in differences(body, inputs, policies, ruling)]
    return found + _unbound(record) + _loops(record)


def _unbound(record: Record) -> list[str]:
    """Approvals that are not bound to the decision that asked for them, and effects that are not of an equal allow."""
    decisions: dict[str, Mapping[str, Any]] = {one.subject: one.body for one in record.of("decision.made")}
    found = []
    for entry in record.of("approval.requested"):
        asked = entry.body
        decided = decisions[asked["decision"]]
        tool = declaration_from(msgspec.json.decode(record.texts[decided["declaration"]]))
        effect = tool.effect.value if tool.effect is not None else None
        who = {
            "quorum": asked.get("quorum", 1),
            "apart": asked.get("apart", ()),
            "groups": asked.get("groups"),
        }
        if binding(decided, effect, asked["group"], int(asked["expires_ns"]), **who) != asked["binding"]:
            found.append(f"{entry.subject}: binding")
        if asked["arguments"] != decided["arguments"]:
            found.append(f"{entry.subject}: arguments")
    for entry in record.of("effect.started"):
        if decisions[entry.body["decision"]]["call"] != entry.body["call"]:
            found.append(f"{entry.subject}: another call")
    return found


def _loops(record: Record) -> list[str]:
    by_detector: dict[str, list[LoopRecord]] = defaultdict(list)
    for entry in record.entries:
        if entry.kind in ("decision.made", "effect.ended"):
            heard = loop_record(entry.body)
            if heard is not None:
                by_detector[heard.detector].append(heard)
    found = []
    for detector, heard in by_detector.items():
        heard.sort(key=lambda one: one.turn)
        if [one.turn for one in heard] != list(range(1, len(heard) + 1)):
            found.append(f"{detector}: turns")
            continue
        assert heard[0].limits is not None
        again = replay([one.event for one in heard], heard[0].limits)
        recorded = [one.finding for one in heard if one.finding is not None]
        if [(one.rung, one.rule, one.repeats) for one in again] != recorded:
            found.append(f"{detector}: findings")
    return found
