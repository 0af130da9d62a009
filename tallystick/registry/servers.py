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
_SECRET: Final = re.compile("(?i)" + "|".join(SECRET_WORDS))
_LAUNCHERS: Final = frozenset(
    {"python", "python3", "uv", "uvx", "npx", "node", "bunx", "deno", "docker", "env", "poetry", "pipx", "sh"}
)
_WORDS: Final = frozenset({"run", "tool", "exec", "-m", "serve", "start"})
_OTHER: Final = re.compile(r"[^A-Za-z0-9_-]+")


def command_identity(command: Sequence[str]) -> str:
    """A command line that may be shown: values of options and variables that name a secret are masked."""
    shown: list[str] = []
    hide = False
    for part in command:
        name, equals, value = part.partition("=")
        if hide:
            shown.append(MASK)
        elif equals and _SECRET.search(name):
            shown.append(f"{name}={MASK}")
        else:
            shown.append(url_identity(part) if "://" in part else mask_text(part))
        hide = not hide and part.startswith("-") and not equals and bool(_SECRET.search(part)) and not value
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
    for part in parts:
        if not part.startswith("-") and part not in _WORDS and "=" not in part:
            yield _stem(part)


def _launches(program: str) -> bool:
    return re.sub(r"[\d-]+$", "", program).lower() in _LAUNCHERS


def _stem(part: str) -> str:
    name = re.split(r"[/\\]", part.rstrip("/\\"))[-1].split("@")[0]
    return _plain(re.sub(r"\.(py|js|ts|mjs|exe|sh)$", "", name))


def _plain(text: str) -> str:
    return _OTHER.sub("-", text).strip("-_")[:48].strip("-_")
