"""Context: what a run has heard and read so far. Its watermark never rises again.

``Context`` is the only thing here that changes. It is told of the user's words, of every result, of what a person
endorsed and of what another context brings along, and it answers ``facts`` about a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tallystick.govern.labels.judging import WITHIN, Grounds, judge
from tallystick.govern.labels.leaves import key_of, leaves
from tallystick.govern.labels.said import Said, number_of, said
from tallystick.govern.labels.seen import Seen, declared_of
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import Facts, Integrity, Role, worst
from tallystick.model.step import Effect

_MOST_SIGNS: Final = 20
_MOST_CLASSES: Final = 64
_AMOUNTS: Final = ("decimal", "long")  # as arguments are declared
_MOST_MADE: Final = 10_000
EFFECTS: Final = (None, Effect.WRITE, Effect.IRREVERSIBLE)


@dataclass(slots=True)
class Context:
    """What a run knows, and on whose word. Not safe to use from several threads: whoever asks holds the run's lock."""

    words: list[str] = field(default_factory=list)
    watermark: Integrity = Integrity.SYSTEM
    classes: set[str] = field(default_factory=set)
    signs: set[str] = field(default_factory=set)
    seen: Seen = field(default_factory=Seen)
    endorsed: set[tuple[str, str, str]] = field(default_factory=set)  # tool, argument, key of the value
    released: set[tuple[str, str]] = field(default_factory=set)  # class, tool
    passed: dict[tuple[str, str], Decimal] = field(
        default_factory=dict
    )  # below a limit, by tool and argument
    made: set[str] = field(default_factory=set)  # effects that were let through
    _said: Said | None = None

    def hear(self, text: str) -> None:
        """The user said something."""
        self.words.append(text)
        self.watermark = worst((self.watermark, Integrity.USER))
        self._said = None

    def read(self, tool: ToolDeclaration, result: Any, signs: Iterable[str] = (), step: str = "") -> None:
        """A tool of this run returned something in a step, and the model will read it."""
        lowest = self.seen.add(tool, result, step)
        if tool.returns or result is not None:
            self.watermark = worst((self.watermark, lowest))
        held = [name for one in tool.returns.values() for name in one.classes]
        self._hold((*tool.data, *held))
        self._sign(signs)

    def inherit(
        self, watermark: Integrity, classes: Iterable[str] = (), signs: Iterable[str] = ()
    ) -> None:  # fmt: skip
        """What another context knew comes along: a memory, a message of another agent, the run that this one serves."""
        self.watermark = worst((self.watermark, watermark))
        self._hold(classes)
        self._sign(signs)

    def let_through(self, tool: ToolDeclaration, arguments: Mapping[str, Any], facts: Facts) -> None:
        """A call is going to run: what it uses of its limits is used, and the same effect is not asked for again."""
        if tool.effect not in EFFECTS:
            return
        if len(self.made) < _MOST_MADE:
            self.made.add(_effect_of(tool, arguments))
        for name, why in facts.why.items():
            amount = number_of(arguments.get(name)) if why == WITHIN else None
            if amount is not None:
                key = (tool.name, name)
                self.passed[key] = self.passed.get(key, Decimal(0)) + amount

    def endorse(self, tool: str, argument: str, key: str) -> None:
        """A person vouched for one value of one argument, in this run."""
        self.endorsed.add((tool, argument, key))

    def release(self, data_class: str, tool: str) -> None:
        """It was decided that data of a class may flow to one tool, in this run."""
        self.released.add((data_class, tool))

    def facts(
        self, tool: ToolDeclaration, arguments: Mapping[str, Any], known: Mapping[str, frozenset[str]],
        endorsed: frozenset[tuple[str, str, str]] = frozenset(), released: frozenset[tuple[str, str]] = frozenset(),
    ) -> Facts:  # fmt: skip
        """What rules may know of a call about to be made. ``known``: directory -> its members, as compared.

        ``endorsed`` and ``released`` are what people vouched for beyond this context: in other processes of its run, or
        for its agent.
        """
        if self._said is None:
            self._said = said(self.words)
        grounds = Grounds(self._said, self.seen, known, endorsed | self.endorsed, self.passed)
        full = (
            len(self.made) >= _MOST_MADE
        )  # so many effects that not all are remembered: each may be one of them
        again = tool.effect in EFFECTS and (
            full or (bool(self.made) and _effect_of(tool, arguments) in self.made)
        )
        free = {name for name, reader in released | self.released if reader == tool.name}
        leaks = () if free >= self.classes else sorted(self.classes - free - {*tool.data, *tool.readers})
        return judge(
            tool, arguments, grounds, watermark=self.watermark, seen=tuple(sorted(self.classes)),
            leaks=tuple(leaks), signs=tuple(sorted(self.signs)), again=again,
        )  # fmt: skip

    def _hold(self, classes: Iterable[str]) -> None:
        for name in classes:
            if len(self.classes) < _MOST_CLASSES:
                self.classes.add(name)

    def _sign(self, signs: Iterable[str]) -> None:
        for name in signs:
            if len(self.signs) < _MOST_SIGNS:
                self.signs.add(name)


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _effect_of(tool: ToolDeclaration, arguments: Mapping[str, Any]) -> str:
    """What an effect is. Where it moves an amount: who, where, which object and how much, whatever is said with it.

    Else all of its arguments: a second message to the same people is another message.
    """
    named = {name: value for name, value in arguments.items() if tool.role(name) is Role.AUTHORITY}
    amounts = any(
        tool.arguments.get(name, "").rstrip("?") in _AMOUNTS or _is_amount(named[name]) for name in named
    )
    parts = sorted(f"{path}={key_of(value)}" for path, value in leaves(named if amounts else arguments))
    return "\0".join((tool.name, *parts))


def integrity_of(tool: ToolDeclaration, path: str) -> Integrity:
    """On whose word a field of a tool's result stands."""
    return declared_of(tool.returns, path).integrity
