"""Held: what a person should know before they answer an approval, read from the journal's own entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from tallystick.app.reading.shapes import Json, time_text
from tallystick.model.chain import chain_from, chain_json
from tallystick.model.control import Answer, Approval
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.guarding import ToolDeclaration, declaration_from
from tallystick.model.journal import Entry
from tallystick.model.labels import Facts, Integrity, Role, worst
from tallystick.ports import ControlStore

_MOST_READ: Final = 20  # calls of the run before this one that are shown
_LOOKED_AT: Final = 400  # entries of the run that they are looked for in
_LONGEST_RULE: Final = 40  # lines
_ORDER: Final = {Role.AUTHORITY: 0, Role.CONTENT: 1, Role.SELECTOR: 2}
_LET_THROUGH: Final = (Answer.ALLOW.value, Answer.NOT_EVALUATED.value)


def held(control: ControlStore, approval: Approval) -> Json:
    """On whose word each argument stands, which rules asked, and what the run read before.

    ``{"decided", "tool", "chain", "arguments", "facts", "rules", "read", "more"}``; ``decided`` is false where the
    decision's entry is not here, and then the rest is empty. ``chain`` is who acts for whom, from the user to the
    agent; null where nobody knows. ``read`` is newest first, ``more`` says whether something is left out.
    """
    decided = _decision(control, approval)
    if decided is None:
        return {
            "decided": False, "tool": None, "chain": None, "arguments": [], "facts": None, "rules": [], "read": [],
            "more": False,
        }  # fmt: skip
    body = decided.body
    tool, facts = _tool(control, body), _facts(body)
    read, more = _read_before(control, decided)
    return {
        "decided": True,
        "tool": None
        if tool is None
        else {
            "effect": tool.effect.value if tool.effect is not None else None,
            "description": tool.description,
            "data": list(tool.data),
        },
        "chain": _chain(body),
        "arguments": _arguments(control, approval, tool, facts),
        "facts": None if facts is None else facts.as_json(),
        "rules": [_rule(control, str(body["policy_digest"]), str(reason)) for reason in body["reasons"]],
        "read": read,
        "more": more,
    }


def _decision(control: ControlStore, approval: Approval) -> Entry | None:
    found = control.entries(kind="decision.made", subject=approval.decision, limit=1)
    return found[0] if found else None


def _tool(control: ControlStore, body: Mapping[str, Any]) -> ToolDeclaration | None:
    try:
        return declaration_from(msgspec.json.decode(control.text(str(body["declaration"]))))
    except (UnknownThing, BadInput, msgspec.MsgspecError):
        return None


def _facts(body: Mapping[str, Any]) -> Facts | None:
    """The facts of a decision; older ones had none."""
    plain = body.get("facts")
    try:
        return None if plain is None else Facts.read(plain)
    except BadInput:
        return None


def _chain(body: Mapping[str, Any]) -> list[Json] | None:
    """Who acts for whom; entries of old journals do not say."""
    try:
        return chain_json(chain_from(body.get("chain")))
    except (KeyError, TypeError):
        return None


def _arguments(
    control: ControlStore, approval: Approval, tool: ToolDeclaration | None, facts: Facts | None
) -> list[Json]:
    """Each argument with its role and on whose word it stands; who, where and how much come first.

    ``type`` is the declared one (null: nobody declared it); ``kept`` is false where what is shown is not the value
    itself, which then nobody can vouch for.
    """
    rows: list[Json] = []
    asked = control.entries(kind="approval.requested", subject=approval.id, limit=1)
    hidden = {name for entry in asked for name in entry.body.get("shown") or {}}
    for name, value in approval.arguments.items():
        role = tool.role(name) if tool is not None else Role.AUTHORITY
        word = facts.why.get(name) if facts is not None else None
        trusted = None
        if facts is not None and role is Role.AUTHORITY:
            trusted = name not in facts.untrusted and "*" not in facts.untrusted
        declared = tool.arguments.get(name) if tool is not None else None
        rows.append(
            {
                "name": name, "value": value, "type": declared, "role": role.value, "word": word, "trusted": trusted,
                "kept": name not in hidden,
            }
        )  # fmt: skip
    return sorted(rows, key=lambda row: (_ORDER[Role(row["role"])], row["trusted"] is not False))


def _read_before(control: ControlStore, decided: Entry) -> tuple[list[Json], bool]:
    """What the run was let do before, newest first, with how far what it brought back can be trusted."""
    if decided.run is None:
        return [], False
    entries = control.entries(run=decided.run, newest=True, limit=_LOOKED_AT)
    rows: list[Json] = []
    for entry in entries:
        if entry.kind != "decision.made" or entry.seq >= decided.seq:
            continue
        if entry.body["answer"] not in _LET_THROUGH:
            continue
        if len(rows) == _MOST_READ:
            return rows, True
        tool = _tool(control, entry.body)
        rows.append(
            {
                "tool": str(entry.body["tool"]), "step": str(entry.body["step"]), "at": time_text(entry.at),
                "integrity": _brought(tool).value, "classes": sorted(_classes(tool)),
            }
        )  # fmt: skip
    return rows, len(entries) == _LOOKED_AT


def _brought(tool: ToolDeclaration | None) -> Integrity:
    """The least trusted of what a tool's declaration says that it returns; what is not declared is anybody's."""
    if tool is None or not tool.returns:
        return Integrity.THIRD_PARTY
    rest = () if "*" in tool.returns else (Integrity.THIRD_PARTY,)
    return worst((*(one.integrity for one in tool.returns.values()), *rest))


def _classes(tool: ToolDeclaration | None) -> Iterable[str]:
    if tool is None:
        return ()
    return {*tool.data, *(name for one in tool.returns.values() for name in one.classes)}


def _rule(control: ControlStore, policies: str, label: str) -> Json:
    """``{"rule", "text"}``: a rule by its label ("money-on-whose-word (pack/money.cedar:3)"), and as it is written."""
    place = label.rpartition("(")[2].rstrip(")") if label.endswith(")") else label
    name, _, line = place.rpartition(":")
    text = None
    if name and line.isdigit():
        loaded = control.entries(kind="policy.loaded", subject=policies, newest=True, limit=1)
        files = loaded[0].body["files"] if loaded else []
        digest = next((one["text"] for one in files if one["name"] == name), None)
        text = _statement(control, digest, int(line)) if digest is not None else None
    return {"rule": label, "text": text}


def _statement(control: ControlStore, digest: str, line: int) -> str | None:
    """The statement of a policy file that stands at a line, with the annotations and remarks right above it."""
    try:
        lines = control.text(digest).splitlines()
    except UnknownThing:
        return None
    if not 1 <= line <= len(lines):
        return None
    first = line - 1
    while first > 0 and lines[first - 1].lstrip().startswith(("@", "//")):
        first -= 1
    last = line - 1
    while last < len(lines) - 1 and not lines[last].rstrip().endswith(";"):
        last += 1
    return "\n".join(lines[first : min(last + 1, first + _LONGEST_RULE)])
