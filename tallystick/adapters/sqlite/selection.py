"""Queries as SQL conditions on a row ``r`` of the run table. The same rules in Python: adapters/memory/matching.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick.model.query import Query, Term, moment
from tallystick.observe.summary import PART_TYPES
from tallystick.observe.text_terms import is_indexed, needle

Condition = tuple[str, list[Any]]

_EXACT = ("status", "completeness", "source", "environment")
_NUMBERS = {
    # field: (value, condition under which the value is known in full, or None where it always is)
    "cost": ("r.cost_nano", "r.cost_gaps = 0"),
    "tokens": ("r.tokens", "r.token_gaps = 0"),
    "steps": ("r.steps", None),
    "errors": ("r.errors", None),
    "duration": ("CASE WHEN r.started > 0 THEN r.ended - r.started END", None),
}


_HELD = "r.no IN (SELECT value FROM json_each(?))"
# Of so many runs a page is found sooner by passing over the others, newest first, than by looking up and sorting each
# of them; ``+`` keeps SQLite from doing that.
_MANY = 20_000  # characters of the list: about 4,000 runs


def condition(query: Query, *, now: int, holding: Mapping[Term, str]) -> Condition:
    """A query as a condition and its values; ``holding``: the runs that the text index gives for terms, as JSON."""
    texts: list[str] = []
    values: list[Any] = []
    for term in query.terms:
        text, some = _term(term, now, holding.get(term, "[]"))
        texts.append(f"NOT ifnull({text}, 0)" if term.negated else text)
        values += some
    return " AND ".join(texts) or "1", values


def _term(term: Term, now: int, held: str) -> Condition:
    field, value = term.field, term.value
    if field in _NUMBERS:
        return _number(term)
    if field in ("since", "until"):
        return f"r.sort {'>=' if field == 'since' else '<'} ?", [moment(str(value), now=now)]
    if field == "text":
        columns = ("r.goal", "r.agent", "r.workflow", "r.id")
        said = [f"ifnull(instr(lower({column}), lower(?)), 0) > 0" for column in columns]
        values: list[Any] = [needle(term)] * len(columns)
        if is_indexed(term):
            said, values = [_HELD, *said], [held, *values]
        return "(" + " OR ".join(said) + ")", values
    if is_indexed(term):
        return f"+{_HELD}" if len(held) > _MANY else _HELD, [held]
    if field == "run":
        return "substr(r.id, 1, length(?)) = ?", [value, value]
    if field in _EXACT:
        return f"r.{field} = ?", [value]
    if field == "version" and "@" not in str(value):
        return "r.version = ?", [value]
    seen = (
        "EXISTS (SELECT 1 FROM part p JOIN name n ON n.id = p.name"
        f" WHERE p.type = {PART_TYPES.index(field)} AND p.run = r.no AND n.text = ?)"
    )
    if field in ("agent", "workflow"):
        return f"(ifnull(r.{field} = ?, 0) OR {seen})", [value, value]
    return seen, [value]


def _number(term: Term) -> Condition:
    """Compare with what is known: "more than" needs no more, "less than" and "equal" need the whole."""
    value, whole = _NUMBERS[term.field]
    text = f"({value}) {term.op} ?"
    if whole is not None and term.op not in (">", ">="):
        text = f"({text} AND {whole})"
    return text, [term.value]
