"""A phrase, looked for in texts as they are stored, before they are read for what they say.

``Phrase.says`` is the rule: words stand next to each other, without case and accents. ``Phrase.may_stand`` looks at raw
text instead, which may be JSON inside JSON, and never misses what ``says`` finds in what is read from it.
"""

from __future__ import annotations

import re
from typing import Final

from tallystick.observe.texts import LONGEST_WORD, words_of

_NUMBER: Final = re.compile("[0-9]*e?[0-9]*|inf|nan")  # words that a number can be written with
# Between two words: what is no letter or digit, and the letters of what JSON escapes (a new line is \n).
_BETWEEN: Final = r"(?:[^A-Za-z0-9]|(?<=\\)[bfnrt])+"
_HARMLESS: Final[dict[str, bool]] = {}  # characters that are not ASCII, as far as they were met


class Phrase:
    """One phrase of a query. A ``*`` at its end: the last word begins so."""

    def __init__(self, text: str) -> None:
        self._words = words_of(text)
        self._wanted = f" {' '.join(self._words)}{'' if text.endswith('*') else ' '}"
        self._longest = max(self._words, key=len, default="")
        self._raw: re.Pattern[str] | None = None
        self._ascii: re.Pattern[str] | None = None
        plain = all(word.isascii() and len(word) < LONGEST_WORD for word in self._words)
        if plain and not all(map(_NUMBER.fullmatch, self._words)):
            self._raw = re.compile(_BETWEEN.join(map(re.escape, self._words)))
        if plain and self._words:  # a longer word could be one of them, cut
            first, *others = self._words
            # A pattern that begins with plain letters is looked for much faster than one that first looks back.
            chain = [f"{first}(?<![a-z0-9]{first})", *others]
            end = "" if text.endswith("*") else "(?![a-z0-9])"
            self._ascii = re.compile("[^a-z0-9]+".join(chain) + end)

    def says(self, text: str) -> bool:
        """Whether a text says it."""
        if self._ascii is not None and text.isascii():
            held = text.lower()
            return self._longest in held and self._ascii.search(held) is not None
        return bool(self._words) and self._wanted in f" {' '.join(words_of(text))} "

    def may_stand(self, raw: str) -> bool:
        """Whether a text that is read from this one may say it."""
        if self._raw is None or "\\u" in raw or not (raw.isascii() or _is_harmless(raw)):
            return True
        held = raw.lower()
        return self._longest in held and self._raw.search(held) is not None


def _is_harmless(raw: str) -> bool:
    """Whether none of a text's characters that are not ASCII is read as a letter or digit that is, or as nothing."""
    for one in set(raw):
        if one >= "\x80":
            known = _HARMLESS.get(one)
            if known is None:
                words = words_of(f"a{one}b")
                inner = "".join(words)[1:-1]
                known = words != ["ab"] and not any(letter.isascii() for letter in inner)
                _HARMLESS[one] = known
            if not known:
                return False
    return True
