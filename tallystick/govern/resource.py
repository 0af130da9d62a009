"""What a call is about: paths, URLs and addresses in one spelling, so that a rule cannot be walked around.

``/srv/data/../secrets`` is judged as ``/srv/secrets`` and ``HTTPS://Example.COM:443/a`` as ``https://example.com/a``.
Only arguments that a tool declares as authority (who, where, which object) are respelled, only for the decision; what
runs is what was asked for. Nothing is looked up: links and name servers are the tool's side of the wall.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tallystick.model.guarding import ToolDeclaration

_URL: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(.*)$", re.S)
_MAIL: Final = re.compile(r"^([^@\s]+)@([^@\s/]+)$")
_PORTS: Final = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}


def judged_arguments(arguments: Mapping[str, Any], tool: ToolDeclaration) -> dict[str, Any]:
    """The arguments as the rules see them: authority arguments that name a place in one spelling."""
    return {
        name: one_spelling(value) if name in tool.authority and isinstance(value, str) else value
        for name, value in arguments.items()
    }


def one_spelling(text: str) -> str:
    """A URL, an absolute or relative path with dots, or an e-mail address in one spelling; other text as it is."""
    url = _URL.match(text.strip())
    if url is not None:
        return _url(*url.groups())
    mail = _MAIL.match(text.strip())
    if mail is not None:
        return f"{mail.group(1)}@{mail.group(2).lower()}"
    if text.startswith(("/", "./", "../", "~")) or "/../" in text or "/./" in text or "//" in text:
        return _path(text)
    return text


def _url(scheme: str, place: str, path: str, rest: str) -> str:
    scheme = scheme.lower()
    user, at, host = place.rpartition("@")
    name, colon, port = host.rpartition(":")
    if colon and (port == "" or port == _PORTS.get(scheme)):
        host = name
    host = host.lower().rstrip(".") if host else host
    return f"{scheme}://{user}{at}{host}{_path(_unescaped(path)) if path else '/'}{rest}"


def _unescaped(path: str) -> str:
    """Percent escapes of characters that need none, of dots above all: ``%2e%2e`` is ``..``."""
    return re.sub(
        r"%([0-9A-Fa-f]{2})",
        lambda hit: (
            chr(int(hit[1], 16)) if re.match(r"[A-Za-z0-9._~-]", chr(int(hit[1], 16))) else hit[0].upper()
        ),
        path,
    )


def _path(text: str) -> str:
    rooted = text.startswith("/")
    parts: list[str] = []
    for part in text.replace("\\", "/").split("/"):
        if part in ("", "."):
            continue
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part != ".." or not rooted:
            parts.append(part)
    return ("/" if rooted else "") + "/".join(parts) or "."
