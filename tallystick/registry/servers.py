"""The identity of an MCP server, without secrets, and the name that its tools get. Pure.

A server's own name is a claim: one that calls itself "payments" must not stand among the tools of another. So the name
comes from the command or the address that a person wrote, or from ``--name``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from tallystick.model.masking import MASK, mask_text
from tallystick.registry.addresses import take_apart

LONGEST: Final = 1_000  # characters of an identity
SECRET_WORDS: Final = (
    "token",
    "secret",
    "password",
    "passwd",
    "api-key",
    "api_key",
    "apikey",
    "credential",
    "auth",
    "bearer",
)
_WORD: Final = (
    "(?:" + "|".join((*SECRET_WORDS, "cookie")) + r"|(?<![a-z0-9])(?:key|pass|pat|pwd|dsn)(?![a-z0-9]))"
)
_SECRET: Final = re.compile("(?i)" + _WORD)
# What names a secret, and its value after it in the same part: TOKEN=…, "X-Api-Key: …", {"token": …}, --token …
_NAMED: Final = re.compile(rf"(?is)(.*?{_WORD}[\w.-]*[\"']*\s*(?:[:=]\s*|\s))(?=\S)")
_LAUNCHERS: Final = frozenset(
    {"python", "python3", "uv", "uvx", "npx", "node", "bunx", "deno", "docker", "env", "poetry", "pipx", "sh"}
)
_WORDS: Final = frozenset({"run", "tool", "exec", "-m", "serve", "start"})
_OTHER: Final = re.compile(r"[^A-Za-z0-9_-]+")


def command_identity(command: Sequence[str]) -> str:
    """A command line that may be shown: values of options, variables and headers that name a secret are masked.

    In a part that holds more than one such value (``sh -c "…"``, JSON) all is masked from the first value on.
    """
    shown: list[str] = []
    hide = False
    for part in command:
        named = _NAMED.match(part)
        if hide:
            shown.append(MASK)
        elif named is not None and "://" not in named[1]:
            shown.append(mask_text(named[1]) + MASK)
        else:
            shown.append(url_identity(part) if "://" in part else mask_text(part))
        hide = not hide and named is None and part.startswith("-") and bool(_SECRET.search(part))
    return " ".join(one if one and " " not in one else f'"{one}"' for one in shown)[:LONGEST]


def url_identity(url: str) -> str:
    """An address that may be shown: without user name, password, values of its query, and fragment."""
    parts = take_apart(url)
    if parts is None:
        return MASK
    port = f":{parts.port}" if parts.port is not None else ""
    keys = "&".join(f"{item.partition('=')[0]}={MASK}" for item in (parts.query or "").split("&") if item)
    shown = f"{parts.scheme}://{parts.host}{port}{parts.path}" + (f"?{keys}" if keys else "")
    return mask_text(shown)[:LONGEST]


def name_from_command(command: Sequence[str]) -> str:
    """A name for a server from its command: the program, or what a launcher (python, uvx, npx, …) is told to start."""
    program = _stem(command[0]) if command else ""
    if _launches(program):
        parts = _candidates(command[1:])
        program = next((name for name in parts if name and not _launches(name)), program)
    return program


def name_from_url(url: str) -> str:
    """A name for a server from its host: ``mcp.example.com`` gives ``mcp-example-com``."""
    parts = take_apart(url)
    return _plain(parts.host) if parts is not None else ""


def _candidates(parts: Sequence[str]) -> Iterable[str]:
    """What may be the program: no option, no variable, and not what follows an option that names a secret."""
    secret = False
    for part in parts:
        if (
            not secret
            and not part.startswith("-")
            and part not in _WORDS
            and "=" not in part
            and part.strip()
        ):
            yield _stem(part.split()[0])
        secret = part.startswith("-") and "=" not in part and bool(_SECRET.search(part))


def _launches(program: str) -> bool:
    return re.sub(r"[\d-]+$", "", program).lower() in _LAUNCHERS


def _stem(part: str) -> str:
    name = re.split(r"[/\\]", part.rstrip("/\\"))[-1].split("@")[0]
    return _plain(re.sub(r"\.(py|js|ts|mjs|exe|sh)$", "", name))


def _plain(text: str) -> str:
    return _OTHER.sub("-", text).strip("-_")[:48].strip("-_")
