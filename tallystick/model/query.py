"""The one query grammar of command line, URL and API.

    agent:refunds status:failed cost:>0.50 tool:refund since:7d "free text"

Terms are joined by and. A term is ``field:value``, ``field:>value`` (also >=, <, <=) or free text (quoted when it
has spaces); ``-`` before a term negates it. What can be asked of runs and what of the registry differs in words only:
free text of runs is matched against what they said (messages, arguments, results, errors) and against goal, agent,
workflow and run id, that of the registry against name and purpose. Runs can also be asked for any attribute of their
steps (``attr.http.method:GET``) and for scores (``score.helpfulness:>0.8``); ``*`` means that there is one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from tallystick.model.errors import BadInput
from tallystick.model.money import nano_from_usd
from tallystick.model.registry import TYPES, Autonomy, Lifecycle
from tallystick.model.run import Completeness, RunStatus
from tallystick.model.step import Effect, Kind

TIME_FIELDS = ("since", "until")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one kind of question: fields of text and of whole numbers, and ``flags``, bare words that are terms.

    Every vocabulary has ``since:`` and ``until:``. A field in ``choices`` takes these values and no other (a space may
    stand for a hyphen); one in ``scales`` takes them too, and they can be compared: each is more than the one before.
    ``also`` are other spellings of a field. ``families`` are beginnings of fields whose names end as the asker likes.
    """

    texts: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    scales: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    also: Mapping[str, str] = field(default_factory=dict, hash=False)
    families: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields."""
        return self.texts + self.numbers + TIME_FIELDS


RUNS: Final = Vocabulary(
    (
        "run", "agent", "version", "workflow", "status", "completeness", "source", "tool", "model", "environment",
        "subject", "conversation", "kind", "label", "stopped", "error",
    ),
    ("cost", "steps", "errors", "tokens", "duration"),
    choices={
        "kind": tuple(one.value for one in Kind),
        "status": tuple(one.value for one in RunStatus),
        "completeness": tuple(one.value for one in Completeness),
    },
    also={"env": "environment", "user": "subject", "class": "label"},
    families=("attr.", "score."),
)  # fmt: skip
MISSING: Final = (
    "owner", "purpose", "budget", "policy", "suite", "repository", "run-book", "version", "declaration",
)  # fmt: skip
REGISTRY: Final = Vocabulary(
    (
        "kind", "name", "owner", "env", "version", "lifecycle", "autonomy", "workflow", "standing",
        "touches", "effect", "model", "tool", "policy", "delegates-to", "prompt", "data",
        "used", "never-used", "missing",
    ),
    flags=("unevaluated", "drifted", "shadow", "quarantined"),
    choices={
        "kind": TYPES,
        "lifecycle": tuple(one.value for one in Lifecycle),
        "autonomy": tuple(one.value for one in Autonomy),
        "standing": ("declared-and-observed", "declared-only", "observed-only", "drifted"),
        "missing": MISSING,
    },
    scales={"effect": tuple(one.value for one in Effect)},
)  # fmt: skip

_TERM = re.compile(
    r'(-?)(?:([a-z_]+(?:-[a-z_]+)*|(?:attr|score)\.[^\s:"]+):)?(>=|<=|>|<)?("(?:[^"\\]|\\.)*"|\S+)'
)
_AGE = re.compile(r"^([0-9]{1,12})(s|m|h|d|w)$")
_DATE = re.compile(r"^([0-9]{4})-([0-9]{2})-([0-9]{2})$")
_DECIMAL = re.compile(r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$")
_MEANT = re.compile(r"^([a-z_]+)(>=|<=|>|<)")  # a comparison that lacks its colon
_OPERATORS: Final = (">=", "<=", ">", "<")
_WHOLE = re.compile(r"^[0-9]{1,18}$")
_LONGEST_AGE = 2**62  # nanoseconds
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. ``value`` is text, or an integer (cost in nano-dollars, duration in nanoseconds)."""

    field: str  # a field of the vocabulary or of one of its families, "text", or "flag"
    op: str  # "=", ">", ">=", "<", "<="
    value: str | int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Terms joined by and; no terms match everything. ``since``/``until`` values are ages or dates, see ``moment``."""

    terms: tuple[Term, ...] = ()


EVERYTHING = Query()


def parse_query(text: str, words: Vocabulary = RUNS) -> Query:
    """Read a query. Raises BadInput naming the term and, for a misspelt field, the nearest one."""
    text = text.encode("utf-8", "replace").decode()  # a lone surrogate is no text that a store could hold
    terms: list[Term] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TERM.match(text, position)
        if match is None or not match.group(4):
            raise BadInput(f"cannot read the query at {text[position : position + 20]!r}")
        terms.append(_term(words, *match.groups()))
        position = match.end()
    return Query(tuple(terms))


def _term(words: Vocabulary, minus: str, field: str | None, op: str | None, raw: str) -> Term:
    value = re.sub(r"\\(.)", r"\1", raw[1:-1]) if raw.startswith('"') and len(raw) > 1 else raw
    if field is None and value in words.flags and not raw.startswith('"'):
        return Term("flag", "=", value, bool(minus))
    if field is None:
        meant = _MEANT.match(raw)
        if meant and meant[1] in words.numbers:
            hint = f'write {meant[1]}:{raw[meant.end(1) :]}; in quotes, "{raw}", it is text'
            raise BadInput(f"{raw!r} is no term: the colon is missing", hint=hint, field=meant[1])
        nameless = next((name for name in words.families if raw.startswith(f"{name}:")), None)
        if nameless:
            raise BadInput(
                f"{nameless}: lacks a name", hint=f"for example {nameless}NAME:value", field=nameless
            )
        return Term("text", "=", (op or "") + value, bool(minus))
    if op is None and raw in _OPERATORS:
        raise BadInput(f"{field}:{raw} lacks a value", hint=f"for example {field}:{raw}0.8", field=field)
    if field.startswith(words.families):
        return _named(field, op, value, bool(minus))
    field = words.also.get(field, field)
    if field not in words.fields:
        near = difflib.get_close_matches(field, words.fields, 1)
        hint = f"did you mean {near[0]}:?" if near else "fields: " + ", ".join(words.fields)
        raise BadInput(f"a query has no field {field!r}", hint=hint, field=field)
    if field in words.numbers:
        return Term(field, op or "=", _number(field, value), bool(minus))
    if field in words.choices or field in words.scales:
        return Term(field, op or "=", _choice(words, field, op, value), bool(minus))
    if op is not None:
        raise BadInput(f"{field} cannot be compared with {op}", hint=f"write {field}:{value}", field=field)
    if field in TIME_FIELDS and not (_AGE.match(value) or _DATE.match(value)):
        raise BadInput(f"{value!r} is not a time", hint="write an age (30m, 12h, 7d) or a date (2026-11-22)")
    return Term(field, "=", value, bool(minus))


def _named(field: str, op: str | None, value: str, negated: bool) -> Term:
    """A term of a family: its value is text, to be compared as a number where an operator says so."""
    if op is not None and not _DECIMAL.match(value):
        raise BadInput(
            f"{field} is compared with a number, not {value!r}", hint=f"for example {field}:>0.8", field=field
        )
    return Term(field, op or "=", value, negated)


def _choice(words: Vocabulary, field: str, op: str | None, value: str) -> str:
    if op is not None and field not in words.scales:
        raise BadInput(f"{field} cannot be compared with {op}", hint=f"write {field}:{value}", field=field)
    known = words.scales.get(field) or words.choices[field]
    wanted = value.replace(" ", "-")
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, 1)
        hint = f"did you mean {field}:{near[0]}?" if near else f"{field}: " + ", ".join(known)
        raise BadInput(f"{field} is never {value!r}", hint=hint, field=field)
    return wanted


def _number(field: str, value: str) -> int:
    if field == "cost":
        return nano_from_usd(value.removeprefix("$"))
    if field == "duration":
        age = _AGE.match(value)
        if age is None:
            raise BadInput(f"{value!r} is not a duration", hint="for example duration:>30s")
        return _nanoseconds(age)
    if not _WHOLE.match(value):
        raise BadInput(f"{field} takes a whole number, not {value!r}", hint=f"for example {field}:>10")
    return int(value)


def _nanoseconds(age: re.Match[str]) -> int:
    """How long an age is; one of more than 146 years is as long as that, which every store can hold."""
    return min(int(age.group(1)) * _SECONDS[age.group(2)] * 1_000_000_000, _LONGEST_AGE)


def moment(value: str, *, now: int) -> int:
    """Turn a ``since``/``until`` value into nanoseconds since the epoch (dates are midnight UTC)."""
    age = _AGE.match(value)
    if age is not None:
        return now - _nanoseconds(age)
    date = _DATE.match(value)
    if date is None:
        raise BadInput(f"{value!r} is not a time", hint="write an age (7d) or a date (2026-11-22)")
    year, month, day = (int(part) for part in date.groups())
    return _days_from_civil(year, month, day) * 86_400 * 1_000_000_000


def _days_from_civil(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the proleptic Gregorian calendar (no clock or locale is touched)."""
    from datetime import date

    try:
        return (date(year, month, day) - date(1970, 1, 1)).days
    except ValueError as error:
        raise BadInput(f"{year:04}-{month:02}-{day:02} is not a date") from error


def end_of(text: str) -> int:
    """Nanoseconds since the epoch: the end of a day in UTC, or a time that names its zone. Raises BadInput."""
    wrong = BadInput(
        f"{text!r} is no day and no time", hint="for example 2026-12-24, or 2026-12-24T18:00:00+01:00"
    )
    try:
        found = datetime.fromisoformat(text)
        if len(text) <= 10:
            found = found.replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise wrong from error
    if found.tzinfo is None:
        raise BadInput(f"{text!r} names no zone", hint="for example 2026-12-24T18:00:00Z")
    seconds = int((found - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    if not 0 < seconds < 2**33:
        raise wrong
    return seconds * 1_000_000_000
