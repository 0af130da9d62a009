"""Characters that people do not see and models read: tags, zero-width letters, and direction marks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_TAGS: Final = re.compile("[\U000e0020-\U000e007f]{3,}")  # a text of its own in letters that nobody sees
_SELECTORS: Final = re.compile(
    "[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}"
)  # bytes hidden behind one character
_OVERRIDES: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_ZERO: Final = re.compile("[\u200b\u200c\u2060-\u2064\ufeff\u00ad\u180e]")
_MOST_ZERO: Final = 3  # joiners are in use in some scripts and emoji, one at a time


class Hidden:
    """Notices text that is there for a model and not for a person."""

    name = "hidden-text"

    def look(self, text: str) -> Iterator[str]:
        """What is hidden, in letters that can be seen."""
        if text.isascii():
            return
        for hit in _TAGS.finditer(text):
            yield "tags: " + "".join(chr(ord(one) - 0xE0000) for one in hit.group(0))
        if _SELECTORS.search(text) is not None:
            yield "many variation selectors in a row"
        if _OVERRIDES.search(text) is not None:
            yield "marks that turn the direction of text"
        if len(_ZERO.findall(text)) > _MOST_ZERO:
            yield "zero-width characters"
