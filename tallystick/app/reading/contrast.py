"""Contrast: what separates two sets of runs, say failed from successful, or dear from cheap ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tallystick.app.reading.shapes import Json
from tallystick.evaluate.contrast import Sample, Separation, contrast
from tallystick.model.errors import BadInput
from tallystick.model.query import Query, Term, parse_query
from tallystick.model.run import Run
from tallystick.observe.features import numbers_of, of_attributes, of_run, of_steps
from tallystick.ports import TraceStore

MOST_RUNS: Final = 2_000  # a side: the newest
MOST_ATTRIBUTED: Final = 300  # a side whose root spans are read for their attributes: the newest
MOST_STEPS: Final = 2_000  # a run with more is known by its summary alone
FEW: Final = 10
_PAGE: Final = 500
_OUTCOMES: Final = (
    "status",
    "completeness",
    "cost",
    "steps",
    "errors",
    "tokens",
    "duration",
    "error",
    "stopped",
)
# What a query asks for is no finding: these attributes follow from it.
_FOLLOWS: Final[Mapping[str, tuple[str, ...]]] = {
    "status": ("stopped_by",), "errors": ("error", "tool error"), "error": ("error", "tool error"),
    "stopped": ("stopped_by",), "tool": ("tool", "first tool", "tool_calls", "calls in a row"),
    "agent": ("agent", "took part"),
    "cost": ("cost", "tokens"), "tokens": ("tokens", "cost"),
    "steps": ("steps", "model_calls", "tool_calls", "calls in a row"),
    "env": ("environment",), "source": ("source",),
}  # fmt: skip
_SHOWN: Final = {"cost": "usd", "duration": "ns"}


def contrast_runs(traces: TraceStore, a: str, b: str | None, *, now: int) -> Json:
    """``{"a", "b", "attributes", "tested", "notes"}``; see docs/reference/json.md.

    Without ``b`` the first set is held against the rest of its selection: the runs that meet the same terms but for
    those of outcome (status, cost, errors …). Raises BadInput for a query that cannot be read, and where the sets are
    one.
    """
    first = parse_query(a)
    notes: list[str] = []
    of_a = _newest(traces, first, now, frozenset())
    if b is None:
        second = _selection(first)
        of_b = _newest(traces, second, now, frozenset(run.run for run in of_a[0]), without=first)
        notes.append("B is the rest: runs of the same selection that are not in A.")
        told = _text(second)
    else:
        second, told = parse_query(b), b
        of_b = _newest(traces, second, now, frozenset())
    runs_a, runs_b = of_a[0], of_b[0]
    both = {run.run for run in runs_a} & {run.run for run in runs_b}
    if both:
        runs_a = [run for run in runs_a if run.run not in both]
        runs_b = [run for run in runs_b if run.run not in both]
        notes.append(f"{len(both)} runs are in both sets and were left out.")
    asked = {term.field for term in (*first.terms, *second.terms)}
    hidden = asked | {name for field in asked for name in _FOLLOWS.get(field, ())}
    samples = [_samples(traces, runs, hidden) for runs in (runs_a, runs_b)]
    # Every feature is alike where one side has no runs: what differs is not known then, which is not "nothing".
    rows, tested = contrast(*samples, show=_SHOWN) if runs_a and runs_b else ([], 0)
    return {
        "a": {"query": a, "runs": of_a[1], "measured": len(runs_a)},
        "b": {"query": told, "runs": of_b[1], "measured": len(runs_b)},
        "attributes": [_row(one) for one in rows],
        "tested": tested,
        "notes": [*notes, *_notes(runs_a, runs_b, of_a[1], of_b[1])],
    }


def _selection(query: Query) -> Query:
    """The terms of a query that choose what is looked at, without those that say how it went."""
    rest = tuple(term for term in query.terms if not _is_outcome(term))
    if len(rest) == len(query.terms):
        timeless = [term for term in rest if term.field not in ("since", "until")]
        if not timeless:
            raise BadInput(
                "there is nothing to hold these runs against",
                hint="give a second query, or one with an outcome: status:failed, cost:>0.50",
            )
        rest = tuple(term for term in rest if term is not timeless[-1])
    return Query(rest)


def _is_outcome(term: Term) -> bool:
    return term.field in _OUTCOMES or term.field.startswith("score.")


def _text(query: Query) -> str:
    said = []
    for term in query.terms:
        value = str(term.value)
        quoted = f'"{value}"' if not value or any(c.isspace() or c == '"' for c in value) else value
        op = "" if term.op == "=" else term.op
        said.append(
            ("-" if term.negated else "") + (quoted if term.field == "text" else f"{term.field}:{op}{quoted}")
        )
    return " ".join(said)


def _newest(
    traces: TraceStore, query: Query, now: int, known: frozenset[str], *, without: Query | None = None
) -> tuple[list[Run], int]:
    """The newest runs that match and are not ``known``, at most 2,000; and how many match in all.

    ``without``: those that match this one too are not counted.
    """
    found: list[Run] = []
    before: str | None = None
    total = 0
    while len(found) < MOST_RUNS:
        page = traces.runs(query, now=now, limit=_PAGE, before=before)
        total = total or page.total
        found.extend(run for run in page.runs if run.run not in known)
        if len(page.runs) < _PAGE:
            break
        before = page.runs[-1].run
    if without is not None:
        total -= traces.runs(Query((*query.terms, *without.terms)), now=now, limit=1).total
    return found[:MOST_RUNS], total


def _samples(traces: TraceStore, runs: Sequence[Run], hidden: set[str]) -> list[Sample]:
    made = []
    for at, run in enumerate(runs):
        steps = traces.steps(run.run) if run.steps <= MOST_STEPS else ()
        features = of_run(run) | of_steps(steps)
        looked = at < MOST_ATTRIBUTED and bool(steps)
        if looked:
            top = next((step for step in steps if step.parent is None), steps[0])
            for span in traces.spans(run.run, [top.span]).values():
                features |= of_attributes(span.attributes) | of_attributes(span.source.resource)
        numbers = numbers_of(run, steps)
        made.append(
            Sample(
                frozenset(one for one in features if one[0] not in hidden),
                {name: value for name, value in numbers.items() if name not in hidden},
                None if looked else "attr.",
            )
        )
    return made


def _row(one: Separation) -> Json:
    return {
        "attribute": one.feature[0],
        "value": one.feature[1],
        "a": {"with": one.with_a, "of": one.of_a},
        "b": {"with": one.with_b, "of": one.of_b},
        "difference": one.difference,
        "low": one.low,
        "high": one.high,
        "p": one.p,
        "q": one.q,
        "confidence": one.confidence,
        "aliases": [{"attribute": name, "value": value} for name, value in one.aliases],
    }


def _notes(a: Sequence[Run], b: Sequence[Run], total_a: int, total_b: int) -> list[str]:
    said = []
    for name, runs, total in (("A", a, total_a), ("B", b, total_b)):
        if total > MOST_RUNS:
            said.append(f"Of set {name} the newest {MOST_RUNS:,} runs were looked at.")
        if len(runs) > MOST_ATTRIBUTED:
            said.append(f"Attributes (attr.) are those of the newest {MOST_ATTRIBUTED} runs of set {name}.")
        if any(run.steps > MOST_STEPS for run in runs):
            said.append(
                f"Runs of set {name} with more than {MOST_STEPS:,} steps are known by their sums alone."
            )
        if not runs:
            said.append(f"Set {name} has no runs: there is nothing to hold the other against.")
        elif len(runs) < FEW:
            had = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
            said.append(f"Set {name} has {had}: too few to tell anything from chance.")
    said.append("What separates two sets need not be the cause.")
    return said
