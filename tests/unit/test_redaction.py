"""Redaction of texts: what is found, what stays as it was, and how long hostile texts may take."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tallystick.model.masking import MASK
from tallystick.wiring.redacting import text_redactor

GITHUB = "ghp_" + "a1B2" * 9
SECRETS = text_redactor(("secrets",))
ALL = text_redactor(("secrets", "personal"), "US")

MILLION = 1_000_000
HOSTILE = {  # texts of about so many characters
    "tokens": lambda size: "eyJ-" * (size // 4),
    "keys": lambda size: "-----BEGIN PRIVATE KEY-----" * (size // 27),
    "names": lambda size: '"password":"' * (size // 12),
    "addresses": lambda size: "://a:" * (size // 5),
    "words": lambda size: "adobe=" * (size // 6),
    "escapes": lambda size: '{"a":"' + "\\n" * (size // 2) + 'ghp_"}',
    "deep": lambda size: "[" * size + GITHUB,
    "mails": lambda size: "a@" * (size // 2),
    "digits": lambda size: "4111 " * (size // 5),
    "points": lambda size: "1." * (size // 2),
}


def taken(text: str, redactor=SECRETS) -> tuple[str, dict[str, int]]:
    counts: Counter[str] = Counter()
    return redactor.text(text, counts), dict(counts)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"key {GITHUB} end", f"key {MASK} end"),
        ("postgres://app:hunter2x@db/x", f"postgres://app:{MASK}@db/x"),
        ("password = hunter2x", f"password = {MASK}"),
        ("Authorization: Bearer abcdef0123456789", f"Authorization: Bearer {MASK}"),
        ('adobe_client = "abcdef0123456789abcdef0123456789"', f'adobe_client = "{MASK}"'),
        ("xoxb-123456789012-123456789012-abcdefabcdefabcdefabcdef", MASK),
    ],
)
def test_secrets_are_taken_out_and_said(text: str, left: str) -> None:
    assert taken(text) == (left, {"secret": 1})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The order 4711 was sent.",
        "token count: 4000",
        "password: ",
        "see https://a.example/x@y",
        '{"a": 1.50}',
    ],
)
def test_what_holds_nothing_stays_the_same_object(text: str) -> None:
    assert taken(text)[0] is text


def test_json_keeps_its_structure_and_its_spelling() -> None:
    text = (
        '{ "n": 1.50, "api_key":"abcd\\"EFGH1234", "q": "line\\n'
        + GITHUB
        + '\\n", "big": 12345678901234567890 }'
    )
    left, counts = taken(text)
    assert (
        left == f'{{ "n": 1.50, "api_key":"{MASK}", "q": "line\\n{MASK}\\n", "big": 12345678901234567890 }}'
    )
    assert counts == {"secret": 2}


def test_a_key_without_its_end_does_not_take_the_rest_of_the_json_with_it() -> None:
    left, _ = taken('{"k":"-----BEGIN RSA PRIVATE KEY-----\\nMIIabc","x":"kept"}')
    assert json.loads(left) == {"k": MASK, "x": "kept"}


def test_json_in_json_and_keys_are_looked_at() -> None:
    left, _ = taken(json.dumps({"body": json.dumps({"note": f"x\n{GITHUB}"}), GITHUB: 1}))
    value = json.loads(left)
    assert json.loads(value["body"]) == {"note": f"x\n{MASK}"}
    assert value[MASK] == 1


def test_personal_data_is_found_with_its_checks() -> None:
    text = (
        "jane@example.com, +1 650-253-0000, (650) 253-0000, 4111 1111 1111 1111, 4111 1111 1111 1112,"
        " DE89 3704 0044 0532 0130 00, 81.2.69.142, 127.0.0.1, 2001:db8::8a2e:370:7334, 078-05-1120, 1.2.3.4"
    )
    left, counts = taken(text, ALL)
    assert counts == {"email": 1, "phone": 2, "card": 1, "iban": 1, "ip": 2, "ssn": 1}
    for kept in ("1112", "127.0.0.1", "1.2.3.4"):
        assert kept in left


def test_a_number_that_is_a_card_becomes_a_text() -> None:
    assert json.loads(taken('{"card": 4111111111111111, "id": 4111111111111112}', ALL)[0]) == {
        "card": "‹redacted:card›", "id": 4111111111111112,
    }  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_takes_linear_time(name: str) -> None:
    """Twice the text takes about twice the time: four times as much would be an engine that goes back."""
    spent = []
    for text in (HOSTILE[name](MILLION // 2), HOSTILE[name](MILLION)):
        tries = []
        for _ in range(2):  # the quicker of two: others use the processor's caches too
            began = time.process_time()
            taken(text, ALL if name in ("mails", "digits", "points") else SECRETS)
            tries.append(time.process_time() - began)
        spent.append(min(tries))
    assert spent[1] < max(3.5 * spent[0], 0.5), spent
    assert spent[1] < 20


_json = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text()
    | some.sampled_from([GITHUB, f"a {GITHUB}", "password=hunter22", "é\n" + GITHUB]),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=40)
@given(_json, some.booleans())
def test_json_stays_json_of_the_same_shape(value: object, ascii_only: bool) -> None:
    text = json.dumps([value], ensure_ascii=ascii_only)
    left, counts = taken(text)
    assert GITHUB not in left
    assert shape(json.loads(left)) == shape([value])
    assert taken(left) == (left, {})
    if not counts:
        assert left is text


def shape(value: object) -> object:
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return "text" if isinstance(value, str) else value
