"""Which runs meet a query: SQL where that settles it, and the steps of what is left where it does not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallystick.adapters.sqlite.runs import READ_RUN, run_from
from tallystick.adapters.sqlite.scanning import Sought
from tallystick.adapters.sqlite.selection import Condition, condition
from tallystick.adapters.sqlite.text_index import TextIndex
from tallystick.model.errors import BadInput
from tallystick.model.query import Query, Term
from tallystick.model.run import Run
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.text_terms import (
    is_indexed,
    is_unsure,
    meets_goal,
    number_term,
    phrase_of,
    score_term,
    step_meets,
    wanted,
)
from tallystick.ports import RunPage

MOST_READ: Final = 2_000  # runs whose steps are read for one page
MOST_SUMMED: Final = 20_000  # … for one sum
_AT_ONCE: Final = 100

Pairs = Callable[[sqlite3.Connection, int, Sought | None], Iterator[tuple[Step, Span]]]


@dataclass(frozen=True, slots=True)
class Choice:
    """A query with what the index says to it: runs for each term, and the terms that steps have to settle."""

    query: Query
    holding: Mapping[Term, frozenset[int]]
    unsure: tuple[Term, ...]
    sought: Sought | None  # what a step that settles one of them has to say; None: it has to be read to know

    def condition(self, now: int) -> Condition:
        """The SQL for what is settled or narrowed down by columns and index."""
        terms = tuple([term for term in self.query.terms if not (term.negated and term in self.unsure)])
        lists = {term: str(sorted(runs)) for term, runs in self.holding.items()}
        return condition(Query(terms), now=now, holding=lists)


def choose(query: Query, index: Callable[[], TextIndex]) -> Choice:
    """Ask the index what a query asks of it; it is not opened for one that asks nothing."""
    holding: dict[Term, frozenset[int]] = {}
    for term in query.terms:
        if not is_indexed(term):
            continue
        score = score_term(term)
        if score is not None:
            holding[term] = frozenset(index().scored(score))
            continue
        number = number_term(term)
        if number is not None:
            holding[term] = frozenset(index().compared(number))
            continue
        asked = wanted(term)
        if asked is not None:
            holding[term] = frozenset(index().holding(asked))
    unsure = tuple([term for term in query.terms if is_unsure(term)])
    return Choice(query, holding, unsure, _sought(unsure))


def _sought(unsure: Sequence[Term]) -> Sought | None:
    if not unsure or any(term.field != "text" for term in unsure):
        return None
    tests = [phrase_of(term).may_stand for term in unsure]
    return Sought(tests[0] if len(tests) == 1 else lambda raw: any(may(raw) for may in tests))


def page(
    connection: sqlite3.Connection, choice: Choice, pairs: Pairs, *, now: int, limit: int,
    after: tuple[int, str] | None,
) -> RunPage:  # fmt: skip
    """One page of the runs that meet a query, newest first; ``after``: the place (sort, id) of the last run before."""
    where, values = choice.condition(now)
    if choice.unsure:
        return _read_page(connection, choice, pairs, where, values, max(0, limit), after)
    total = connection.execute(f"SELECT count(*) FROM run r WHERE {where}", values).fetchone()[0]
    if not total or limit <= 0:
        return RunPage(total, ())  # to look for what is not there would take as long as counting it
    if after is not None:
        where, values = f"({where}) AND (r.sort, r.id) < (?, ?)", [*values, *after]
    found = connection.execute(
        f"{READ_RUN} WHERE {where} ORDER BY r.sort DESC, r.id DESC LIMIT ?", [*values, max(0, limit)]
    ).fetchall()
    return RunPage(total, tuple(run_from(*row) for row in found))


def _read_page(
    connection: sqlite3.Connection, choice: Choice, pairs: Pairs, where: str, values: Sequence[Any], limit: int,
    after: tuple[int, str] | None,
) -> RunPage:  # fmt: skip
    """Read runs, newest first, until the page is full and one more is found."""
    found: list[Run] = []
    left = MOST_READ
    partly = after is not None
    for number, run in _candidates(connection, where, values, after):
        if _is_settled(choice, number, run):
            meets: bool | None = True
        elif left == 0:
            partly = True
            break
        else:
            left -= 1
            meets = _meets(choice, number, run, lambda no=number: pairs(connection, no, choice.sought))  # type: ignore[misc]
        if meets:
            found.append(run)
            if len(found) > limit:
                partly = True
                break
    return RunPage(len(found), tuple(found[:limit]), at_least=partly)


def _candidates(
    connection: sqlite3.Connection, where: str, values: Sequence[Any], after: tuple[int, str] | None
) -> Iterator[tuple[int, Run]]:
    sql = READ_RUN.replace("SELECT ", "SELECT r.no, r.sort, ", 1)
    while True:
        terms, given = where, list(values)
        if after is not None:
            terms, given = f"({where}) AND (r.sort, r.id) < (?, ?)", [*values, *after]
        found = connection.execute(
            f"{sql} WHERE {terms} ORDER BY r.sort DESC, r.id DESC LIMIT {_AT_ONCE}", given
        ).fetchall()
        for row in found:
            yield row[0], run_from(*row[2:])
        if len(found) < _AT_ONCE:
            return
        after = found[-1][1], found[-1][2]


def _is_settled(choice: Choice, number: int, run: Run) -> bool:
    """Whether a run meets every unsure term without its steps being read."""
    for term in choice.unsure:
        met = term.field == "text" and meets_goal(term, run)
        if term.negated:
            if met or number in choice.holding[term]:
                return False
        elif not met:
            return False
    return True


def _meets(choice: Choice, number: int, run: Run, read: Callable[[], Iterable[tuple[Step, Span]]]) -> bool:
    """Whether a run meets every unsure term; its steps are read once, until all terms are known."""
    open_terms: set[Term] = set()
    for term in choice.unsure:
        if term.field == "text" and meets_goal(term, run):
            if term.negated:
                return False
        elif number in choice.holding[term]:
            open_terms.add(term)
        elif not term.negated:
            return False
    for step, span in read():
        for term in tuple(open_terms):
            if step_meets(term, step, span):
                if term.negated:
                    return False
                open_terms.discard(term)
        if not open_terms:
            return True
    return all(term.negated for term in open_terms)


def settled(connection: sqlite3.Connection, choice: Choice, pairs: Pairs, *, now: int) -> Condition:
    """A query as SQL over all runs, the unsure terms settled by reading. Raises BadInput where that is too much."""
    where, values = choice.condition(now)
    if not choice.unsure:
        return where, values
    chosen: list[int] = []
    left = MOST_SUMMED
    for number, run in _candidates(connection, where, values, None):
        if not _is_settled(choice, number, run):
            left -= 1
            if left < 0:
                raise BadInput(
                    f"more than {MOST_SUMMED} runs would have to be read to answer this",
                    hint="narrow it down, for example with since:7d or agent:NAME",
                )
            if not _meets(choice, number, run, lambda no=number: pairs(connection, no, choice.sought)):  # type: ignore[misc]
                continue
        chosen.append(number)
    return "r.no IN (SELECT value FROM json_each(?))", [str(chosen)]
