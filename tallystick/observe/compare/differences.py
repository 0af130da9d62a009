"""What differs between two aligned steps, place by place.

A difference is of one of three sorts. ``asked`` and ``answered`` are behaviour: what a step was given, and what came of
it. ``measured`` is what it took (cost, tokens, time): that varies from run to run, is told beyond a tenth (time: beyond
twice and a quarter of a second), and never makes two runs part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from tallystick.model.step import Kind, StepStatus
from tallystick.observe.compare.plain import Part, parts_of, same, settled, text_of
from tallystick.observe.compare.side import Item
from tallystick.observe.told import definitions_of

ASKED: Final = "asked"
ANSWERED: Final = "answered"
MEASURED: Final = "measured"
MOST: Final = 24  # differences of one pair of steps that are told
_SHOWN: Final = 400  # characters of a value that are told
_AROUND: Final = 80  # characters before the first difference of two long texts
_LISTS: Final = 200  # items of a list that are aligned; longer ones are compared place by place
_RATIO: Final = 1.1
_SLOWER: Final = 2.0
_SLOWER_NS: Final = 250_000_000
_OWN: Final = ("arguments", "decision")  # what a step was given itself, not handed on from the steps before
# Not how a model was asked to think, or told elsewhere.
_NOT_PARAMETERS: Final = (
    "model", "stream", "tools", "functions", "function_tools", "messages", "extra_headers", "timeout", "metadata",
)  # fmt: skip
_UNSAID: Final = frozenset({StepStatus.UNKNOWN, StepStatus.RUNNING})


@dataclass(frozen=True, slots=True)
class Difference:
    """One place: ``field`` (a path such as ``arguments.city``), both values (None: absent), and its sort.

    ``noise``: the values differ only in times of day and in made-up ids.
    """

    field: str
    a: Any
    b: Any
    sort: str
    noise: bool = False

    @property
    def behaviour(self) -> bool:
        """Whether the agent did or met something else."""
        return self.sort != MEASURED and not self.noise


class Comparing:
    """Compares pairs of steps of two runs. ``loose``: the runs were recorded by different instrumentation.

    What was told as different once (a message of the history, the model, the prompt, the offered tools) is not told
    again where later calls repeat it.
    """

    def __init__(self, *, loose: bool) -> None:
        self._loose = loose
        self._told: set[tuple[str, str, str]] = set()
        self.repeated = 0  # differences that a later step only repeats
        self.noise = 0  # differences that are only times of day or made-up ids
        self.one_sided = 0  # contents that only one of the recordings has
        self.cut = 0  # steps with more differences than are told

    def differences(self, a: Item, b: Item) -> list[Difference]:
        """What differs, most telling first; empty where nothing does."""
        if a.print == b.print and not self._loose:
            found = []
        else:
            found = [one for one in self._behaviour(a, b) if self._new(one)]
        if len(found) > MOST:
            self.cut += 1
            found = found[:MOST]
        return [*found, *_measures(a, b, loose=self._loose)]

    def _new(self, one: Difference) -> bool:
        if one.noise:
            self.noise += 1
            return False
        if one.sort == ANSWERED or one.field.startswith(_OWN):
            return True
        key = (one.field.partition("[")[0], text_of(one.a), text_of(one.b))
        if key in self._told:
            self.repeated += 1
            return False
        self._told.add(key)
        return True

    def _behaviour(self, a: Item, b: Item) -> Iterator[Difference]:
        kind = a.step.kind
        yield from self._standing(a, b)
        if kind is Kind.MODEL:
            yield from self._model(a, b)
            return
        one, two = a.contents, b.contents
        if a.step.tool is not None or kind is Kind.TOOL:
            yield from self._value("arguments", one.arguments, two.arguments, ASKED)
            yield from self._value("result", one.result, two.result, ANSWERED)
        elif kind is Kind.HANDOFF:
            yield from self._handoff(one.handoff or {}, two.handoff or {})
        elif not self._loose and not (a.frame and kind is Kind.OTHER):
            yield from self._value("goal", one.goal, two.goal, ASKED)
            yield from self._value("input", _state(one.input), _state(two.input), ASKED)
            yield from self._value("plan", one.plan, two.plan, ANSWERED)
            yield from self._value("documents", one.documents, two.documents, ANSWERED)
            yield from self._value("output", _state(one.output), _state(two.output), ANSWERED)

    def _standing(self, a: Item, b: Item) -> Iterator[Difference]:
        one, two = a.step, b.step
        if one.decision != two.decision and (not self._loose or (one.decision and two.decision)):
            yield Difference("decision", one.decision, two.decision, ASKED)
        if one.status is not two.status and one.status not in _UNSAID and two.status not in _UNSAID:
            yield Difference("status", one.status.value, two.status.value, ANSWERED)
        if one.error != two.error and one.error and two.error:
            yield from self._value("error", one.error, two.error, ANSWERED)
        if one.outcome is not two.outcome and (not self._loose or (one.outcome and two.outcome)):
            yield Difference(
                "outcome", one.outcome and one.outcome.value, two.outcome and two.outcome.value, ANSWERED
            )
        if a.agent != b.agent and a.agent and b.agent:
            yield Difference("agent", a.agent, b.agent, ASKED)
        if one.version != two.version and one.version and two.version:
            yield Difference("version", one.version, two.version, ASKED)

    def _model(self, a: Item, b: Item) -> Iterator[Difference]:
        one, two = a.contents, b.contents
        models = a.step.model, b.step.model
        if models[0] and models[1] and not _same_model(*models, loose=self._loose):
            yield Difference("model", *models, ASKED)
        yield from self._value("system", one.system, two.system, ASKED)
        if a.step.offered != b.step.offered or self._loose:
            yield from self._offered(one.tool_definitions, two.tool_definitions)
        if not self._loose:
            yield from self._value("parameters", _asked(one.parameters), _asked(two.parameters), ASKED)
        yield from self._messages("input", parts_of(one.input_messages), parts_of(two.input_messages), ASKED)
        yield from self._messages("output", _said(a), _said(b), ANSWERED)

    def _offered(self, a: Any, b: Any) -> Iterator[Difference]:
        """Tools that the model was offered: names that only one call has; within one framework also definitions."""
        one = {each.name: each.digest for each in definitions_of(a)}
        two = {each.name: each.digest for each in definitions_of(b)}
        if self._loose and not (one and two):
            return
        gone, new = [name for name in one if name not in two], [name for name in two if name not in one]
        if gone or new:
            yield Difference("tools offered", gone or None, new or None, ASKED)
        changed = [] if self._loose else [name for name in one if two.get(name, one[name]) != one[name]]
        if changed:
            yield Difference("definition of", changed, changed, ASKED)

    def _handoff(self, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
        for key in ("to", "reason", "payload"):
            one, two = a.get(key), b.get(key)
            if self._loose and (key != "to" or one in (None, "unknown") or two in (None, "unknown")):
                continue
            yield from self._value(key, one, two, ASKED)

    def _value(self, field: str, a: Any, b: Any, sort: str) -> Iterator[Difference]:
        if a is None and b is None:
            return
        if self._loose and (a in (None, {}, []) or b in (None, {}, [])):
            self.one_sided += 1
            return
        if same(a, b, loose=self._loose):
            return
        for place, one, two in _places(field, a, b, self._loose, 0):
            yield _difference(place, one, two, sort)

    def _messages(self, field: str, a: Sequence[Part], b: Sequence[Part], sort: str) -> Iterator[Difference]:
        if self._loose:
            a = [part for part in a if part[0] != "system"]
            b = [part for part in b if part[0] != "system"]
        if not a and not b:
            return
        if self._loose and not (a and b):
            self.one_sided += 1
            return
        prints_a = [_print(part) for part in a]
        prints_b = [_print(part) for part in b]
        if prints_a == prints_b:
            return
        for place, one, two in _aligned(prints_a, prints_b):
            left, right = None if one is None else a[one], None if two is None else b[two]
            if left is not None and right is not None and left[:2] != right[:2]:
                halves: list[tuple[Part | None, Part | None]] = [(left, None), (None, right)]
            else:
                halves = [(left, right)]
            for old, new in halves:
                yield from self._part(f"{field}[{place}]", old, new, sort)

    def _part(self, place: str, a: Part | None, b: Part | None, sort: str) -> Iterator[Difference]:
        if a is not None and b is not None and same(a[2], b[2], loose=self._loose):
            return
        kind = (a or b or ("", "", ""))[1]
        role = (a or b or ("", "", ""))[0]
        said = {"tool_call": "call", "answer": "answer"}.get(kind, kind if kind != "text" else role or kind)
        yield _difference(f"{place} {said}", a and a[2], b and b[2], sort)


def _asked(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (parameters or {}).items() if not name.startswith(_NOT_PARAMETERS)}


def _state(value: Any) -> Any:
    """A framework's state without its messages: the model steps tell those."""
    if isinstance(value, Mapping) and "messages" in value:
        return {key: item for key, item in value.items() if key != "messages"} or None
    return value


def _said(item: Item) -> list[Part]:
    parts = parts_of(item.contents.output_messages)
    output = item.contents.output
    return parts or ([] if output in (None, "") else [("assistant", "text", output)])


def _print(part: Part) -> str:
    return f"{part[0]}\n{part[1]}\n{text_of(part[2])}"


def _aligned(a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[int, int | None, int | None]]:
    """(place in b, or in a where b has none; index in a; index in b) of what differs."""
    matcher = SequenceMatcher(None, a, b, autojunk=False) if len(a) * len(b) <= _LISTS * _LISTS * 4 else None
    if matcher is None:
        for at in range(max(len(a), len(b))):
            one, two = at if at < len(a) else None, at if at < len(b) else None
            if one is None or two is None or a[at] != b[at]:
                yield at, one, two
        return
    for how, a0, a1, b0, b1 in matcher.get_opcodes():
        if how == "equal":
            continue
        for step in range(max(a1 - a0, b1 - b0)):
            one = a0 + step if a0 + step < a1 else None
            two = b0 + step if b0 + step < b1 else None
            yield (two if two is not None else a0 + step), one, two


def _places(path: str, a: Any, b: Any, loose: bool, depth: int) -> Iterator[tuple[str, Any, Any]]:
    """Every place where two values differ, by path."""
    if isinstance(a, Mapping) and isinstance(b, Mapping) and depth < _SHOWN // 10:
        for key in dict.fromkeys((*a, *b)):
            one, two = a.get(key), b.get(key)
            if not same(one, two, loose=loose):
                yield from _places(f"{path}.{key}"[:200], one, two, loose, depth + 1)
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple) and depth < _SHOWN // 10:
        for place, one, two in _aligned([text_of(x) for x in a], [text_of(x) for x in b]):
            left, right = None if one is None else a[one], None if two is None else b[two]
            if not same(left, right, loose=loose):
                yield from _places(f"{path}[{place}]"[:200], left, right, loose, depth + 1)
    else:
        yield path, a, b


def _difference(field: str, a: Any, b: Any, sort: str) -> Difference:
    # An order number in arguments is no noise, even where it looks like an id: somebody chose it.
    chosen = field.startswith("arguments") or field.endswith(" call")
    key = field.rpartition(".")[2]  # a number is a time only under a name that says so
    noise = a is not None and b is not None and not chosen and same(settled({key: a}), settled({key: b}))
    one, two = _shown(a, b)
    return Difference(field, one, two, sort, noise)


def _shown(a: Any, b: Any) -> tuple[Any, Any]:
    """Both values, short enough to be told: long texts are cut to where they differ."""
    one, two = (value if isinstance(value, str) or value is None else text_of(value) for value in (a, b))
    if max(len(one or ""), len(two or "")) <= _SHOWN:
        return a, b
    start = 0
    if one is not None and two is not None:
        most = min(len(one), len(two))
        start = next((at for at in range(most) if one[at] != two[at]), most)
    start = max(0, start - _AROUND)
    return _cut(one, start), _cut(two, start)


def _cut(text: str | None, start: int) -> str | None:
    if text is None:
        return None
    middle = text[start : start + _SHOWN]
    return ("…" if start else "") + middle + ("…" if start + _SHOWN < len(text) else "")


def _same_model(a: str | None, b: str | None, *, loose: bool) -> bool:
    """Equal, or in two recordings one the requested and the other the served name of it."""
    return a == b or (loose and bool(a and b) and (str(a).startswith(str(b)) or str(b).startswith(str(a))))


def _measures(a: Item, b: Item, *, loose: bool) -> Iterator[Difference]:
    one, two = a.step, b.step
    pairs = (
        ("input_tokens", one.usage.input_tokens, two.usage.input_tokens),
        ("output_tokens", one.usage.output_tokens, two.usage.output_tokens),
        ("cost_nano_usd", one.cost_nano, two.cost_nano),
    )
    for field, x, y in pairs:
        if x is None or y is None:
            if x is not y and not loose:
                yield Difference(field, x, y, MEASURED)
        elif max(x, y) > _RATIO * min(x, y):
            yield Difference(field, x, y, MEASURED)
    if a.frame:
        return  # what is inside it tells which step took longer
    took = [
        step.ended - step.started if step.ended and step.started and not step.derived else None
        for step in (one, two)
    ]
    x, y = took
    if x is not None and y is not None and abs(x - y) >= _SLOWER_NS and max(x, y) >= _SLOWER * min(x, y):
        yield Difference("duration_ns", x, y, MEASURED)
