"""Make tallystick/cost/card.json from the installed genai-prices (a maintainer's command).

Run it on purpose, read the difference, commit it: a price change is a reviewed, dated change.

    python tools/make_rate_card.py [--check]
"""

from __future__ import annotations

import json
import sys
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import types as source
from genai_prices.data import providers

CARD = Path(__file__).resolve().parent.parent / "tallystick" / "cost" / "card.json"
BUCKETS = {
    "in": "input_mtok",
    "read": "cache_read_mtok",
    "write": "cache_write_mtok",
    "out": "output_mtok",
    "reasoning": "output_reasoning_mtok",
}
WORDS = {
    source.ClauseEquals: "equals",
    source.ClauseStartsWith: "starts_with",
    source.ClauseEndsWith: "ends_with",
    source.ClauseContains: "contains",
    source.ClauseRegex: "regex",
}


def clause(match: Any) -> dict[str, Any]:
    """A clause of the source as data."""
    if isinstance(match, source.ClauseOr):
        return {"or": [clause(part) for part in match.or_]}
    if isinstance(match, source.ClauseAnd):
        return {"and": [clause(part) for part in match.and_]}
    word = WORDS[type(match)]
    return {word: getattr(match, word)}


def pico(usd: Decimal, per: int) -> int:
    """Dollars per ``per`` units as whole pico-dollars per unit; what does not come out whole is named on stderr."""
    exact = usd * 10**12 / per
    whole = int(exact.to_integral_value())
    if abs(exact - whole) > Decimal("0.001"):
        sys.stderr.write(f"rounded: ${usd} per {per} units\n")
    return whole


def rate(value: Any) -> int | list[Any]:
    """A price per million tokens, with tiers where it has them."""
    if isinstance(value, source.TieredPrices):
        return [pico(value.base, 10**6), *([tier.start, pico(tier.price, 10**6)] for tier in value.tiers)]
    return pico(value, 10**6)


def era(prices: Any, constraint: Any = None) -> dict[str, Any]:
    """One set of prices with its condition; empty when nothing in it is sold by the token."""
    row: dict[str, Any] = {}
    for key, name in BUCKETS.items():
        value = getattr(prices, name)
        if value is not None:
            row[key] = rate(value)
    if not row:
        return {}
    if prices.requests_kcount is not None:
        row["call"] = pico(prices.requests_kcount, 10**3)
    if isinstance(constraint, source.StartDateConstraint):
        row = {"from": constraint.start_date.isoformat(), **row}
    elif isinstance(constraint, source.TimeOfDateConstraint):
        row = {"window": [f"{t:%H:%M}" for t in (constraint.start_time, constraint.end_time)], **row}
    return row


def rows() -> list[dict[str, Any]]:
    """All rows of the card."""
    made: list[dict[str, Any]] = [
        {"card": f"genai-prices {version('genai-prices')}", "made": date.today().isoformat()}
    ]
    for provider in providers:
        head: dict[str, Any] = {"provider": provider.id}
        if provider.provider_match is not None:
            head["names"] = clause(provider.provider_match)
        if provider.model_match is not None:
            head["models"] = clause(provider.model_match)
        if provider.fallback_model_providers:
            head["fallback"] = provider.fallback_model_providers
        made.append(head)
        for model in provider.models:
            dated = model.prices if isinstance(model.prices, list) else None
            eras = [era(one.prices, one.constraint) for one in dated] if dated else [era(model.prices)]
            # What is not sold by the token is kept, without eras, so that its name does not fall through to
            # another model; it has no price here.
            eras = [one for one in eras if one]
            made.append(
                {"provider": provider.id, "model": model.id, "match": clause(model.match), "prices": eras}
            )
    return made


def main() -> int:
    """Write the card, or with --check say whether it is what the installed source gives."""
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows()]
    if "--check" in sys.argv[1:]:
        current = CARD.read_text(encoding="utf-8").splitlines()[2:]
        fresh = ("[\n" + ",\n".join(lines) + "\n]\n").splitlines()[2:]
        return 0 if current == fresh else 3
    CARD.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
