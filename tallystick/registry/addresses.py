"""Addresses (URLs) taken apart, as far as the registry must: is one safe to show, and where does it lead. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 2_000
_PARTS: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/?#]*)@)?(?P<host>\[[0-9A-Fa-f:.]*\]|[^/?#:@\[\]]*)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?"
)
_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")


@dataclass(frozen=True, slots=True)
class Address:
    """An address in its parts. ``port`` keeps its colon away; ``path`` begins with a slash or is empty."""

    scheme: str
    user: str | None
    host: str
    port: str | None
    path: str
    query: str | None


def take_apart(url: str) -> Address | None:
    """The parts of an address; None for what is none."""
    found = _PARTS.fullmatch(url)
    if found is None:
        return None
    return Address(
        found["scheme"].lower(),
        found["user"],
        found["host"],
        found["port"],
        found["path"] or "",
        found["query"],
    )


def is_web(url: str) -> bool:
    """Whether this is an http(s) address without user name, password, spaces or control characters."""
    if len(url) > _LONGEST or not url.isprintable() or " " in url:
        return False
    parts = take_apart(url)
    return (
        parts is not None and parts.scheme in ("http", "https") and parts.user is None
        and _HOST.fullmatch(parts.host) is not None and 0 < int(parts.port or 1) < 65_536
    )  # fmt: skip
