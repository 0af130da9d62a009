"""Links made to carry something away: long or coded values in an address, or a place left to be filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_URL: Final = re.compile(r"https?://[^\s<>\"'`)\]}]{8,2000}", re.IGNORECASE)
_BLANK: Final = re.compile(
    r"[\[{<$]{1,2}\s*[A-Za-z][\w .-]{1,60}(?:[\]}>]|$)|%7B|%5B|\bYOUR[_-]|\bINSERT\b", re.IGNORECASE
)
_LONGEST_VALUE: Final = 120


class Exfiltration:
    """Notices addresses whose query is to be filled with something, or holds something long."""

    name = "exfiltration-link"

    def look(self, text: str) -> Iterator[str]:
        """The addresses."""
        if "http" not in text and "HTTP" not in text:
            return
        for hit in _URL.finditer(text):
            address = hit.group(0)
            behind = text[hit.end() : hit.end() + 40]
            if self._carries(address) or (address.endswith(("=", "/")) and _BLANK.match(behind)):
                yield address

    @staticmethod
    def _carries(address: str) -> bool:
        query = address.partition("?")[2].partition("#")[0]
        if _BLANK.search(query):
            return True
        return any(len(pair.partition("=")[2]) > _LONGEST_VALUE for pair in query.split("&"))
