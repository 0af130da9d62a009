"""Looking for many things at once finds what looking for each of them finds."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as some

from tallystick.govern.finding import Words, expression, first_look
from tallystick.govern.secrets import Secrets

WORDS = ("s.", "sk", "sk_live", "ghp_", "ops_", "xoxb", "xox", "a3t", "é")
HELD = Words(WORDS)
LOOK = first_look(r"ghp_[a-z]{3}|(?i:password)\b")
SECRETS = Secrets({"first": "x", "rules": [], "allow": [], "stopwords": []})
ADDRESS = expression(r"[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"<>\\]{1,64}:([^\s/@'\"<>\\]{3,128})@")
PARTS = some.sampled_from(
    ["a", "Z", "9", "://", ":", "@", "user", "pass", "+.-", "/", " ", "é", "x" * 25, "ab://c:def@"]
)


@given(some.lists(some.sampled_from([*WORDS, "SK", "Ghp_", "x", " ", "İ", "\ud800", "\0"])).map("".join))
def test_the_words_of_a_text_are_those_that_stand_in_it(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert HELD.inside(text) == {word for word in WORDS if word in text.lower()}


@given(
    some.lists(some.sampled_from([b"ghp_", b"abc", b"\xff", b"\n", b"PassWord", b"\xc3", b"_"])).map(b"".join)
)
def test_a_first_look_goes_over_any_bytes(raw: bytes) -> None:
    wanted = re.search(rb"ghp_[a-z]{3}|(?i:password)\b", raw.replace(b"\xff", b" ").replace(b"\xc3", b" "))
    assert (LOOK(raw) is not None) == (wanted is not None)


@given(some.lists(PARTS, max_size=12).map("".join))
def test_passwords_in_addresses_are_where_the_whole_expression_has_them(text: str) -> None:
    assert [(one.start, one.end) for one in SECRETS.find(text)] == [m.span(1) for m in ADDRESS.finditer(text)]
