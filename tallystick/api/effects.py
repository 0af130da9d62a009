"""Effects in the JSON API: what became of consequential calls, and a person's word on what is in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol, TypedDict, cast

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, PathParameter, QueryParameter

from tallystick.api.people import caller_of

EffectPath = Annotated[
    str, PathParameter(description="An effect's id, or the beginning of it.", min_length=1, max_length=128)
]
InDoubt = Annotated[bool, QueryParameter(name="in_doubt", description="Only effects in doubt.")]
OfRun = Annotated[
    str | None,
    QueryParameter(name="run", max_length=128, description="Only effects of this run (its whole id)."),
]
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="Most effects in one answer.")]


class EffectShape(TypedDict):
    """One consequential call that was let through, and what became of it."""

    effect: str
    state: Literal["started", "did not happen", "in doubt", "landed"]
    agent: str
    tool: str
    run: str
    decision: str
    recovery: str
    key: str | None
    undoes: str | None
    hold: str | None
    started: str
    ended: str | None
    settled: str | None
    by: str | None
    because: str | None


class EffectsShape(TypedDict):
    """Effects, newest first."""

    effects: list[EffectShape]


class UndoCallShape(TypedDict):
    """The call that would take an effect back."""

    tool: str
    arguments: Any


class UndoShape(TypedDict):
    """Whether an effect can be taken back, and by which call; ``why`` says why not."""

    step: str
    undo: UndoCallShape | None
    undone_by: str | None
    why: str | None


class EffectDetailShape(EffectShape):
    """One effect with its call, what came back, and what can be done about it."""

    step: str
    arguments: Any
    result: Any
    next: str | None
    undo: UndoShape


class SettleBody(msgspec.Struct, forbid_unknown_fields=True):
    """What became of an effect in doubt, and how that is known."""

    answer: Literal["landed", "did-not-happen"]
    because: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class KnowsEffects(Protocol):
    """``app.acting.effect_desk.EffectDesk``."""

    def effects(
        self, *, in_doubt: bool = False, run: str | None = None, limit: int = 200
    ) -> Mapping[str, Any]:
        """``{"effects": [effect]}``, newest first."""
        ...

    def effect(self, effect: str) -> Mapping[str, Any]:
        """One effect. Raises UnknownThing."""
        ...

    def settle(self, effect: str, answer: str, *, by: str, because: str) -> Mapping[str, Any]:
        """Settle one. Raises Conflict where it is settled, or still runs."""
        ...


def handlers(
    desk: KnowsEffects, *, read: dict[str, Any], find: dict[str, Any], told: dict[str, Any]
) -> list[HTTPRouteHandler]:
    """``/api/effects`` and ``/api/effects/{effect}``."""

    @get("/api/effects", summary="What became of calls, newest first", **read)
    def effects(in_doubt: InDoubt = False, run: OfRun = None, limit: Limit = 200) -> EffectsShape:
        """Consequential calls that were let through."""
        return cast(EffectsShape, desk.effects(in_doubt=in_doubt, run=run, limit=limit))

    @get("/api/effects/{effect:str}", summary="One effect", **find)
    def effect(effect: EffectPath) -> EffectDetailShape:
        """One effect with its call, what came back, and what can be done."""
        return cast(EffectDetailShape, desk.effect(effect))

    @post("/api/effects/{effect:str}", summary="Settle an effect in doubt", status_code=200, **told)
    def settle(
        request: Request[Any, Any, Any], effect: EffectPath, data: JSONBody[SettleBody]
    ) -> EffectShape:
        """Say what became of it, once. Who says so comes from the sign-in, never from the request."""
        by = caller_of(request).name
        return cast(EffectShape, desk.settle(effect, data.answer, by=by, because=data.because))

    return [effects, effect, settle]
