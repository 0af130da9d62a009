"""The query grammar over run summaries in memory. The same rules in SQL: adapters/sqlite/selection.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

from tallystick.model.query import Query, Term, moment
from tallystick.model.run import Run
from tallystick.observe.summary import PartKey
from tallystick.observe.text_terms import is_indexed, is_unsure, meets_goal
from tallystick.ports import RunPage

_COMPARE = {
    "=": lambda one, other: one == other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
}


def matches(
    query: Query, run: Run, parts: AbstractSet[PartKey], *, said: Callable[[Term], bool], place: int, now: int
) -> bool:
    """Whether a run meets every term. ``place`` is the time it is listed under (start, else first arrival); ``said``
    answers for what it said."""
    return all(_meets(term, run, parts, said, place, now) is not term.negated for term in query.terms)


def page_of(
    query: Query, found: Iterable[tuple[int, Run]], *, limit: int, after: tuple[int, str] | None
) -> RunPage:
    """One page of the runs (with their places) that match; ``after``: place and id of the last run before it."""
    listed = sorted(((place, run.run, run) for place, run in found), key=lambda one: one[:2], reverse=True)
    total = len(listed)
    if after is not None:
        listed = [one for one in listed if one[:2] < after]
    runs = tuple([run for _, _, run in listed[:limit]])
    if not any(is_unsure(term) for term in query.terms):
        return RunPage(total, runs)
    more = len(listed) > limit  # a store that reads runs to know stops at the first that is too many
    return RunPage(min(len(listed), limit + 1), runs, at_least=more or after is not None)


def _meets(
    term: Term, run: Run, parts: AbstractSet[PartKey], said: Callable[[Term], bool], place: int, now: int
) -> bool:
    field, value = term.field, term.value
    if field in ("cost", "tokens", "steps", "errors", "duration"):
        return _number(term, run)
    if field == "since":
        return place >= moment(str(value), now=now)
    if field == "until":
        return place < moment(str(value), now=now)
    if field == "text":
        return meets_goal(term, run) or (is_indexed(term) and said(term))
    if is_indexed(term):
        return said(term)
    if field == "run":
        return run.run.startswith(str(value))
    if field in ("status", "completeness", "source", "environment"):
        return bool(getattr(run, field) == value)
    if field == "version" and "@" not in str(value):
        return run.version == value
    own = getattr(run, field) if field in ("agent", "workflow") else None
    return own == value or (field, value) in parts


def _number(term: Term, run: Run) -> bool:
    """Compare with what is known: "more than" needs no more, "less than" and "equal" need the whole."""
    actual: int | None
    whole = True
    if term.field == "cost":
        actual, whole = run.cost_nano, run.cost_gaps == 0
    elif term.field == "tokens":
        actual = (run.usage_known.input_tokens or 0) + (run.usage_known.output_tokens or 0)
        whole = run.usage.input_tokens is not None and run.usage.output_tokens is not None
    elif term.field == "duration":
        actual = run.ended - run.started if run.ended is not None and run.started else None
    else:
        actual = run.steps if term.field == "steps" else run.errors
    if actual is None or (not whole and term.op not in (">", ">=")):
        return False
    return bool(_COMPARE[term.op](actual, term.value))
