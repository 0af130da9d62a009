"""A phrase is looked for in raw text first, which may find too much and never too little (observe/phrases.py)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.observe.phrases import Phrase

WORDS = st.sampled_from(
    ["find", "the", "1e5", "café", "naïve", "n", "北京", "ﬁnd", "ＴＨＥ", "t\u0301he", "K", "x" * 45]
)
BETWEEN = st.sampled_from(
    [" ", ", ", "\n", '"', "\\", "—", "_", "\u00ad", "\u0301", "…", "\t\r\n", "/", "", "\x00", "😀"]
)
TEXTS = st.lists(st.tuples(WORDS, BETWEEN), max_size=8).map(lambda parts: "".join(map("".join, parts)))
LETTERS = st.text(st.characters(codec="utf-8"), max_size=30)
PHRASES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join) | LETTERS


def spelled(text: str, depth: int, ascii_only: bool) -> str:
    """A text as JSON in JSON holds it."""
    for _ in range(depth):
        text = json.dumps({"key": [text]}, ensure_ascii=ascii_only)
    return text


@settings(max_examples=400)
@given(TEXTS | LETTERS, PHRASES, st.sampled_from(["", "*"]), st.integers(0, 3), st.booleans())
def test_what_says_it_may_hold_it_however_it_is_spelled(text, phrase, star, depth, ascii_only):
    one = Phrase(phrase + star)
    if one.says(text):
        assert one.may_stand(spelled(text, depth, ascii_only))
        assert one.may_stand("before " + spelled(text, depth, ascii_only) + " after")


@settings(max_examples=200)
@given(TEXTS, st.integers(0, 8), st.integers(1, 4), st.integers(0, 2))
def test_a_part_of_a_text_is_a_phrase_of_it(text, first, count, depth):
    phrase = " ".join(text.split()[first : first + count])
    one = Phrase(phrase)
    if one.says(text):
        assert one.may_stand(spelled(text, depth, ascii_only=False))


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        ("find the way", True), ("the find", False), ("find other things the", False), ("Find - THE", True),
        ("find\\nthe", True), ("find北the", True), ("fínd the", True), ("nothing", False), ("это find", False),
    ],
)  # fmt: skip
def test_most_of_what_does_not_say_it_is_left_out(text, stands):
    assert Phrase("find the").may_stand(text) is stands


@pytest.mark.parametrize("phrase", ["12 34", "1e 5", "inf nan", "é", "", "x" * 40])
def test_what_raw_text_may_spell_in_another_way_is_always_read(phrase):
    assert Phrase(phrase).may_stand("whatever")
