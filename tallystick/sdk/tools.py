"""``@tallystick.tool`` and ``tallystick.guard``: tool calls that are decided before they run and recorded after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar, Unpack, overload

from opentelemetry import context as otel_context

from tallystick.model.contract import Follow
from tallystick.model.errors import BadInput
from tallystick.model.step import Effect, EffectOutcome, Kind
from tallystick.sdk.active import recording
from tallystick.sdk.declaring import argument_types, declare, label_of, signature_of
from tallystick.sdk.deeds import remember
from tallystick.sdk.edge import edge
from tallystick.sdk.ensuring import After, follow_of, promise_of
from tallystick.sdk.returning import comparison
from tallystick.sdk.runtime import ToolDeclaration
from tallystick.sdk.toolstep import TOOL_KEY, Made, ToolStep
from tallystick.sdk.wrapping import Call, wrap

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__tallystick_tool__"


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(
    function: None = None, /, *, effect: Effect | str | None = None, data: Sequence[str] = (),
    authority: Sequence[str] = (), price: str | int | Decimal | None = None, kind: Kind | str = Kind.TOOL,
    name: str | None = None, description: str | None = None, recovery: str = "operator", **after: Unpack[After],
) -> Callable[[F], F]: ...  # fmt: skip
def tool(
    function: Callable[..., Any] | None = None, /, *, effect: Effect | str | None = None, data: Sequence[str] = (),
    authority: Sequence[str] = (), price: str | int | Decimal | None = None, kind: Kind | str = Kind.TOOL,
    name: str | None = None, description: str | None = None, recovery: str = "operator", **after: Unpack[After],
) -> Any:  # fmt: skip
    """Make a function a tool: every call asks the guard first, and is recorded.

    ``effect``: none | read | write | irreversible. ``data``: classes it touches. ``authority``: arguments that say who,
    where, which object or how much. ``price``: US dollars a call, as text. ``kind``: tool, or retrieval or memory.
    ``recovery``: retry | idempotent | reconcile | operator. ``ensures``, ``on_broken``, ``key``, ``reconcile`` and
    ``undo`` say what follows a call: see ``sdk.ensuring.After``. A call that is not allowed returns one sentence for
    the model instead of a result; Stopped and OverBudget are raised, because they end the run. Raises ConfigError.
    """

    def decorate(inner: Callable[..., Any]) -> Callable[..., Any]:
        if isinstance(inner, staticmethod | classmethod):
            return type(inner)(decorate(inner.__func__))
        if hasattr(inner, _MARK):
            return inner
        undo, taking_back = _undo_of(inner, name, effect, after)
        promise = promise_of(label_of(inner, name), after, taking_back)
        declaration = declare(
            inner, name=name, effect=effect, description=description, data=data, authority=authority, price=price,
            recovery=recovery, ensures=[one for one, _ in promise.ensures], on_broken=after.get("on_broken", ""),
            key=after.get("key", ""), undo=undo,
        )  # fmt: skip
        made = Made(declaration, promise, Kind(kind), signature_of(inner), comparison(inner))
        _make_known(declaration)

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
            active = recording()
            return Call() if active is None else ToolStep(active, made, args, kwargs)

        wrapped = wrap(inner, begin)
        setattr(wrapped, _MARK, declaration)
        remember(declaration.name, wrapped, promise)
        return wrapped

    return decorate if function is None else decorate(function)


def guard(
    function: Callable[..., Any], *, effect: Effect | str | None = None, data: Sequence[str] = (),
    authority: Sequence[str] = (), price: str | int | Decimal | None = None, kind: Kind | str = Kind.TOOL,
    name: str | None = None, description: str | None = None, recovery: str = "operator", **after: Unpack[After],
) -> Callable[..., Any]:  # fmt: skip
    """A guarded copy of an existing callable, its name, signature and schema kept; see ``tool`` for the settings."""
    decorate = tool(
        effect=effect, data=data, authority=authority, price=price, kind=kind, name=name, description=description,
        recovery=recovery, **after,
    )  # fmt: skip
    return decorate(function)


def _undo_of(
    function: Callable[..., Any], name: str | None, effect: Effect | str | None, after: After
) -> tuple[Follow | None, Callable[..., Any] | None]:
    """What takes a tool's effect back, as declared and as a function; a plain function becomes a tool for it."""
    given, label = after.get("undo"), label_of(function, name)
    target, mapping = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    if callable(target) and declaration_of(target) is None:
        target = guard(target, effect=effect, name=f"undo_{label}")
        given = target if mapping is None else (target, mapping)

    def name_of(one: Any) -> str:
        declared = declaration_of(one)
        assert declared is not None
        return declared.name

    follow = follow_of(label, given, list(argument_types(function)), name_of)
    return follow, target if callable(target) else None


_declared: dict[str, ToolDeclaration] = {}  # by name, the newest counts


def declared_tools() -> list[ToolDeclaration]:
    """Every tool declared in this process so far, by name."""
    return [_declared[name] for name in sorted(_declared)]


def _make_known(declaration: ToolDeclaration) -> None:
    """Rules that name a tool must be understood before its first call, so the guard hears of each at once."""
    if _declared.get(declaration.name) == declaration:
        return
    _declared[declaration.name] = declaration
    active = recording()
    if active is not None:
        tell_tools(active.guard, [declaration])


@edge("guard.know", None)
def tell_tools(guard: Any, tools: list[ToolDeclaration]) -> None:
    """Tell a guard that wants to know (it has ``know``) which tools there are."""
    know = getattr(guard, "know", None)
    if know is not None and tools:
        know(tools)


def declaration_of(function: Callable[..., Any]) -> ToolDeclaration | None:
    """What a tool declared, or None for a callable that is no tool."""
    found = getattr(function, _MARK, None)
    return found if isinstance(found, ToolDeclaration) else None


def outcome(what: EffectOutcome | str) -> None:
    """Inside a tool: say what became of its effect ("did not happen", "in doubt", "landed").

    Outside a tool it does nothing. Raises BadInput for another word.
    """
    if what not in tuple(EffectOutcome):
        raise BadInput(f"{what!r} is not an outcome", hint="one of: " + ", ".join(EffectOutcome))
    step = otel_context.get_value(TOOL_KEY)
    if isinstance(step, ToolStep):
        step.said = EffectOutcome(what)
