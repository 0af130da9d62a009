"""Markup tricks: what a page does not show and its source says, and what a client loads by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_UNSEEN: Final = re.compile(
    r"""<[a-z][^<>]{0,400}\bstyle\s*=\s*["'][^"'<>]{0,400}"""
    r"""(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])|"""
    r"""color\s*:\s*(?:transparent|\#fff(?:fff)?\b|white)|text-indent\s*:\s*-\d{3,}|left\s*:\s*-\d{3,})""",
    re.IGNORECASE,
)
_LONGEST_COMMENT: Final = 2_000
_WORDS: Final = re.compile(r"[a-z]{3,}", re.IGNORECASE)
_IMAGE: Final = re.compile(r"!\[[^\]]{0,200}\]\(\s*https?://[^)\s]{0,2000}[?&][^)\s=]{1,80}=[^)\s]{0,2000}\)")
_SOURCE: Final = re.compile(
    r"""<(?:img|iframe|script|link|object|embed)\b[^<>]{0,400}\b(?:src|href|data)\s*=\s*["']?https?://[^"'\s<>]{0,2000}[?&]"""
    r"""[^"'\s<>=]{1,80}=""",
    re.IGNORECASE,
)
_CODED: Final = re.compile(r"(?<![\w+/=])[A-Za-z0-9+/]{160,}={0,2}(?![\w+/=])")


class Markup:
    """Notices sentences in comments or unseen elements, and images whose address carries data away."""

    name = "markup"

    def look(self, text: str) -> Iterator[str]:
        """The pieces of markup."""
        if "<" in text:
            for pattern in (_UNSEEN, _SOURCE):
                hit = pattern.search(text)
                if hit is not None:
                    yield hit.group(0)
            yield from _comments(text)
        if "![" in text:
            hit = _IMAGE.search(text)
            if hit is not None:
                yield hit.group(0)


def _comments(text: str) -> Iterator[str]:
    """The first comment that holds a sentence."""
    at = text.find("<!--")
    while at >= 0:
        end = text.find("-->", at + 4, at + 4 + _LONGEST_COMMENT)
        said = text[at + 4 : end] if end >= 0 else ""
        if len(_WORDS.findall(said)) >= 5:
            yield said.strip()
            return
        at = text.find("<!--", end if end >= 0 else at + _LONGEST_COMMENT)


class Encoded:
    """Notices long runs of Base64 in prose: what a filter does not read, a model may be asked to."""

    name = "encoded-text"

    def look(self, text: str) -> Iterator[str]:
        """The first such run."""
        hit = _CODED.search(text)
        if hit is not None and " " in text:
            yield hit.group(0)
