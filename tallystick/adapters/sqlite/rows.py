"""Steps as narrow rows, tallies as bytes, and back.

Codes of enumerations are written in files that outlive this version: the tables below only ever grow at their ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any

import msgspec

from tallystick.model.step import Effect, EffectOutcome, Kind, Step, StepStatus
from tallystick.model.usage import NO_USAGE, Usage
from tallystick.observe.summary import Root, Tally

# Codes are places in these tuples and stand in files: new members go to the end.
KINDS = tuple(Kind(text) for text in (
    "goal", "plan", "model", "tool", "retrieval", "memory", "handoff", "agent", "decision", "approval", "human",
    "evaluation", "output", "other",
))  # fmt: skip
STATUSES = tuple(
    StepStatus(text) for text in ("running", "ok", "error", "denied", "held", "unknown", "stopped")
)
EFFECTS = (None, *(Effect(text) for text in ("none", "read", "write", "irreversible")))
OUTCOMES = (None, *(EffectOutcome(text) for text in ("did not happen", "in doubt", "landed")))
_KIND = {kind: code for code, kind in enumerate(KINDS)}
_STATUS = {status: code for code, status in enumerate(STATUSES)}
_EFFECT = {effect: code or None for code, effect in enumerate(EFFECTS)}
_OUTCOME = {outcome: code or None for code, outcome in enumerate(OUTCOMES)}
MODEL = _KIND[Kind.MODEL]  # the code of model calls
_EXCLUSIVE, _DERIVED = 1, 2

COLUMNS = (
    "run", "trace", "span", "parent", "seq", "kind", "name", "status", "started", "duration", "scope", "dialect",
    "agent", "workflow", "error", "provider", "model", "response_id", "input_tokens", "output_tokens", "cache_read",
    "cache_write", "reasoning", "cost_nano", "cost_gap", "tool", "call_id", "effect", "outcome", "decision", "same_as",
    "flags", "dropped", "extra", "source", "frame", "pos", "size",
)  # fmt: skip
INSERT = f"INSERT INTO step ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
UPDATE = f"UPDATE step SET {', '.join(f'{column}=?' for column in COLUMNS)} WHERE id=?"
READ = (
    "SELECT s.id, t.id, s.span, s.parent, s.seq, s.kind, s.name, s.status, s.started, s.duration, s.scope, s.dialect,"
    " s.agent, s.workflow, s.error, s.provider, s.model, s.response_id, s.input_tokens, s.output_tokens,"
    " s.cache_read, s.cache_write, s.reasoning, s.cost_nano, s.cost_gap, s.tool, s.call_id, s.effect, s.outcome,"
    " s.decision, s.same_as, s.flags, s.dropped, s.extra FROM step s JOIN trace t ON t.no = s.trace"
)

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode
Place = tuple[int, int, int]  # frame, offset, length


class Names:
    """The dictionary of words, with what this process knows of it kept in memory.

    The writer and the readers have one each: what the writer knows may still be rolled back.
    """

    _BOUND = 200_000

    def __init__(self) -> None:
        self.codes: dict[str | None, int | None] = {None: None}
        self._texts: dict[int | None, str | None] = {None: None}
        self._newest = 0

    def forget(self) -> None:
        """Drop what is kept, after a rollback or when it has grown large."""
        self.codes = {None: None}
        self._texts, self._newest = {None: None}, 0

    def code(self, connection: sqlite3.Connection, text: str) -> int:
        """The number of a word, written if it is new (inside a write transaction)."""
        row = connection.execute("SELECT id FROM name WHERE text=?", (text,)).fetchone()
        if row is None:
            row = connection.execute("INSERT INTO name (text) VALUES (?) RETURNING id", (text,)).fetchone()
        if len(self.codes) > self._BOUND:
            self.codes = {None: None}
        self.codes[text] = row[0]
        return int(row[0])

    def read(self, connection: sqlite3.Connection) -> dict[int | None, str | None]:
        """All words that this connection can see, by number."""
        known, newest = self._texts, self._newest
        fresh = connection.execute("SELECT id, text FROM name WHERE id > ? ORDER BY id", (newest,)).fetchall()
        if fresh:
            known = {**known, **dict(fresh)}
            self._texts, self._newest = known, fresh[-1][0]
        return known


def to_row(
    step: Step, run: int, trace: int, source: int, place: Place, code: Callable[[str | None], int | None]
) -> tuple[Any, ...]:
    """A step as the values of COLUMNS."""
    usage = step.usage
    extra = _pack((step.links, step.facts)) if step.links or step.facts else None
    parent, same_as = step.parent, step.same_as
    return (
        run, trace, bytes.fromhex(step.span), None if parent is None else bytes.fromhex(parent), step.seq,
        _KIND[step.kind], code(step.name), _STATUS[step.status], step.started,
        None if step.ended is None else step.ended - step.started, code(step.scope), code(step.dialect),
        code(step.agent), code(step.workflow), step.error, code(step.provider), code(step.model), step.response_id,
        *((None,) * 5 if usage is NO_USAGE else (
            usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens,
            usage.reasoning_tokens,
        )),
        step.cost_nano, code(step.cost_gap), code(step.tool), step.call_id, _EFFECT[step.effect],
        _OUTCOME[step.outcome], code(step.decision), None if same_as is None else bytes.fromhex(same_as),
        _EXCLUSIVE * step.exclusive_input + _DERIVED * step.derived, step.dropped, extra, source, *place,
    )  # fmt: skip


def from_row(row: tuple[Any, ...], run: str, text: Mapping[int | None, str | None]) -> Step:
    """A row of READ as a step of ``run``."""
    (
        _, trace, span, parent, seq, kind, name, status, started, duration, scope, dialect, agent, workflow, error,
        provider, model, response_id, tokens_in, tokens_out, cache_read, cache_write, reasoning, cost, gap, tool,
        call_id, effect, outcome, decision, same_as, flags, dropped, extra,
    ) = row  # fmt: skip
    usage = NO_USAGE
    if (
        tokens_in is not None or tokens_out is not None or cache_read is not None or cache_write is not None
        or reasoning is not None
    ):  # fmt: skip
        usage = Usage(tokens_in, tokens_out, cache_read, cache_write, reasoning)
    links: tuple[str, ...] = ()
    facts = None
    if extra is not None:
        packed, facts = _unpack(extra)
        links = tuple(packed)
    return Step(
        trace.hex(), span.hex(), None if parent is None else parent.hex(), run, KINDS[kind], text[name] or "",
        STATUSES[status], started, None if duration is None else started + duration, text[scope] or "",
        text[dialect] or "", seq, text[agent], text[workflow], error, text[provider], text[model], response_id, usage,
        flags & _EXCLUSIVE != 0, cost, text[gap], text[tool], call_id, EFFECTS[effect or 0], OUTCOMES[outcome or 0],
        text[decision], links, None if same_as is None else same_as.hex(), flags & _DERIVED != 0, dropped, facts,
    )  # fmt: skip


_TALLY = tuple(field.name for field in fields(Tally))
_ROOT = attrgetter(*(field.name for field in fields(Root)))
_tally_values = attrgetter(*_TALLY)
_ROOTS = (_TALLY.index("root"), _TALLY.index("last_root"))
_MISSING = _TALLY.index("missing")
_MARKS = tuple(_TALLY.index(name) for name in ("agent", "workflow", "goal", "source"))


def pack_tally(tally: Tally) -> bytes:
    """A tally as bytes: the values of its fields in order; new fields join at the end."""
    values = list(_tally_values(tally))
    for index in _ROOTS:
        values[index] = None if values[index] is None else _ROOT(values[index])
    values[_MISSING] = sorted(values[_MISSING])
    return _pack(values)


def unpack_tally(state: bytes) -> Tally:
    """The tally that ``pack_tally`` packed."""
    values = _unpack(state)
    for index in _ROOTS:
        if values[index] is not None:
            root = values[index]
            root[1] = tuple(root[1])
            values[index] = Root(*root)
    for index in _MARKS:
        if values[index] is not None:
            values[index] = (tuple(values[index][0]), values[index][1])
    values[_MISSING] = set(values[_MISSING])
    return Tally(*values)


_HUGE = 2**53


def sanitise(step: Step) -> Step:
    """A step that the database can hold: unpaired surrogates replaced, absurd numbers unknown."""
    changes: dict[str, Any] = {}
    for field in fields(step):
        value = getattr(step, field.name)
        if type(value) is str:
            changes[field.name] = value.encode("utf-8", "replace").decode()
        elif type(value) is int and abs(value) >= 2**63 - 1:
            changes[field.name] = 0 if field.name == "dropped" else None
    usage = step.usage
    counts = [None if count is None or count > _HUGE else count for count in (
        usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens,
        usage.reasoning_tokens,
    )]  # fmt: skip
    links = tuple(link.encode("utf-8", "replace").decode() for link in step.links)
    facts = None if step.facts is None else {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in step.facts.items() if not isinstance(value, int) or abs(value) < _HUGE
    }  # fmt: skip
    return replace(step, **changes, usage=Usage(*counts), links=links, facts=facts)
