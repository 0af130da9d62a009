"""The rate card: exact integers, disjoint buckets, dated and tiered prices, and agreement with its source."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest

from tallystick.cost.rates import RateCard, load_card
from tallystick.model.errors import BadInput
from tallystick.model.usage import NO_USAGE, Usage

NOVEMBER = int(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture(scope="module")
def shipped() -> RateCard:
    return load_card(json.loads(files("tallystick.cost").joinpath("card.json").read_text("utf-8")))


def one(**era: Any) -> RateCard:
    rows = [
        {"provider": "acme", "models": {"starts_with": "m"}},
        {"provider": "acme", "model": "m1", "match": {"equals": "m1"}, "prices": [era]},
    ]
    return load_card(rows)


def test_a_call_is_priced_to_the_nano_dollar(shipped: RateCard) -> None:
    # gpt-4o-mini: 0.15 in, 0.075 cached, 0.60 out per million
    usage = Usage(1000, 200, 400, None, 50)
    assert shipped.price("openai", "gpt-4o-mini", usage, at=NOVEMBER) == (90_000 + 30_000 + 120_000, None)


def test_unknown_is_said_and_never_zero(shipped: RateCard) -> None:
    assert shipped.price("openai", "gpt-4o-mini", NO_USAGE, at=NOVEMBER) == (None, "no usage")
    assert shipped.price("openai", "gpt-4o-mini", Usage(10, None), at=NOVEMBER) == (None, "partial usage")
    assert shipped.price("openai", "gpt-4o-mini", Usage(None, 10), at=NOVEMBER) == (None, "partial usage")
    assert shipped.price("openai", "made-up", Usage(1, 1), at=NOVEMBER) == (None, "no price")
    assert shipped.price(None, None, Usage(1, 1), at=NOVEMBER) == (None, "no price")
    assert shipped.price(None, "", Usage(1, 1), at=NOVEMBER) == (None, "no price")


def test_parts_that_exceed_their_whole_are_not_priced(shipped: RateCard) -> None:
    assert shipped.price("openai", "gpt-4o-mini", Usage(10, 5, 11), at=NOVEMBER) == (None, "partial usage")
    assert shipped.price("openai", "gpt-4o-mini", Usage(10, 5, 0, 0, 6), at=NOVEMBER) == (
        None,
        "partial usage",
    )


def test_an_embedding_needs_no_output_count(shipped: RateCard) -> None:
    price = shipped.price("openai", "text-embedding-3-small", Usage(1000), at=NOVEMBER)
    assert price == (20_000, None)


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", ("openai", "gpt-4o-mini")),
        (None, "gpt-4o", ("openai", "gpt-4o")),
        (None, "GPT-4o", ("openai", "gpt-4o")),
        (None, "claude-sonnet-4-5", ("anthropic", "claude-sonnet-4-5")),
        (None, "anthropic/claude-sonnet-4-5", ("anthropic", "claude-sonnet-4-5")),
        ("azure.ai.openai", "gpt-4.1-mini", ("openai", "gpt-4.1-mini")),
        ("gcp.vertex_ai", "gemini-2.5-flash", ("google", "gemini-2.5-flash")),
        ("langchain", "gpt-4o", ("openai", "gpt-4o")),
    ],
)
def test_names_instrumentors_use(
    shipped: RateCard, provider: str | None, model: str, expected: tuple[str, str]
) -> None:
    found = shipped.find(provider, model)
    assert found is not None
    assert (found.provider, found.model) == expected


def test_bedrock_names_carry_the_vendor(shipped: RateCard) -> None:
    found = shipped.find("aws.bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0")
    assert found is not None
    assert found.provider == "aws"


def test_a_name_that_two_providers_claim_has_no_price() -> None:
    rows: list[dict[str, Any]] = []
    for provider in ("acme", "zenith"):
        rows.append({"provider": provider, "models": {"starts_with": "m"}})
        rows.append(
            {"provider": provider, "model": "m1", "match": {"equals": "m1"}, "prices": [{"in": 1, "out": 1}]}
        )
    card = load_card(rows)
    assert card.price(None, "m1", Usage(1, 1), at=1) == (None, "no price")
    assert card.price("zenith", "m1", Usage(1000, 0), at=1) == (1, None)


def test_long_context_pays_its_tier_on_all_tokens() -> None:
    card = one(**{"in": [1000, [200, 2000]], "out": [3000, [200, 9000]]})
    assert card.price("acme", "m1", Usage(200, 1), at=1) == (203, None)
    assert card.price("acme", "m1", Usage(201, 1), at=1) == (411, None)


def test_dates_and_hours_choose_the_price() -> None:
    rows = [
        {"provider": "acme"},
        {
            "provider": "acme", "model": "m", "match": {"equals": "m"},
            "prices": [
                {"in": 1000, "out": 0},
                {"from": "2026-08-17", "in": 2000, "out": 0},
                {"window": ["22:00", "02:00"], "in": 5000, "out": 0},
            ],
        },
    ]  # fmt: skip
    card = load_card(rows)

    def at(*when: int) -> tuple[int | None, str | None]:
        return card.price("acme", "m", Usage(1, 0), at=int(datetime(*when, tzinfo=UTC).timestamp()) * 10**9)  # type: ignore[misc,arg-type]

    assert at(2026, 8, 16, 21, 59)[0] == 1
    assert at(2026, 8, 17, 0, 0)[0] == 5
    assert at(2026, 8, 17, 2, 0)[0] == 2
    assert at(2026, 8, 17, 23, 59)[0] == 5
    assert card.price("acme", "m", Usage(1, 0), at=0) == (
        None,
        "no price",
    )  # a price that changed, at no known time


def test_a_charge_is_rounded_once_half_to_even() -> None:
    card = one(**{"in": 500, "out": 500})
    assert [card.price("acme", "m1", Usage(n, 0), at=1)[0] for n in (1, 2, 3, 4, 5)] == [0, 1, 2, 2, 2]
    assert card.price("acme", "m1", Usage(1, 1), at=1) == (1, None)


@pytest.mark.parametrize(
    "row",
    [
        {"provider": "acme", "model": "m", "match": {"equals": "m"}, "prices": [{"in": 0.5}]},
        {"provider": "acme", "model": "m", "match": {"equals": "m"}, "prices": [{"in": -1}]},
        {"provider": "acme", "model": "m", "prices": [{"in": 1}]},
        {"provider": "nobody", "model": "m", "match": {"equals": "m"}, "prices": []},
        {"model": "m"},
    ],
)
def test_a_bad_row_is_named(row: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        load_card([{"provider": "acme"}, row])
    assert caught.value.detail["row"] == 2


SHAPES = (
    {"input_tokens": 1234, "output_tokens": 567},
    {"input_tokens": 300_000, "output_tokens": 1000, "cache_read_tokens": 1000, "cache_write_tokens": 500},
    {
        "input_tokens": 150_000,
        "output_tokens": 900,
        "cache_read_tokens": 149_000,
        "output_reasoning_tokens": 70,
    },
)


def test_it_agrees_with_its_source_on_every_model_sold_by_the_token(shipped: RateCard) -> None:
    genai_prices = pytest.importorskip("genai_prices")
    from genai_prices.data import providers

    compared = 0
    for provider in providers:
        for model in provider.models:
            for shape in SHAPES:
                try:
                    source = genai_prices.calc_price(
                        genai_prices.Usage(**shape), model.id, provider_id=provider.id,
                        genai_request_timestamp=datetime(2026, 11, 1, 12, tzinfo=UTC),
                    )  # fmt: skip
                except LookupError:
                    continue
                counts = dict(shape)
                counts["reasoning_tokens"] = counts.pop("output_reasoning_tokens", 0)
                nano, gap = shipped.price(provider.id, model.id, Usage(**counts), at=NOVEMBER)
                if gap == "no price":  # not sold by the token: the source says 0, the card says unknown
                    assert source.model_price.input_mtok is None
                    assert source.model_price.output_mtok is None
                    continue
                assert nano is not None
                exact = source.total_price * 10**9
                # Two dozen prices of the source are thirds of a cent written out; those are kept to the pico-dollar.
                assert abs(nano - exact) <= Decimal("0.5") + exact / 10**5, (provider.id, model.id, shape)
                compared += 1
    assert compared > 5000


def test_pricing_stays_cheap_enough_for_ingest(shipped: RateCard) -> None:
    usage = Usage(1234, 567, 100, 0, 3)
    best = min(_microseconds(shipped, usage) for _ in range(5))
    assert best < 20  # about 1.5 µs on a quiet core; the bound only catches a lost cache


def _microseconds(card: RateCard, usage: Usage) -> float:
    began = time.process_time()
    for _ in range(2000):
        card.price("openai", "gpt-4o-mini", usage, at=NOVEMBER)
    return (time.process_time() - began) / 2000 * 1e6


def test_names_from_outside_do_not_fill_the_memory(shipped: RateCard) -> None:
    card = one(**{"in": 1, "out": 1})
    for number in range(5000):
        card.find("acme", f"m{number}")
    assert len(card._known) <= 4096
