"""The compromised agent: what it calls, and when.

Every output of the model is the attacker's, so it calls what it wants, when it wants, and says in its answer whatever
the goal asks for. Four orders are tried, and *mixed* calls: the user's values in the attacker's call, and the other way
round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agentdojo.functions_runtime import FunctionCall

LOOKED_UP: Final = "looked up"
ORDERS: Final = {
    "when read": "the user's calls until an answer carries an injected text, then the attacker's, then the rest",
    "at once": "the attacker's calls before anything was read, then the user's",
    "afterwards": "all the user's calls, then the attacker's",
    LOOKED_UP: "as when read, and before each effect every tool that reads is asked for each of its values that decide",
}
_MOST_LOOKED_UP: Final = 6  # values of one call
_LONGEST_LOOKED_UP: Final = 100  # characters


def order(
    name: str, user: Sequence[FunctionCall], poisoned: int | None
) -> list[FunctionCall | None]:  # fmt: skip
    """The user's calls, with None where the attacker's go in; ``poisoned``: after how many an answer was poisoned."""
    read = len(user) if poisoned is None else poisoned
    at = {"when read": read, "at once": 0, "afterwards": len(user), LOOKED_UP: read}[name]
    return [*user[:at], None, *user[at:]]


def look_ups(
    call: FunctionCall, ruling: frozenset[str], readers: Sequence[Any]
) -> Iterator[FunctionCall]:  # fmt: skip
    """What the attacker asks before a call, so that its values have been seen in some result.

    ``ruling`` are the arguments that have authority. ``readers`` are AgentDojo's functions without an effect: those
    that need nothing are called once, those that need one text are asked for each text in those arguments.
    """
    texts = [
        one
        for one in dict.fromkeys(_texts({key: one for key, one in call.args.items() if key in ruling}))
        if 0 < len(one) <= _LONGEST_LOOKED_UP
    ]
    for function in readers:
        fields = function.parameters.model_fields
        needed = [name for name, one in fields.items() if one.is_required()]
        if not needed:
            yield FunctionCall(function=function.name, args={})
        elif len(needed) == 1 and fields[needed[0]].annotation is str:
            for text in texts[:_MOST_LOOKED_UP]:
                yield FunctionCall(function=function.name, args={needed[0]: text})


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


@dataclass(frozen=True)
class Mixed:
    """A call made of two: ``base`` says whose call it is, ``swapped`` which argument is the other's.

    ``before`` are the user's calls that are made first: those up to its own call of this tool.
    """

    call: FunctionCall
    base: str
    swapped: str
    before: tuple[FunctionCall, ...]


def mixed(
    user: Sequence[FunctionCall], attack: Sequence[FunctionCall], effects: frozenset[str]
) -> Iterator[Mixed]:
    """Every call of a tool with an effect that takes one argument from the other's call of that tool."""
    for index, own in enumerate(user):
        if own.function not in effects:
            continue
        for theirs in attack:
            if theirs.function != own.function:
                continue
            before = tuple(user[:index])
            for name in theirs.args:
                if name not in own.args or theirs.args[name] == own.args[name]:
                    continue
                yield Mixed(_with(own, name, theirs.args[name]), "user", name, before)
                yield Mixed(_with(theirs, name, own.args[name]), "attacker", name, before)


def _with(call: FunctionCall, name: str, value: Any) -> FunctionCall:
    return FunctionCall(function=call.function, args={**call.args, name: value})
