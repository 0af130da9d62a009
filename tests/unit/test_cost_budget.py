"""The worst case of a model call, and the cap that makes it true."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.cost.budget import LEAST_OUTPUT, Reservation, Short, reserve, scopes, uncapped_output
from tallystick.cost.estimate import Bound, bound, text_bound
from tallystick.cost.rates import Buckets, Rates, charge_pico
from tallystick.model.money import round_pico

RATES = Rates(fresh=150_000, read=75_000, write=None, output=600_000, reasoning=None)


def test_a_bound_covers_prose_and_noise() -> None:
    prose = "The customer asks for a refund of the order that came late. " * 50
    assert len(prose) / 4 < text_bound(prose) < len(prose)
    noise = "0f9c3e" * 100
    assert text_bound(noise) == len(noise)
    assert text_bound("退款" * 10) == 60
    assert text_bound("") == 0


def test_the_whole_request_counts() -> None:
    small = bound({"model": "m", "messages": [{"role": "user", "content": "hello"}]})
    tools = [{"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}]
    more = bound({"model": "m", "messages": [{"role": "user", "content": "hello"}], "tools": tools})
    assert small.input_tokens is not None
    assert more.input_tokens is not None
    assert more.input_tokens > small.input_tokens


@pytest.mark.parametrize(
    ("request_", "cap"),
    [
        ({"max_tokens": 10}, 10),
        ({"max_completion_tokens": 11, "max_tokens": 99}, 11),
        ({"max_output_tokens": 12}, 12),
        ({"config": {"max_output_tokens": 13}}, 13),
        ({"generation_config": {"maxOutputTokens": 14}}, 14),
        ({"max_tokens": None}, None),
        ({"max_tokens": True}, None),
        ({}, None),
    ],
)
def test_every_way_to_write_the_cap(request_: dict[str, Any], cap: int | None) -> None:
    assert bound(request_).cap == cap


@pytest.mark.parametrize(
    "request_",
    [
        {"previous_response_id": "resp_1", "input": "go on"},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
        {"messages": [object()]},
    ],
)
def test_what_has_no_bound_says_so(request_: dict[str, Any]) -> None:
    limit = bound(request_)
    assert limit.input_tokens is None
    assert limit.why


def test_a_picture_has_a_bound_of_its_own() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}
    limit = bound({"model": "gpt-4o", "messages": [{"role": "user", "content": [part]}]})
    assert limit.input_tokens is not None
    assert limit.input_tokens < 10_000


def test_the_callers_cap_is_kept_when_it_fits() -> None:
    assert reserve(Bound(1000, 500), RATES, "m", headroom_nano=10**9) == Reservation(150_000 + 300_000, None)


def test_a_smaller_cap_is_sent_when_little_is_left() -> None:
    got = reserve(Bound(1000, 5000), RATES, "m", headroom_nano=150_000 + 600 * 1000)
    assert got == Reservation(750_000, 1000)


def test_no_cap_means_one_is_sent() -> None:
    got = reserve(Bound(0, None), RATES, "gpt-4o", headroom_nano=10**12)
    assert isinstance(got, Reservation)
    assert got.max_tokens == uncapped_output("gpt-4o") == 16_384
    assert uncapped_output("openai/gpt-4") == 4_096


def test_too_little_for_an_answer_is_refused() -> None:
    got = reserve(Bound(1000, None), RATES, "m", headroom_nano=150_000 + 600 * (LEAST_OUTPUT - 1))
    assert got == Short(150_000 + 600 * LEAST_OUTPUT)


@settings(deadline=None)
@given(
    st.integers(0, 10**6), st.none() | st.integers(1, 10**5), st.integers(1, 4), st.integers(0, 10**10),
    st.floats(0, 1), st.floats(0, 1),
)  # fmt: skip
def test_an_admitted_call_cannot_cost_more_than_it_holds(
    tokens: int, cap: int | None, answers: int, headroom: int, part_in: float, part_out: float
) -> None:
    got = reserve(Bound(tokens, cap, answers), RATES, "m", headroom_nano=headroom)
    if isinstance(got, Short):
        assert got.needed_nano > headroom
        return
    assert 0 <= got.nano <= headroom
    ceiling = (got.max_tokens if got.max_tokens is not None else cap or 0) * answers
    used = Buckets(int(tokens * part_in), 0, 0, int(ceiling * part_out), 0)
    assert round_pico(charge_pico(RATES, used)) <= got.nano


def test_scopes_come_in_one_order() -> None:
    assert scopes(run="r", agent="a", workflow="w", tool="t") == ("agent:a", "run:r", "tool:t", "workflow:w")
    assert scopes(run="r") == ("run:r",)
