"""Budgets: the worst case of a call, the cap that makes it true, and the scopes it falls under.

A hard budget holds only if what is reserved is really the most that can be spent. So the output cap is part of the
reservation: where the caller set none, or where too little is left, the call goes out with a smaller one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.cost.estimate import Bound
from tallystick.cost.rates import Rates
from tallystick.model.money import PICO_PER_NANO

LEAST_OUTPUT: Final = 256  # fewer tokens than this are no answer: refuse instead
_UNCAPPED: Final = 16_384  # a cap that current models accept, sent where the caller set none
_UNCAPPED_OLD: Final = 4_096
_OLD: Final = (
    "gpt-3.5",
    "gpt-4-",
    "gemini-1",
    "gemini-2.0",
    "claude-3-opus",
    "claude-3-haiku",
    "claude-3-sonnet",
    "claude-2",
)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a call may cost at most. ``max_tokens`` is the cap to send (None: leave the request as it is)."""

    nano: int
    max_tokens: int | None


@dataclass(frozen=True, slots=True)
class Short:
    """The call does not fit: ``needed_nano`` is the least it would have needed."""

    needed_nano: int


def uncapped_output(model: str | None) -> int:
    """The output cap to send for a model whose caller set none."""
    name = (model or "").lower().rpartition("/")[2]
    return _UNCAPPED_OLD if name == "gpt-4" or name.startswith(_OLD) else _UNCAPPED


def reserve(limit: Bound, rates: Rates, model: str | None, *, headroom_nano: int) -> Reservation | Short:
    """The reservation of a bounded call within what is left, or how much it falls short.

    ``limit.input_tokens`` must be known. The caller's own cap is kept when it fits; a smaller one replaces it down to
    LEAST_OUTPUT (or the caller's own, when that is less), never below.
    """
    tokens_in = limit.input_tokens or 0
    base = tokens_in * rates.highest_input + rates.call
    per_token = rates.highest_output * limit.answers
    wanted = limit.cap if limit.cap is not None else uncapped_output(model)
    least = min(wanted, LEAST_OUTPUT)
    room = headroom_nano * PICO_PER_NANO - base
    if room < per_token * least:
        return Short(_ceiling(base + per_token * least))
    affordable = wanted if per_token == 0 else min(wanted, room // per_token)
    changed = limit.cap is None or affordable < limit.cap
    return Reservation(_ceiling(base + per_token * affordable), affordable if changed else None)


def scopes(
    *, run: str, agent: str | None = None, workflow: str | None = None, tool: str | None = None
) -> tuple[str, ...]:
    """The budget scopes a call falls under, in the one order in which they are always taken."""
    named = (("agent", agent), ("run", run), ("tool", tool), ("workflow", workflow))
    return tuple(f"{kind}:{name}" for kind, name in named if name)


def _ceiling(pico: int) -> int:
    return -(-pico // PICO_PER_NANO)
