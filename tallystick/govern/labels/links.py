"""Links: where a text would lead its reader, or send what a client loads by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from tallystick.govern.labels.leaves import leaves

_URL: Final = re.compile(r"""(?i)\b(?:https?|ftp|wss?):[/\\]{2}([^\s/\\?#"'<>()\[\]{}|^`]+)""")
_BARE: Final = re.compile(
    r"(?i)(?<![\w@./-])((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+"
    r"(?:com|net|org|io|co|dev|app|info|biz|me|ly|ai|xyz|site|online|link|gl|to|ru|cn|uk|de|eu))(?=[/:?#]|$|[\s,.;)!])"
)
_SCHEME: Final = re.compile(r"(?i)\b(?:javascript|data|vbscript|file):[^\s]")
MOST: Final = 20


def hosts_in(values: Iterable[Any]) -> tuple[str, ...]:
    """The hosts of the links in some values, in order, at most 20; a link that runs or embeds counts by its scheme."""
    found: dict[str, None] = {}
    for value in values:
        for _, leaf in leaves(value):
            if isinstance(leaf, str) and ("." in leaf or ":" in leaf):
                for host in _hosts(leaf):
                    found[host] = None
                    if len(found) >= MOST:
                        return tuple(found)
    return tuple(found)


def _hosts(text: str) -> Iterable[str]:
    for hit in _URL.finditer(text):
        yield host_of(hit.group(1))
    for hit in _BARE.finditer(text):
        yield host_of(hit.group(1))
    for hit in _SCHEME.finditer(text):
        yield hit.group(0).partition(":")[0].casefold() + ":"


def host_of(authority: str) -> str:
    """The host in the authority part of a URL: without user and port, in lower case."""
    return authority.rpartition("@")[2].partition(":")[0].rstrip(".").casefold()[:253]
