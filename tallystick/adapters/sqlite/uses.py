"""What agents were seen using (``ports.UseLog``): a run's own rows, and the sums over all runs kept beside them.

A listing costs what the run used, not what is there; ``uses`` reads sums alone. The first time of a sum is looked for
in its rows only when the row that held it went.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

import msgspec

from tallystick.adapters.naming import unknown_run
from tallystick.model.registry import USES, Use
from tallystick.observe.summary import PART_TYPES, SEEN_TYPES
from tallystick.observe.uses import UNKNOWN_PROMPTS, UseKey, is_unknown_prompt, of_run

_UNLISTED = (
    "SELECT id, revision FROM run WHERE listed < revision AND (NOT open OR steps >= 2 * listed_steps)"
    " ORDER BY revision LIMIT ?"
)
_TYPE = "CASE s.type " + " ".join(f"WHEN {place} THEN '{name}'" for place, name in enumerate(USES)) + " END"
_AS_JSON = (  # all uses are read at once to answer a question: as JSON they are read twice as fast as in columns
    f"json_object('agent', s.agent, 'type', {_TYPE}, 'name', s.name, 'detail', s.detail, 'first', {{of}}.first,"
    " 'last', {of}.last, 'runs', {runs}, 'steps', {of}.steps, 'errors', {of}.errors, 'run', ifnull(r.id, ''),"
    " 'step', iif(typeof({of}.step) = 'blob', lower(hex({of}.step)), {of}.step))"
)
_SUMS = f"SELECT {_AS_JSON.format(of='s', runs='s.runs')} FROM use_sum s LEFT JOIN run r ON r.no = s.run"
_ROWS = (
    f"SELECT {_AS_JSON.format(of='u', runs='1')}"
    " FROM use_run u JOIN use_sum s ON s.id = u.use JOIN run r ON r.no = u.run"
)
_NEWEST = (  # of several runs that end at once the one with the greatest id shows a use
    "SELECT u.last, u.run, u.step FROM use_run u JOIN run r ON r.no = u.run WHERE u.use=?1 AND u.last ="
    " (SELECT max(last) FROM use_run WHERE use=?1) ORDER BY r.id DESC LIMIT 1"
)
_SEEN = " UNION ".join(
    f"SELECT DISTINCT {place}, n.text FROM part p JOIN name n ON n.id = p.name WHERE p.type = {place}"
    for place in range(len(SEEN_TYPES))
) + "".join(
    f" UNION SELECT DISTINCT {PART_TYPES.index(own)}, {own} FROM run WHERE {own} IS NOT NULL"
    for own in ("agent", "workflow")
)
_PROMPT = USES.index("prompt")
_ORDER = attrgetter("agent", "type", "name", "detail")
_decode = msgspec.json.Decoder(list[Use]).decode

_Row = tuple[int, int, int, int, bytes | str]  # first, last, steps, errors, step
_NONE: _Row = (0, 0, 0, 0, "")


def read_unlisted(connection: sqlite3.Connection, limit: int) -> Sequence[tuple[str, int]]:
    """Runs whose uses are due, with the revision they are due at, oldest change first."""
    return connection.execute(_UNLISTED, (max(0, limit),)).fetchall()


def read_uses(
    connection: sqlite3.Connection, *, agent: str | None, type: str | None, name: str | None, since: int | None,
    run: int | None,
) -> list[Use]:  # fmt: skip
    """Uses that match, by agent, type, name and detail; ``run`` is a run's number: then that run's alone."""
    terms: list[str] = []
    values: list[str | int] = []
    code = None if type is None else USES.index(type) if type in USES else -1
    table = "s" if run is None else "u"
    for term, value in (
        ("u.run=?", run), ("s.agent=?", agent), ("s.type=?", code), ("s.name=?", name), (f"{table}.last>=?", since),
    ):  # fmt: skip
        if value is not None:
            terms.append(term)
            values.append(value)
    sql = (_SUMS if run is None else _ROWS) + (" WHERE " + " AND ".join(terms) if terms else "")
    found = "[" + ",".join([row[0] for row in connection.execute(sql, values)]) + "]"
    return sorted(_decode(found.encode()), key=_ORDER)


def write_uses(connection: sqlite3.Connection, run: str, revision: int, uses: Iterable[Use]) -> None:
    """Put a run's uses in the place of those it had; one that came later than ``revision`` stays."""
    row = connection.execute("SELECT no, listed FROM run WHERE id=?", (run,)).fetchone()
    if row is None:
        raise unknown_run(run)
    number, listed = row
    if listed > revision:
        return  # somebody else listed a newer state of the run meanwhile
    kept = of_run(run, uses)
    connection.execute("UPDATE run SET listed=?, listed_steps=max(1, steps) WHERE no=?", (revision, number))
    _replace(connection, number, kept)
    for agent in {use.agent for use in kept.values() if is_unknown_prompt(use)}:
        _drop_beyond(connection, agent)


def forget_uses(connection: sqlite3.Connection, run: int) -> None:
    """Take out the rows of a run that is merged into another one; its steps are listed with that one's."""
    _replace(connection, run, {})


def read_seen(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Type and name of all that was seen."""
    return sorted((PART_TYPES[place], name) for place, name in connection.execute(_SEEN))


def uses_revision(connection: sqlite3.Connection) -> int:
    """How often uses were listed, or taken out."""
    return int(connection.execute("SELECT value FROM meta WHERE key='uses'").fetchone()[0])


def _replace(connection: sqlite3.Connection, run: int, kept: Mapping[UseKey, Use]) -> None:
    connection.execute("UPDATE meta SET value = value + 1 WHERE key='uses'")
    before: dict[int, _Row] = {
        row[0]: row[1:] for row in connection.execute(
            "SELECT use, first, last, steps, errors, step FROM use_run WHERE run=?", (run,)
        )
    }  # fmt: skip
    now: dict[int, _Row] = {
        _number(connection, key): (use.first, use.last, use.steps, use.errors, _step(use.step))
        for key, use in kept.items()
    }
    changed = [use for use in before.keys() | now.keys() if before.get(use) != now.get(use)]
    connection.executemany("DELETE FROM use_run WHERE run=? AND use=?", [(run, use) for use in changed])
    connection.executemany(
        "INSERT INTO use_run (run, use, first, last, steps, errors, step) VALUES (?,?,?,?,?,?,?)",
        [(run, use, *now[use]) for use in changed if use in now],
    )
    for use in changed:
        _mend(connection, use, run, before.get(use), now.get(use))


def _number(connection: sqlite3.Connection, key: UseKey) -> int:
    values = (key[0], USES.index(key[1]), *key[2:])
    row = connection.execute(
        "SELECT id FROM use_sum WHERE agent=? AND type=? AND name=? AND detail=?", values
    ).fetchone()
    if row is None:
        row = connection.execute(
            "INSERT INTO use_sum (agent, type, name, detail, first, last, runs, steps, errors, run, step)"
            " VALUES (?,?,?,?,0,0,0,0,0,0,'') RETURNING id", values,
        ).fetchone()  # fmt: skip
    return int(row[0])


def _mend(connection: sqlite3.Connection, use: int, run: int, before: _Row | None, now: _Row | None) -> None:
    """Bring one sum in line with its rows, of which only that of ``run`` changed."""
    first, last, runs, newest, step = connection.execute(
        "SELECT first, last, runs, run, step FROM use_sum WHERE id=?", (use,)
    ).fetchone()
    runs += (now is not None) - (before is not None)
    if not runs:
        connection.execute("DELETE FROM use_sum WHERE id=?", (use,))
        return
    alone = now is not None and runs == 1
    if before is not None and before[0] == first and not alone and (now is None or now[0] > first):
        first = connection.execute("SELECT min(first) FROM use_run WHERE use=?", (use,)).fetchone()[0]
    elif now is not None:
        first = now[0] if alone else min(first, now[0])
    if now is not None and (alone or now[1] > last):
        last, newest, step = now[1], run, now[4]
    elif newest == run or (now is not None and now[1] == last):
        last, newest, step = connection.execute(_NEWEST, (use,)).fetchone()
    was, is_now = before or _NONE, now or _NONE
    connection.execute(
        "UPDATE use_sum SET first=?, last=?, runs=?, steps=steps+?, errors=errors+?, run=?, step=? WHERE id=?",
        (first, last, runs, is_now[2] - was[2], is_now[3] - was[3], newest, step, use),
    )


def _drop_beyond(connection: sqlite3.Connection, agent: str) -> None:
    """Keep an agent's newest prompts of unknown text; the rule in Python: ``observe.uses.beyond``."""
    old = connection.execute(
        "SELECT id FROM use_sum WHERE agent=? AND type=? AND detail='' ORDER BY last DESC, name DESC"
        " LIMIT -1 OFFSET ?", (agent, _PROMPT, UNKNOWN_PROMPTS),
    ).fetchall()  # fmt: skip
    connection.executemany("DELETE FROM use_run WHERE use=?", old)
    connection.executemany("DELETE FROM use_sum WHERE id=?", old)


def _step(step: str) -> bytes | str:
    """A span id as eight bytes; any other text as it is."""
    if len(step) == 16 and not step.strip("0123456789abcdef"):
        return bytes.fromhex(step)
    return step
