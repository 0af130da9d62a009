"""What a run said, as the index of texts in memory holds it, and which terms of a query it meets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tallystick.adapters.memory.held import Held
from tallystick.model.query import Term
from tallystick.observe.text_terms import (
    meets_number,
    meets_score,
    number_term,
    score_term,
    step_meets,
    wanted,
)
from tallystick.ports import Score


@dataclass(slots=True)
class Said:
    """What a run said when it was last indexed. ``steps``: how many it had then."""

    steps: int = 0
    tokens: set[str] = field(default_factory=set)
    scores: set[Score] = field(default_factory=set)
    numbers: dict[str, tuple[float, float]] = field(default_factory=dict)


def says(held: Held, said: Said) -> Callable[[Term], bool]:
    """Answers for one run whether it meets a term about what it said."""

    def meets(term: Term) -> bool:
        score = score_term(term)
        if score is not None:
            return any(meets_score(score, one) for one in said.scores)
        number = number_term(term)
        if number is not None:
            return number[0] in said.numbers and meets_number(number, *said.numbers[number[0]])
        asked = wanted(term)
        if asked is None or not said.tokens.issuperset(asked.tokens):
            return False
        if not all(any(token.startswith(one) for token in said.tokens) for one in asked.beginnings):
            return False
        return not asked.unsure or any(step_meets(term, step, span) for _, step, span in held.steps.values())

    return meets
