"""Steps as narrow rows, tallies as bytes, and back."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from hashlib import sha256
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec

from tallystick.adapters.sqlite.payloads import Place
from tallystick.model.step import Effect, EffectOutcome, Kind, Step, StepStatus
from tallystick.model.usage import NO_USAGE, Usage
from tallystick.observe.summary import Root, Tally

ENDED, MODEL = 1, 2  # flags of a row: the step has ended; it is a model call
_INSERT = (
    "INSERT INTO step (run, trace, span, flags, response, same_as, shape, body) VALUES (?,?,?,?,?,?,?,?)"
)
_INSERT_AT = _INSERT.replace("(run,", "(id, run,").replace("VALUES (?", "VALUES (?,?")
_LAST = "SELECT (SELECT value FROM meta WHERE key='last_step'), ifnull((SELECT max(id) FROM step), 0)"
_ROWS = 16  # rows in one statement: half the time of as many statements
_INSERT_ROWS = _INSERT + ",(?,?,?,?,?,?,?,?)" * (_ROWS - 1)
UPDATE = "UPDATE step SET run=?, trace=?, span=?, flags=?, response=?, same_as=?, shape=?, body=? WHERE id=?"
READ = "SELECT s.id, t.id, s.span, s.same_as, s.shape, s.body FROM step s JOIN trace t ON t.no = s.trace"

_MODEL = Kind.MODEL
_KINDS = {str(kind): kind for kind in Kind}
_STATUSES = {str(status): status for status in StepStatus}
_EFFECTS: dict[str | None, Effect | None] = {None: None, **{str(effect): effect for effect in Effect}}
_OUTCOMES: dict[str | None, EffectOutcome | None] = {
    None: None, **{str(outcome): outcome for outcome in EffectOutcome}
}  # fmt: skip

# What many steps have in common: kind, status, name, scope, dialect, agent, workflow, provider, model, gap in the
# cost, tool, decision, effect, outcome, whether input tokens were exclusive, whether the step is derived; then, where
# one of them is known, the agent's version, the mark of the offered tools, the classes of data, the environment, and
# whether nothing vouches for the sender.
# Stored in this order in files that outlive this version: new values join at the end.
Shape = tuple[Any, ...]
_MORE: Shape = (None, None, (), None, False)
_FIRST = 16  # values of a shape in which none of the last is known
_CLASSES = 18
COST_GAP = 9  # its place

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode
_first_half = struct.Struct(">q").unpack_from
fromhex = bytes.fromhex

Mark = tuple[int, int]  # which record is a step's own: number of the log, number in it


class Names:
    """The dictionary of names, with what this process knows of it kept in memory.

    Only the writer has one: what it knows may still be rolled back.
    """

    _BOUND = 200_000

    def __init__(self) -> None:
        self.codes: dict[str | None, int | None] = {None: None}

    def forget(self) -> None:
        """Drop what is kept, after a rollback or when it has grown large."""
        self.codes = {None: None}

    def code(self, connection: sqlite3.Connection, text: str) -> int:
        """The number of a name, written if it is new (inside a write transaction)."""
        row = connection.execute("SELECT id FROM name WHERE text=?", (text,)).fetchone()
        if row is None:
            row = connection.execute("INSERT INTO name (text) VALUES (?) RETURNING id", (text,)).fetchone()
        if len(self.codes) > self._BOUND:
            self.codes = {None: None}
        self.codes[text] = row[0]
        return int(row[0])


class Shapes:
    """The shapes of steps, with those that this process has met kept in memory.

    The writer and the readers have one each: what the writer knows may still be rolled back.
    """

    _BOUND = 20_000  # a stranger may give every step a name of its own

    def __init__(self) -> None:
        self.numbers: dict[Shape, int] = {}
        self._shapes: dict[int, Shape] = {}

    def forget(self) -> None:
        """Drop what is kept, after a rollback."""
        self.numbers, self._shapes = {}, {}

    def number(self, connection: sqlite3.Connection, shape: Shape) -> int:
        """The number of a shape, written if it is new (inside a write transaction)."""
        body = _pack(shape)
        digest = sha256(body).digest()[:16]
        row = connection.execute("SELECT id FROM shape WHERE digest=?", (digest,)).fetchone()
        if row is None:
            row = connection.execute(
                "INSERT INTO shape (digest, body) VALUES (?,?) RETURNING id", (digest, body)
            ).fetchone()
        if len(self.numbers) >= self._BOUND:
            self.numbers = {}
        self.numbers[shape] = row[0]
        return int(row[0])

    def read(self, connection: sqlite3.Connection, numbers: Iterable[int]) -> Mapping[int, Shape]:
        """Shapes by number."""
        known = self._shapes
        wanted = set(numbers)
        unknown = sorted(wanted - known.keys())
        if not unknown:
            return known
        if len(known) >= self._BOUND:
            known, unknown = {}, sorted(wanted)
        known = dict(known)  # another thread may be reading the one that is there
        for start in range(0, len(unknown), 500):
            some = unknown[start : start + 500]
            marks = ",".join("?" * len(some))
            for number, body in connection.execute(f"SELECT id, body FROM shape WHERE id IN ({marks})", some):
                known[number] = _shape(_unpack(body))
        self._shapes = known
        return known


def _shape(values: list[Any]) -> Shape:
    """A shape as it was stored, with the values that it left out."""
    whole = [*values, *_MORE[len(values) - _FIRST :]]
    whole[_CLASSES] = tuple(whole[_CLASSES])
    return tuple(whole)


def shape_of(step: Step) -> Shape:
    """A step's shape. Enumerations go in as their text, which hashes faster and is what the file holds."""
    effect, outcome = step.effect, step.outcome
    shape = (
        step.kind._value_, step.status._value_, step.name, step.scope, step.dialect, step.agent, step.workflow,
        step.provider, step.model, step.cost_gap, step.tool, step.decision,
        None if effect is None else effect._value_, None if outcome is None else outcome._value_,
        step.exclusive_input, step.derived,
    )  # fmt: skip
    if step.claimed:
        return (*shape, step.version, step.offered, step.classes, step.environment, True)
    if step.environment is not None:
        return (*shape, step.version, step.offered, step.classes, step.environment)
    if step.offered is None and step.version is None and not step.classes:
        return shape
    return (*shape, step.version, step.offered, step.classes)


def response_key(response: str | None) -> int | None:
    """A response id as the 64 bits that its column holds."""
    return None if response is None else int(_first_half(sha256(response.encode()).digest())[0])


def to_row(
    step: Step, run: int, trace: int, source: int, place: Place, shape: int, mark: Mark | None
) -> tuple[Any, ...]:
    """A step as the values of UPDATE. The order of the body is that of files that outlive this version.

    A step without ``mark`` was written before there were records; its body ends there.
    """
    usage, ended, parent, same_as = step.usage, step.ended, step.parent, step.same_as
    response = step.response_id
    values: tuple[Any, ...] = (
        source, place, None if parent is None else fromhex(parent), step.seq, step.started,
        None if ended is None else ended - step.started,
        None if usage is NO_USAGE else (
            usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens,
            usage.reasoning_tokens,
        ),
        step.cost_nano, response, step.call_id, step.error, step.links, step.facts, step.dropped,
    )  # fmt: skip
    if mark is not None:
        # The prompt's mark stands here and not in the shape: a prompt that holds the hour is another one in each call.
        prompt = step.prompt
        if step.origin is not None:
            said = (None if prompt is None else fromhex(prompt), step.subject, step.conversation)
            values += (*mark, *said, step.origin)
        elif step.subject is not None or step.conversation is not None:
            values += (*mark, None if prompt is None else fromhex(prompt), step.subject, step.conversation)
        else:
            values += mark if prompt is None else (*mark, fromhex(prompt))
    body = _pack(values)
    return (
        run, trace, fromhex(step.span), (ended is not None) + (2 if step.kind is _MODEL else 0),
        None if response is None else response_key(response), None if same_as is None else fromhex(same_as),
        shape, body,
    )  # fmt: skip


def flags_of(step: Step) -> int:
    """The flags of a step's row."""
    return (step.ended is not None) + (MODEL if step.kind is _MODEL else 0)


def insert(connection: sqlite3.Connection, new: Sequence[tuple[Any, ...]]) -> None:
    """Write new rows, each as ``to_row`` made it. Numbers go on after the highest that a step ever had."""
    last, highest = connection.execute(_LAST).fetchone()
    if last > highest and new:
        connection.execute(_INSERT_AT, (last + 1, *new[0]))
        new = new[1:]
    whole = len(new) - len(new) % _ROWS
    for start in range(0, whole, _ROWS):
        connection.execute(_INSERT_ROWS, list(chain.from_iterable(new[start : start + _ROWS])))
    connection.executemany(_INSERT, new[whole:])


def from_row(row: tuple[Any, ...], run: str, shapes: Mapping[int, Shape]) -> Step:
    """A row of READ as a step of ``run``."""
    return read_row(row, run, shapes)[0]


def mark_of(body: bytes) -> Mark | None:
    """Which record is a step's own, read from its body."""
    values = _unpack(body)
    return (values[14], values[15]) if len(values) > 14 else None


def place_of(body: bytes) -> Place:
    """Where the body of a step's span is, read from the step's body."""
    place = _unpack(body)[1]
    return place[0], place[1], place[2]


def started_of(body: bytes) -> int:
    """When a step began, read from its body."""
    return int(_unpack(body)[4])


def charge_of(body: bytes) -> tuple[int | None, Mark | None]:
    """A step's cost in nano-dollars and which record is its own, read from its body."""
    values = _unpack(body)
    return values[7], (values[14], values[15]) if len(values) > 14 else None


def read_row(
    row: tuple[Any, ...], run: str, shapes: Mapping[int, Shape]
) -> tuple[Step, int, Place, Mark | None]:
    """A row of READ as a step of ``run``, the number of its source, the place of its span's body, and its record."""
    _, trace, span, same_as, shape, body = row
    (
        kind, status, name, scope, dialect, agent, workflow, provider, model, gap, tool, decision, effect, outcome,
        exclusive, derived, version, offered, classes, environment, claimed,
    ) = shapes[shape]  # fmt: skip
    (
        source, place, parent, seq, started, duration, counts, cost, response, call, error, links, facts, dropped,
        *more,
    ) = _unpack(body)  # fmt: skip
    return Step(
        trace.hex(), span.hex(), None if parent is None else parent.hex(), run, _KINDS[kind], name,
        _STATUSES[status], started, None if duration is None else started + duration, scope, dialect, seq, agent,
        workflow, error, provider, model, response, NO_USAGE if counts is None else Usage(*counts), exclusive, cost,
        gap, tool, call, _EFFECTS[effect], _OUTCOMES[outcome], decision, tuple(links),
        None if same_as is None else same_as.hex(), derived, dropped, facts,
        version, classes, more[2].hex() if len(more) > 2 and more[2] is not None else None, offered,
        environment, more[3] if len(more) > 3 else None, more[4] if len(more) > 4 else None,
        more[5] if len(more) > 5 else None, claimed,
    ), source, (place[0], place[1], place[2]), (more[0], more[1]) if more else None  # fmt: skip


_TALLY = tuple(field.name for field in fields(Tally))
_ROOT = attrgetter(*(field.name for field in fields(Root)))
_tally_values = attrgetter(*_TALLY)
_ROOTS = (_TALLY.index("root"), _TALLY.index("last_root"))
_MISSING = _TALLY.index("missing")
_NUMBERED = _TALLY.index("numbered")
_LEGS = _TALLY.index("legs")
_MARKS = tuple(
    _TALLY.index(name) for name in ("agent", "workflow", "goal", "source", "version", "environment")
)


def pack_tally(tally: Tally) -> bytes:
    """A tally as bytes: the values of its fields in order; new fields join at the end."""
    values = list(_tally_values(tally))
    for index in _ROOTS:
        values[index] = None if values[index] is None else _ROOT(values[index])
    values[_MISSING] = sorted(values[_MISSING])
    values[_NUMBERED] = sorted((by, *counts) for by, counts in values[_NUMBERED].items() if any(counts))
    values[_LEGS] = sorted((place, *leg) for place, leg in values[_LEGS].items())
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
        if index < len(values) and values[index] is not None:  # a tally of before has fewer fields
            values[index] = (tuple(values[index][0]), values[index][1])
    values[_MISSING] = set(values[_MISSING])
    if len(values) > _NUMBERED:
        values[_NUMBERED] = {by: counts for by, *counts in values[_NUMBERED]}
    if len(values) > _LEGS:
        values[_LEGS] = {place: leg for place, *leg in values[_LEGS]}
    tally = Tally(*values)
    if len(values) <= _NUMBERED:  # a tally of before: one process numbered everything
        expected = (tally.root.expected if tally.root is not None else None) or 0
        if tally.seqs or expected:
            tally.numbered = {0: [tally.seqs, expected]}
    return tally


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
    changes["classes"] = tuple(one.encode("utf-8", "replace").decode() for one in step.classes)
    return replace(step, **changes, usage=Usage(*counts), links=links, facts=facts)
