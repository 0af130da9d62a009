"""A phrase is looked for in texts of ASCII by a shorter way, which says what the words of both say."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tallystick.observe.phrases import Phrase
from tallystick.observe.texts import LONGEST_WORD, words_of

PIECES = st.sampled_from(
    ["a", "b", "ab", "A", "1", " ", ",", "_", "\n", "-", "é", "日", "*", "z" * (LONGEST_WORD + 2)]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text(st.characters(codec="ascii"), max_size=20)


@given(TEXTS, TEXTS)
@example("a b", "b*")
@example("x" * 41, "x" * 40)
@example("x" * 41, "x" * 39 + "*")
@example("a\x00b", "a b")
def test_a_phrase_is_found_by_its_words(text, phrase):
    words, wanted = words_of(text), words_of(phrase)
    begins = phrase.endswith("*")
    places = [
        at for at in range(len(words) - len(wanted) + 1)
        if words[at : at + len(wanted)] == wanted
        or (begins and [*words[at : at + len(wanted) - 1]] == wanted[:-1]
            and words[at + len(wanted) - 1].startswith(wanted[-1]))
    ] if wanted else []  # fmt: skip
    assert Phrase(phrase).says(text) is bool(places)
