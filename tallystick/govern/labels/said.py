"""Said: what the user said, in a form that a value can be looked up in.

A value counts as said only where it stands by itself: ``ann@shop.example`` is not in ``joann@shop.example``, 10 is not
in 100 nor in "10 %", and the 13 of "June 13" is a day and no number. Spelling counts to the letter (after NFC and
case folding), so an address that only looks like the user's is another one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tallystick.govern.labels.moments import Moments, moments_in
from tallystick.govern.labels.stems import stem

LONGEST_WORDS: Final = 200_000  # characters of all that the user said in a run; more is not looked up
_LONGEST_VALUE: Final = 20_000
_BOUND: Final = re.compile(r"[\w@%+/\\-]")
_SPACE: Final = re.compile(r"\s+")
_QUOTES: Final = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "‚": "'", "„": '"'})
_NUMBER: Final = re.compile(
    r"(?<![\w.,/@:+-])[-+]?[$€£¥]?\s?((?:\d{1,3}(?:[,']\d{3})+|\d{1,18})(?:\.\d{1,12})?)(?![\w@:/-]|[.,]\d|\s?%)"
)
_MARK: Final = re.compile(r"(?:(?<=\s)|^)(\d{1,2})[.)](?=\s+[^\W\d])")
_WORD: Final = re.compile(r"\w+")
_BEGINS: Final = tuple("0123456789.+-")


def plain(text: str) -> str:
    """A text as values are compared: NFC, case folded, one kind of quotes, single spaces."""
    return _SPACE.sub(" ", unicodedata.normalize("NFC", text).translate(_QUOTES).casefold()).strip()


def number_of(value: Any) -> Decimal | None:
    """A number, or the one that a text is; None for everything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        made = Decimal(value)
    elif isinstance(value, float):
        made = Decimal(repr(value))
    elif isinstance(value, str) and len(value) <= 40 and value.strip()[:1] in _BEGINS:
        try:
            made = Decimal(value.strip())
        except InvalidOperation:
            return None
    else:
        return None
    return made if made.is_finite() else None


@dataclass(frozen=True, slots=True)
class Said:
    """What the user said in a run: the text, its numbers, its moments and the stems of its words."""

    text: str = ""
    numbers: frozenset[Decimal] = frozenset()
    moments: Moments = field(default_factory=Moments)
    stems: frozenset[str] = frozenset()

    def has(self, value: Any) -> bool:
        """Whether the user said this value: a number as a number, a day or hour as such, text to the letter."""
        number = number_of(value)
        if number is not None:
            return number in self.numbers
        if not isinstance(value, str) or len(value) > _LONGEST_VALUE:
            return False
        wanted = plain(value)
        if not wanted:
            return True
        return self.moments.covers(wanted) or self._stands(wanted)

    def _stands(self, wanted: str) -> bool:
        at = self.text.find(wanted)
        while at >= 0:
            after = at + len(wanted)
            if self._free(at - 1, wanted[0], before=True) and self._free(after, wanted[-1], before=False):
                return True
            at = self.text.find(wanted, at + 1)
        return False

    def _free(self, at: int, edge: str, *, before: bool) -> bool:
        """Whether the character at a place ends what stands next to it. A point does, unless more follows it."""
        if not 0 <= at < len(self.text) or not _BOUND.match(edge):
            return True
        near = self.text[at]
        if near in ".'":
            beyond = at - 1 if before else at + 1
            return not (0 <= beyond < len(self.text) and _BOUND.match(self.text[beyond]) is not None)
        return _BOUND.match(near) is None


def said(texts: Iterable[str]) -> Said:
    """Make what the user said ready to be asked."""
    text = plain("\n".join(texts)[:LONGEST_WORDS])
    moments, rest = moments_in(_without_marks(text))
    numbers = {Decimal(hit.group(1).replace(",", "").replace("'", "")) for hit in _NUMBER.finditer(rest)}
    return Said(text, frozenset(numbers), moments, frozenset(map(stem, _WORD.findall(text))))


def _without_marks(text: str) -> str:
    """A text without the marks of a numbered list (1. … 2. …), which are no numbers that anybody said."""
    marks, wanted = [], 1
    for hit in _MARK.finditer(text):
        if int(hit.group(1)) == wanted:
            marks.append(hit)
            wanted += 1
    if len(marks) < 2:
        return text
    for hit in reversed(marks):
        text = f"{text[: hit.start()]} {text[hit.end() :]}"
    return text
