"""What a dialect is: a table of names, and how a table is compiled for the hot path.

A dialect says how one instrumentor spells what Tallystick keeps in a step's columns and in its contents. It
is data; the little code a dialect may bring (``refine``) handles what no table can say.

Columns: op, span_kind, agent, workflow, conversation, provider, model, response_id, input, output,
cache_read, cache_write, reasoning, tool, call_id, error, run, seq, kind, effect, outcome, decision, cost,
tool_price, derived, version, classes, subject, environment, verdict (of a guardrail).

Contents: arguments, result, goal, system, input_messages, output_messages, tool_definitions, documents,
plan, parameters, input, output, handoff_from, handoff_to, handoff_reason, handoff_payload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from tallystick.model.span import Attributes, Span
from tallystick.model.step import Kind

Found: TypeAlias = dict[str, Any]  # column -> cleaned value; "kind" holds the resolved Kind


class Plan(NamedTuple):
    """The look-ups for one set of attribute keys: (attribute key, column), worst rank first, by shape."""

    texts: tuple[tuple[str, str], ...]
    counts: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str, int], ...]  # … with the shape
    facts: bool  # a key says something of the run as a whole


TEXT: Final = 0
COUNT: Final = 1
PROVIDER: Final = 2
FLAG: Final = 3
TEXTS: Final = 4  # a list of short texts
VERDICT: Final = 5  # of a guardrail, in its own words or as a flag that says whether it struck
# What a column holds; all that are not named here hold text.
SHAPES: Final = {
    "input": COUNT,
    "output": COUNT,
    "cache_read": COUNT,
    "cache_write": COUNT,
    "reasoning": COUNT,
    "seq": COUNT,
    "cost": COUNT,
    "tool_price": COUNT,
    "provider": PROVIDER,
    "derived": FLAG,
    "classes": TEXTS,
    "verdict": VERDICT,
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """One vocabulary. ``columns`` and ``contents`` map a name to attribute keys, the best one first.

        ``scopes``: exact instrumentation scope names, or beginnings when they end in ``*``. ``markers``:
        attribute keys that only this vocabulary uses; a key that ends in ``*`` is not possible here, because
        markers are looked up and never searched. ``resource_markers``: the same for the resource. ``kinds``:
        values of the ``span_kind`` column. ``exclusive_input``: input tokens are counted without the cached
        ones. ``history``: tool results appear only in the message history, so calls are read from it.
        ``session_totals``: scopes that record agents and none of their model calls (some put the session's
        tokens on the agent span). ``follow_links``: one run is scattered over traces that point to each other
    by span links. ``json_texts``: attributes whose value is JSON even where it is one word in quotes. ``unfold``:
    further attributes, under names of these tables, out of the JSON that a sender packed into one; asked only when
    somebody reads the contents, and what the span itself says goes first."""

    name: str
    scopes: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    resource_markers: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    contents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    message_prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclusive_input: bool = False
    history: bool = False
    session_totals: frozenset[str] = frozenset()
    follow_links: bool = False
    quoted: bool = False
    refine: Callable[[Span, Found], None] | None = None
    json_texts: frozenset[str] = frozenset()
    unfold: Callable[[Attributes], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """A dialect merged with the canonical names, ready for look-ups.

    ``keys``: attribute key -> (column, rank, shape); of several keys for one column the lowest rank with a
    usable value wins, and canonical keys rank before the dialect's own. ``plans`` remembers the look-ups
    for key sets seen. ``contents``: content name -> attribute keys in order."""

    dialect: Dialect
    keys: dict[str, tuple[str, int, int]]
    contents: dict[str, tuple[str, ...]]
    message_prefixes: dict[str, tuple[str, ...]]
    plans: dict[tuple[str, ...], Plan]


def compile_reader(dialect: Dialect, canonical: Dialect) -> Reader:
    """Merge a dialect's tables behind the canonical ones."""
    layers = (canonical,) if dialect is canonical else (canonical, dialect)
    keys: dict[str, tuple[str, int, int]] = {}
    contents: dict[str, tuple[str, ...]] = {}
    prefixes: dict[str, tuple[str, ...]] = {}
    rank = 0
    for layer in layers:
        for column, names in layer.columns.items():
            for name in names:
                keys.setdefault(name, (column, rank, SHAPES.get(column, TEXT)))
                rank += 1
        for content, names in layer.contents.items():
            contents[content] = contents.get(content, ()) + tuple(names)
        for content, names in layer.message_prefixes.items():
            prefixes[content] = prefixes.get(content, ()) + tuple(names)
    return Reader(dialect, keys, contents, prefixes, {})
