"""The token under which an agent acts: where it is kept, how it is passed on, how it crosses processes.

It travels in OpenTelemetry's context, like the place of a step, and in one header (or a key of an MCP ``_meta``, or an
environment variable) that nothing records. A token that could not be narrowed as was asked is replaced by one that no
guard takes: then nothing that the narrowing was for can run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from tallystick.model.identity import AGENT_TOKEN_PREFIX, Shown
from tallystick.model.money import nano_from_usd
from tallystick.sdk.edge import caught
from tallystick.sdk.place import Place, here

if TYPE_CHECKING:
    from tallystick.sdk.active import Recording

HEADER: Final = "tallystick-agent-token"
TOKEN_KEY: Final = "tallystick.agent-token"  # in OpenTelemetry's context
LONGEST: Final = 16_384  # characters of a token that comes from outside
_NO_TOKEN: Final = Shown("")
_REFUSED: Final = "none"  # a token that no guard takes


def shown(context: Context | None = None) -> Shown | None:
    """The token in a context (default: the current one)."""
    found = otel_context.get_value(TOKEN_KEY, context)
    return found if isinstance(found, Shown) else None


def for_call(active: Recording, agent: str) -> tuple[str, Shown | None]:
    """Who makes a call, and under which token. Raises what passing it on raises: then the guard's answer is no."""
    found = shown()
    if found is None or not found.own or agent == found.holder:
        return agent, found
    if agent == found.giver:  # in the block of a handoff itself: whoever it went to acts
        return found.holder or agent, found
    handing = getattr(active.guard, "handing", None)
    return agent, found if handing is None else handing.called(found, agent)


def handed(
    active: Recording, to: str, place: Place | None, context: Context, rights: Sequence[str] | None,
    budget: str | int | Decimal | None, depth: int | None,
) -> Context:  # fmt: skip
    """The context inside a handoff. Never raises: what cannot be narrowed is refused."""
    handing = getattr(active.guard, "handing", None)
    if handing is None:
        return context
    found = shown(context)
    giver = (place.agent if place is not None else None) or active.agent or ""
    if (found is not None and not found.own) or (found is not None and giver == found.giver):
        giver = found.holder or giver
    run = (place.state.own or place.state.run) if place is not None else None
    try:
        limit = None if budget is None else nano_from_usd(budget)
        made = handing.hand_over(
            found, giver=giver, to=to, run=run, rights=rights, budget_nano=limit, depth=depth
        )
    except Exception as error:  # noqa: BLE001 - whatever fails, what was to be narrowed must not go on as it was
        caught("handoff.token", error, answered=True)
        made = _NO_TOKEN
    return context if made is None else otel_context.set_value(TOKEN_KEY, made, context)


def carry_token(context: Context, target: dict[str, str]) -> None:
    """Put the token of a context into headers, bound to its run. Without a handoff or a caller there is none."""
    from tallystick.sdk.active import recording  # it is loaded by then, and loads this file

    found, active = shown(context), recording()
    if found is None:
        return
    target[HEADER] = (
        _REFUSED  # until it is known what goes along: who is called must not go on as if nobody had called
    )
    if not found.text:
        return
    handing = getattr(active.guard, "handing", None) if active is not None else None
    place = here(context)
    run = place.state.run if place is not None else None
    if handing is None or run is None or found.run is not None:
        target[HEADER] = found.text
    else:
        target[HEADER] = handing.bound(found, run)


def with_token(found: Mapping[str, str], run: str | None, context: Context) -> Context:
    """The context with the token that a carrier holds; ``run`` is the run that the carrier names."""
    text = found.get(HEADER)
    if text is None or not text.startswith(AGENT_TOKEN_PREFIX) or len(text) > LONGEST:
        return context if text is None else otel_context.set_value(TOKEN_KEY, _NO_TOKEN, context)
    return otel_context.set_value(TOKEN_KEY, replace(Shown(text), run=run), context)
