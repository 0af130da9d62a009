"""Terms of a query that the text index answers: which tokens a run must have, and whether that settles it.

Both stores answer by these rules. A phrase is only narrowed down by tokens; the steps of the runs that are left say
which of them meet the term. A comparison of an attribute is settled by the least and the most that a run has of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Final

from tallystick.model.errors import BadInput
from tallystick.model.query import Query, Term
from tallystick.model.run import Run
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.phrases import Phrase
from tallystick.observe.texts import SHORT, tag, texts_of, words_of

FACTS: Final = ("kind", "label", "error", "stopped")  # fields that are columns of steps
_ATTRIBUTE: Final = "attr."
_SCORE: Final = "score."
_PASSED: Final[Mapping[str, Callable[[float, float], bool]]] = {">": gt, ">=": ge, "<": lt, "<=": le}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Tokens that a run must have, and beginnings of which it must have one each. ``unsure``: more has to be read."""

    tokens: tuple[str, ...]
    beginnings: tuple[str, ...] = ()
    unsure: bool = False


def is_indexed(term: Term) -> bool:
    """Whether the index is asked for a term."""
    return (
        term.field in FACTS
        or term.field.startswith((_ATTRIBUTE, _SCORE))
        or (term.field == "text" and bool(words_of(str(term.value))))
    )


def asks_index(query: Query) -> bool:
    """Whether any term of a query needs the index."""
    return any(is_indexed(term) for term in query.terms)


def wanted(term: Term) -> Wanted | None:
    """What the index is asked for a term; None for one that tokens do not answer (``score_term``, ``number_term``)."""
    value = str(term.value)
    if term.field in FACTS:
        return Wanted((tag("s", term.field, value),))
    if term.field.startswith(_ATTRIBUTE):
        key = term.field[len(_ATTRIBUTE) :]
        if term.op != "=":
            return None
        return Wanted((tag("a", key, None if value == "*" else value[: SHORT + 1]),))
    if term.field != "text":
        return None
    words = words_of(value)
    if not words:
        return None
    unsure = len(words) > 1 and len(value.split()) > 1
    if value.endswith("*"):
        return Wanted(tuple(words[:-1]), (words[-1],), unsure)
    return Wanted(tuple(words), unsure=unsure)


def is_unsure(term: Term) -> bool:
    """Whether the steps of a run have to be read to know that it meets a term."""
    asked = wanted(term)
    return asked is not None and asked.unsure


@lru_cache(maxsize=256)
def phrase_of(term: Term) -> Phrase:
    """What a term about texts looks for, where it is a phrase."""
    return Phrase(str(term.value))


def needle(term: Term) -> str:
    """What of a free text is looked for in goal, agent, workflow and id."""
    value = str(term.value)
    return value.rstrip("*") or value


_FOLD: Final = str.maketrans(  # what SQLite's lower() folds
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
)


def meets_goal(term: Term, run: Run) -> bool:
    """Whether a run's goal, agent, workflow or id holds a free text, capitals of ASCII or not."""
    wanted = needle(term).translate(_FOLD)
    texts = (run.goal, run.agent, run.workflow, run.run)
    return any(text is not None and wanted in text.translate(_FOLD) for text in texts)


def score_term(term: Term) -> tuple[str, str, float | None, str] | None:
    """Name, operator, number and label of a term about scores; None for any other term. ``*`` is operator "any"."""
    if not term.field.startswith(_SCORE):
        return None
    name, value = term.field[len(_SCORE) :], str(term.value)
    if value == "*" and term.op == "=":
        return name, "any", None, ""
    try:
        number: float | None = float(value)
    except ValueError:
        number = None
    if number is None and term.op != "=":
        raise BadInput(f"{term.field} is compared with a number", hint=f"for example {term.field}:>0.8")
    return name, term.op, number, value.lower()


def meets_score(
    asked: tuple[str, str, float | None, str], score: tuple[str, float | None, str | None]
) -> bool:
    """Whether one score meets a term about scores."""
    name, op, number, label = asked
    if score[0] != name:
        return False
    if op == "any":
        return True
    if op == "=":
        return (score[2] is not None and score[2].lower() == label) or (
            number is not None and score[1] == number
        )
    return number is not None and score[1] is not None and _PASSED[op](score[1], number)


def number_term(term: Term) -> tuple[str, str, float] | None:
    """Name, operator and number of a term that compares an attribute; None for any other term."""
    if term.op == "=" or not term.field.startswith(_ATTRIBUTE):
        return None
    return term.field[len(_ATTRIBUTE) :], term.op, float(str(term.value))


def meets_number(asked: tuple[str, str, float], least: float, most: float) -> bool:
    """Whether a run whose values of the attribute lie between these two (both are among them) has one that passes."""
    _, op, limit = asked
    return _PASSED[op](most if op in (">", ">=") else least, limit)


def step_meets(term: Term, step: Step, span: Span) -> bool:
    """Whether a step meets an unsure term: it says the phrase."""
    says = phrase_of(term).says
    return any(says(text) for text in texts_of(step, span))
