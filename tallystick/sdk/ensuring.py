"""What a tool's code promises of its results, and how it is made sure: conditions, reads back, and taking back.

@tallystick.tool(effect="irreversible", ensures=lambda args, result: result["amount"] == args["amount"])
@tallystick.tool(effect="write", ensures=read_back(get_order, order_id="order_id", expect={"state": "refunded"}))
@tallystick.tool(effect="write", recovery="reconcile", reconcile=read_back(get_order, order_id="order_id",
                 expect={"state": "refunded"}, absent={"state": "paid"}))
@tallystick.tool(effect="write", undo=(cancel_order, {"order_id": "result.id"}))
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypedDict

from tallystick.model.contract import Difference, Follow, OnBroken
from tallystick.model.errors import ConfigError
from tallystick.model.step import EffectOutcome
from tallystick.sdk.values import plain

Condition = Callable[[Mapping[str, Any], Any], Any]
_ABSENT: Final = object()
_RESULT: Final = "result"


class After(TypedDict, total=False):
    """The settings of ``tallystick.tool`` that are about what follows a call.

    ``ensures``: one condition or several; each is asked ``(arguments, result)`` and says True where it holds, or what
    differs as text. ``on_broken``: record | stop | retry | ask. ``key``: the argument that takes an idempotency key.
    ``reconcile``: asked ``(arguments,)`` what became of an effect: an outcome, True, False or None (not known).
    ``undo``: a tool, or ``(tool, {parameter: "argument" or "result.FIELD"})``, by its function or its name.
    """

    ensures: Condition | Sequence[Condition]
    on_broken: str
    key: str
    reconcile: Callable[[Mapping[str, Any]], Any]
    undo: Any


@dataclass(frozen=True, slots=True)
class Promise:
    """What code promises of one tool, as it is asked at run time."""

    ensures: tuple[tuple[str, Condition], ...] = ()
    reconcile: Callable[[Mapping[str, Any]], Any] | None = None
    undo: Callable[..., Any] | None = None  # the function that takes it back, where code gave one


class ReadBack:
    """Reads what became of a call, with a tool of its own: a guarded call like any other.

    As a condition it holds where the read shows ``expect``; as ``reconcile`` it says *landed* there, *did not happen*
    where it shows ``absent``, and otherwise that nobody can tell yet.
    """

    def __init__(
        self, read: Callable[..., Any], arguments: Mapping[str, str], expect: Any, absent: Mapping[str, Any] | None
    ) -> None:  # fmt: skip
        self._read = read
        self._arguments = dict(arguments)
        self._expect = expect
        self._absent = absent
        self.__name__ = f"read_back {getattr(read, '__name__', 'a read')}"

    def __call__(self, arguments: Mapping[str, Any], result: Any = _ABSENT) -> Any:
        """As a condition (two arguments): True, or what differs. As ``reconcile`` (one argument): an outcome."""
        found = self._read(
            **{name: value_at(source, arguments, result) for name, source in self._arguments.items()}
        )
        if result is _ABSENT:
            return self._outcome(arguments, found)
        if callable(self._expect):
            return self._expect(arguments, found)
        return "; ".join(unlike(self._expect, found)) or True

    def _outcome(self, arguments: Mapping[str, Any], found: Any) -> EffectOutcome:
        landed = (
            self._expect(arguments, found) is True
            if callable(self._expect)
            else not unlike(self._expect, found)
        )
        if landed:
            return EffectOutcome.LANDED
        if self._absent and not unlike(self._absent, found):
            return EffectOutcome.DID_NOT_HAPPEN
        return EffectOutcome.IN_DOUBT


def read_back(
    read: Callable[..., Any], *, expect: Mapping[str, Any] | Callable[[Mapping[str, Any], Any], Any],
    absent: Mapping[str, Any] | None = None, **arguments: str,
) -> ReadBack:  # fmt: skip
    """A condition that reads what became of the call: ``read_back(get_order, order_id="order_id", expect={…})``.

    ``arguments``: parameter of ``read`` -> "NAME" (an argument of the call) or "result.FIELD". ``expect``: field ->
    value, or a function of the call's arguments and what was read. ``absent``: the fields that say that nothing
    happened, where it settles an effect in doubt. Raises ConfigError for what cannot be read back with.
    """
    if not callable(read) or inspect.iscoroutinefunction(inspect.unwrap(read)):
        raise ConfigError(
            "a read back is made with a function that is not async", hint="give it a plain tool"
        )
    if not callable(expect) and not expect:
        raise ConfigError("a read back expects something", hint='expect={"state": "refunded"}')
    return ReadBack(read, arguments, expect, absent)


def value_at(source: str, arguments: Mapping[str, Any], result: Any = _ABSENT) -> Any:
    """What "NAME" or "result.FIELD" stands for. Raises KeyError for what is not there."""
    head, _, path = source.partition(".")
    if head == _RESULT and path and result is not _ABSENT:
        found = field_at(path, result)
        if found is _ABSENT:
            raise KeyError(source)
        return found
    return arguments[source]


def field_at(path: str, value: Any) -> Any:
    """The field of a JSON-ready or Python value at a path ("order.items.0.id"); a sentinel where it is not there."""
    found = plain(value)
    for part in path.split("."):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return _ABSENT
    return found


def unlike(expected: Mapping[str, Any], found: Any) -> list[str]:
    """Where fields are not as expected, in words; what was read instead is said by its type only."""
    differs = []
    for path, wanted in expected.items():
        value = field_at(path, found)
        if value is _ABSENT:
            differs.append(f"{path} is not there")
        elif not _same(plain(wanted), value):
            differs.append(f"{path} is not {plain(wanted)!r:.80}")
    return differs


def _same(wanted: Any, value: Any) -> bool:
    if type(wanted) is bool or type(value) is bool or wanted is None or value is None:
        return wanted is value
    if wanted == value:
        return True
    try:  # an amount is the same as text and as a number
        return (
            isinstance(wanted, str | int | float)
            and isinstance(value, str | int | float)
            and (Decimal(str(wanted)) == Decimal(str(value)))
        )
    except InvalidOperation:
        return False


def promise_of(tool: str, after: After, undo: Callable[..., Any] | None) -> Promise:
    """The conditions and functions in the settings of a tool. Raises ConfigError."""
    given = after.get("ensures", ())
    listed = list(given) if isinstance(given, Sequence) else [given]
    named: list[tuple[str, Condition]] = []
    for one in listed:
        if not callable(one) or inspect.iscoroutinefunction(one):
            raise ConfigError(
                f"tool {tool}: a condition is a function of (arguments, result) that is not async",
                hint="ensures=lambda args, result: …",
            )
        name = getattr(one, "__name__", type(one).__name__)
        named.append(("ensures" if name == "<lambda>" else str(name)[:100], one))
    reconcile = after.get("reconcile")
    if reconcile is not None and (not callable(reconcile) or inspect.iscoroutinefunction(reconcile)):
        raise ConfigError(f"tool {tool}: reconcile is a function of (arguments) that is not async")
    on_broken = after.get("on_broken", "")
    if on_broken and on_broken not in tuple(OnBroken):
        raise ConfigError(
            f"tool {tool}: {on_broken!r} follows nothing", hint="one of: " + ", ".join(OnBroken)
        )
    return Promise(tuple(named), reconcile, undo)


def unkept(promise: Promise, arguments: Mapping[str, Any], result: Any) -> tuple[Difference, ...]:
    """The conditions that do not hold. One that fails, or gives no answer, does not hold."""
    found = []
    for name, condition in promise.ensures:
        try:
            said = condition(arguments, result)
        except Exception as error:  # noqa: BLE001 - foreign code; what cannot be made sure does not hold
            found.append(Difference.of(name, f"it could not be made sure: {type(error).__name__}"))
            continue
        if said is True:
            continue
        text = said if isinstance(said, str) and said else "it does not hold"
        found.append(Difference.of(name, "it gave no answer" if said is None else text))
    return tuple(found)


def outcome_by(reconcile: Callable[[Mapping[str, Any]], Any], arguments: Mapping[str, Any]) -> EffectOutcome:
    """What a ``reconcile`` says; whatever is no clear answer leaves the effect in doubt."""
    said = reconcile(arguments)
    if said is True:
        return EffectOutcome.LANDED
    if said is False:
        return EffectOutcome.DID_NOT_HAPPEN
    return (
        EffectOutcome(said)
        if isinstance(said, str) and said in tuple(EffectOutcome)
        else EffectOutcome.IN_DOUBT
    )


def follow_of(
    tool: str, given: Any, arguments: Sequence[str], name_of: Callable[[Any], str]
) -> Follow | None:
    """``undo=`` as the declaration keeps it. ``name_of`` gives the tool that a function is. Raises ConfigError."""
    if given is None:
        return None
    target, mapping = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    if not isinstance(target, str) and not callable(target):
        raise ConfigError(f"tool {tool}: undo is a tool, or (tool, arguments)", hint="undo=cancel_order")
    if mapping is None:
        if isinstance(target, str):
            raise ConfigError(
                f"tool {tool}: undo by name says where the arguments come from",
                hint='undo=("cancel_order", {"order_id": "order_id"})',
            )
        wanted = [name for name in inspect.signature(target).parameters if name not in ("self", "cls")]
        mapping = {name: name if name in arguments else f"{_RESULT}.{name}" for name in wanted}
    return Follow(target if isinstance(target, str) else name_of(target), {**mapping})
