from __future__ import annotations

import datetime
import enum
import json
import uuid
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.model.errors import TooLarge
from tallystick.model.masking import MASK, mask, mask_text
from tallystick.sdk import masking
from tallystick.sdk.masking import suspicious
from tallystick.sdk.values import bounded_json, cut_text, plain

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
# Put together here, so that no scanner takes this file for a leak.
SECRETS = [
    "sk-" + "proj-" + LETTERS,
    "sk-" + "ant-api03-" + LETTERS,
    "AKIA" + "IOSFODNN7" + "EXAMPLE",
    "ASIA" + "IOSFODNN7" + "EXAMPLE",
    "ghp_" + LETTERS,
    "github_" + "pat_" + LETTERS,
    "xoxb-" + "123456789012-" + LETTERS,
    "AIza" + "SyA-" + LETTERS,
    "ey" + "JhbGciOiJIUzI1NiJ9" + "." + "eyJzdWIiOiIxMjM0In0" + "." + "c2lnbmF0dXJl",
    "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN " + "PRIVATE KEY-----\nMIIEow cut in the middle",
]


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Receipt:
    order: str
    amount: Decimal


def test_plain_keeps_meaning_of_every_kind() -> None:
    value = {
        "money": Decimal("10.50"),
        "when": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        "receipt": Receipt("A1", Decimal("1E+2")),
        "colour": Colour.RED,
        "big": 2**70,
        "nan": float("nan"),
        "id": uuid.UUID(int=1),
        "path": PurePosixPath("/a/b"),
        "set": {"b", "a"},
        "raw": b"abc",
        3: None,
        "object": object(),
    }
    ready = plain(value)
    assert ready["money"] == "10.50"
    assert ready["receipt"] == {"order": "A1", "amount": "100"}
    assert ready["big"] == str(2**70)
    assert ready["nan"] == "nan"
    assert ready["set"] == ["a", "b"]
    assert ready["raw"]["bytes"] == 3
    assert ready["raw"]["sha256"].startswith("ba7816bf")
    assert ready["3"] is None
    assert ready["object"] == "<builtins.object>"
    json.dumps(ready, allow_nan=False)


def test_plain_refuses_what_cannot_be_judged() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(TooLarge):
        plain(loop)
    with pytest.raises(TooLarge):
        plain([[]] * 300_000)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.integers(64, 2_000))
def test_bounded_json_is_always_json_and_always_bounded(value: Any, limit: int) -> None:
    text = bounded_json(value, limit)
    json.loads(text)
    assert len(text) <= max(limit, len(json.dumps(plain(value)))) + 200


def test_what_is_cut_says_so() -> None:
    assert cut_text("x" * 100, 10) == "x" * 10 + "… [cut: 90 more characters]"
    text = bounded_json({"body": "y" * 100_000, "rows": list(range(10_000))}, 5_000)
    assert len(text) <= 5_000
    assert "[cut: " in text
    assert "more items]" in text
    assert "cut" in json.loads(bounded_json([[]] * 300_000))


@pytest.mark.parametrize("secret", SECRETS)
def test_credentials_are_masked_wherever_they_stand(secret: str) -> None:
    for text in (secret, f"key={secret}", f'{{"k":"{secret}"}}', f"a {secret} b"):
        assert suspicious([text]), text
        assert secret.split("\n")[-1] not in mask_text(text)
        assert MASK in mask_text(text)
    assert suspicious([{"deep": [(f"x {secret}",)]}])
    assert MASK in str(mask({"deep": [(f"x {secret}",)]}))


def test_bearer_tokens_lose_the_token_and_keep_the_word() -> None:
    assert mask_text("Authorization: Bearer abcdef0123456789") == f"Authorization: Bearer {MASK}"


@given(st.text(max_size=200))
def test_whatever_masking_would_change_is_suspicious(text: str) -> None:
    if mask_text(text) != text:
        assert suspicious([text])


@given(st.sampled_from(SECRETS), st.text(max_size=30), st.text(max_size=30))
def test_a_masked_text_is_masked_in_any_surroundings(secret: str, before: str, after: str) -> None:
    text = f"{before} {secret} {after}"
    assert suspicious([text])
    assert secret not in mask_text(text)


def test_ordinary_text_is_left_alone() -> None:
    for text in (
        "ask-me-anything-about-risk-and-tasks",
        "the bearer of this letter",
        "KEY FACTS",
        "highlight",
        "gh",
    ):
        assert mask_text(text) == text


def test_what_was_looked_at_once_hides_nothing_later() -> None:
    secret = "sk-" + "a1" * 12
    clean = ["gpt-4o-mini-2024-07-18", "api.example.com", ("stop", "length"), 443, 0.5, True, None]
    for _ in range(3):
        assert not suspicious(clean)
        assert suspicious([*clean, secret])
        assert suspicious([*clean, ("stop", secret)])
        assert suspicious([*clean, {"deep": [secret]}])
        assert suspicious([*clean, ["stop", ["length", secret]]])
        assert not suspicious([*clean, ["stop"]])
    for number in range(5_000):
        assert not suspicious([f"an id of its own {number:08d}", number])
    assert suspicious([secret])
    assert len(masking._clean) <= masking._CLEAN_MAX
