"""The other half of the tally: what the model server itself says it was asked and what it charges for that.

The scenes hold this against what the store recorded. The two take different ways: one counts at the server, the
other is read from the answers by the agent's process, spooled, mapped, priced and stored.
"""

from __future__ import annotations

from collections.abc import Iterable

from tallystick.cost.rates import RateCard
from tallystick.model.usage import Usage
from tallystick.testing import Served


def answered(served: Iterable[Served]) -> list[Served]:
    """The requests that got an answer, and so are paid for."""
    return [item for item in served if item.usage is not None]


def price(served: Iterable[Served], rates: RateCard, *, at: int) -> int | None:
    """Nano-dollars for the answered requests at the card's rates of that moment, or None when one has no price."""
    total = 0
    for item in answered(served):
        nano, _ = rates.price("openai", item.ask.model, usage_of(item), at=at)
        if nano is None:
            return None
        total += nano
    return total


def usage_of(item: Served) -> Usage:
    """The server's own count of one answer."""
    usage = item.usage or {}
    prompt, completion = (
        usage.get("prompt_tokens_details") or {},
        usage.get("completion_tokens_details") or {},
    )
    return Usage(
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        cache_read_tokens=prompt.get("cached_tokens"),
        reasoning_tokens=completion.get("reasoning_tokens"),
    )
