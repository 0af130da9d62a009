"""Retrieval over a folder of Markdown pages: small, real, and good enough for six pages.

Pages are ranked by the words they share with the question, rare words counting more (inverse document frequency), as
in any text search; there is no index because there is nothing to index.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

_WORD = re.compile(r"[a-z0-9]+")


class Pages:
    """The pages of a folder, read once."""

    def __init__(self, folder: Path) -> None:
        self._texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}
        self._words = {name: _words(text) for name, text in self._texts.items()}

    def search(self, question: str, limit: int = 2) -> list[dict[str, str]]:
        """The best pages for a question, best first: ``{"page", "text"}``; none when no word is shared."""
        asked = set(_words(question))
        scores = {name: self._score(asked, words) for name, words in self._words.items()}
        best = sorted((name for name in scores if scores[name] > 0), key=lambda name: (-scores[name], name))
        return [{"page": name, "text": self._texts[name]} for name in best[:limit]]

    def _score(self, asked: set[str], words: list[str]) -> float:
        """Sum over shared words of (how rare the word is) x (share of the page that it makes up)."""
        score = 0.0
        for word in asked & set(words):
            pages_with = sum(1 for other in self._words.values() if word in other)
            score += math.log(1 + len(self._words) / pages_with) * words.count(word) / len(words)
        return score


def _words(text: str) -> list[str]:
    """Lower-case words; a plural s is dropped so that "refunds" finds "refund"."""
    return [word.removesuffix("s") for word in _WORD.findall(text.lower()) if len(word) > 2]
