"""Backtest: recorded runs gone through again under other policies, before those are in force.

A run that a guard watched has its decisions with all that they were made of. Of a run that had none, the recorded
tool steps are judged: what was called, with which arguments, but not on whose word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from tallystick.app.acting.decided import Missing, inputs_of
from tallystick.app.acting.policies import PolicyBook
from tallystick.app.reading.read import Reader
from tallystick.app.reading.shapes import time_text
from tallystick.govern.backtest import Backtest, Change, Past, again
from tallystick.model.control import ToolCall
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.journal import Entry
from tallystick.model.step import Effect
from tallystick.ports import ControlStore

_PAGE: Final = 200
_MOST_RUNS: Final = 10_000
_MOST_DECISIONS: Final = 100_000  # of one run
_WITHHELD: Final = "an argument was not kept"


def backtest(
    reader: Reader, control: ControlStore, book: PolicyBook, query: str, *, since: str = "30d"
) -> dict[str, Any]:
    """Decide what was recorded again under the policies of ``book``; the answer's shape is that of ``as_json``.

    ``query`` selects runs, of which at most 10,000 are gone through, the newest first; ``since`` is an age or a date.
    Raises BadInput for either when it cannot be read.
    """
    whole = f"since:{since} {query}".strip()
    found, runs, more, before = Backtest(), 0, False, None
    while True:
        page = reader.runs(whole, limit=_PAGE, before=before)
        for row in page["runs"]:
            if runs == _MOST_RUNS:
                more = True
                break
            runs += 1
            for past in _pasts(reader, control, row):
                pinned, loaded = book.bring(past.tool, past.call.agent)
                found.add(past, again(past, pinned.tool, loaded.policies))
        if more or len(page["runs"]) < _PAGE:
            return as_json(found, whole, runs, more)
        before = page["runs"][-1]["run"]


def as_json(found: Backtest, query: str, runs: int, more: bool) -> dict[str, Any]:
    """``{"query", "runs", "more", "calls", "same", "unguarded", "unknown": [{"why", "count"}], "changes": [change],
    "approvals_per_100_runs": {"was", "would"}}``; the last two are null without a run."""
    return {
        "query": query, "runs": runs, "more": more, "calls": found.calls, "same": found.same,
        "unguarded": found.unguarded,
        "unknown": [{"why": why, "count": count} for why, count in sorted(found.unknown.items())],
        "changes": [change_json(one) for one in found.rows()],
        "approvals_per_100_runs": {
            "was": _per_100(found.held, runs), "would": _per_100(found.would_hold, runs),
        },
    }  # fmt: skip


def change_json(change: Change) -> dict[str, Any]:
    """``{"agent", "tool", "was", "would", "group", "reasons", "count", "runs", "first_run", "first_at"}``."""
    return {
        "agent": change.agent, "tool": change.tool, "was": change.was, "would": change.would, "group": change.group,
        "reasons": list(change.reasons), "count": change.count, "runs": len(change.runs),
        "first_run": change.first_run, "first_at": time_text(change.first_at),
    }  # fmt: skip


def _per_100(count: int, runs: int) -> float | None:
    return round(100 * count / runs, 2) if runs else None


def _pasts(reader: Reader, control: ControlStore, row: Mapping[str, Any]) -> Iterator[Past]:
    entries = control.entries(run=row["run"], kind="decision.made", limit=_MOST_DECISIONS)
    if entries:
        yield from _decided(control, entries)
    elif row["tool_calls"]:
        yield from _stepped(reader, row["run"])


def _decided(control: ControlStore, entries: Any) -> Iterator[Past]:
    """Decisions of the policy stage; a held call that was decided again after its approval counts once."""
    asked: list[Entry] = [
        one for one in entries if one.body["policy_answer"] is not None and not one.body["approved"]
    ]
    openings = control.openings([one.seq for one in asked])
    for entry in asked:
        body = entry.body
        try:
            text = {body["declaration"]: control.text(body["declaration"])}
        except UnknownThing:
            text = {}
        known = {one.commitment: one for one in openings.get(entry.seq, ())}
        inputs = inputs_of(body, known, text)
        if isinstance(inputs, Missing):
            call = ToolCall(body["run"], body["step"], body["agent"], body["tool"], "", {}, body["workflow"])
            yield Past(
                call, ToolDeclaration(body["tool"]), body["policy_answer"], int(body["at"]), None, inputs.why
            )
            continue
        withheld = _WITHHELD if inputs.withheld else None
        facts = inputs.facts if body.get("facts") is not None else None
        yield Past(inputs.call, inputs.tool, body["policy_answer"], inputs.at, facts, withheld)


def _stepped(reader: Reader, run: str) -> Iterator[Past]:
    """Tool steps of a run without a guard; what they said of the tool's effect is all that is declared by them."""
    for step in reader.run(run)["steps"]:
        if step["kind"] not in ("tool", "retrieval", "memory") or not step["tool"] or step["same_as"]:
            continue
        given, withheld = _arguments(step["arguments"])
        tool = ToolDeclaration(step["tool"], _effect(step["effect"]))
        call = ToolCall(run, step["step"], step["agent"] or "", step["tool"], "", given)
        yield Past(call, tool, None, _nanoseconds(step["started"]), None, withheld)


def _arguments(given: Any) -> tuple[Mapping[str, Any], str | None]:
    if isinstance(given, str):
        try:
            given = msgspec.json.decode(given)
        except msgspec.MsgspecError:
            return {}, "its arguments are no JSON"
    if not isinstance(given, Mapping):
        return {}, _WITHHELD
    return dict(given), None


def _effect(text: str | None) -> Effect | None:
    return Effect(text) if text in tuple(Effect) else None


def _nanoseconds(text: str | None) -> int:
    """A step's time; 0 where nobody recorded it."""
    if text is None:
        return 0
    from datetime import UTC, datetime

    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise BadInput(f"{text!r} is not a time") from error
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000
