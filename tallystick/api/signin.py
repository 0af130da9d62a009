"""/sign-in: a link that is opened once, or the token typed into a form; either gives a session cookie.

The page is small enough to live here: it must work before anything else of the server may be seen.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from tallystick.api.auth import Gate
from tallystick.api.ingest import read_body
from tallystick.api.problems import Receive, Scope, Send, respond
from tallystick.model.errors import BadInput

_MOST: Final = 4_096
_HEADERS: Final = [
    (
        b"content-security-policy",
        b"default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),  # the link's proof must not leave by the Referer header
    (b"x-content-type-options", b"nosniff"),
]
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Sign in · Tallystick</title></head>
<body><main><h1>Tallystick</h1>{note}
<p>This server wants a token: the one it was started with, or a fresh link from the machine it runs on.</p>
<form method="post" action="/sign-in"><label>Token
<input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button>Sign in</button></form></main></body></html>
"""


class SignIn:
    """The sign-in page, as an ASGI application."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open a session for a genuine link or the right token; else show the form."""
        if not self._gate.wants_token:
            await self._go_home(send, cookie=None)
            return
        query = scope.get("query_string", b"").decode("latin-1")
        secure = scope.get("scheme") == "https"
        if scope["method"] == "GET" and query:
            if self._gate.opens_session(query):
                self._gate.signed_in("link")
                await self._go_home(send, self._gate.session_cookie(secure=secure))
            else:
                self._gate.refused("link")
                await page(send, 401, "This link was used before or is too old.")
        elif scope["method"] == "POST":
            if self._gate.is_token(await _typed(scope, receive)):
                self._gate.signed_in("form")
                await self._go_home(send, self._gate.session_cookie(secure=secure))
            else:
                self._gate.refused("form")
                await page(send, 401, "That is not the token.")
        else:
            await page(send, 200, "")

    async def _go_home(self, send: Send, cookie: str | None) -> None:
        headers = [*_HEADERS, (b"location", b"/")]
        if cookie is not None:
            headers.append((b"set-cookie", cookie.encode()))
        await respond(send, 303, b"", b"text/plain", headers)


async def _typed(scope: Scope, receive: Receive) -> str:
    """The token of a posted form; empty when there is none or the body is no form."""
    try:
        body = await read_body(dict(scope["headers"]), receive, _MOST)
    except BadInput:
        return ""
    return parse_qs(body.decode("latin-1")).get("token", [""])[0].strip()


async def page(send: Send, status: int, note: str) -> None:
    """Send the form. ``note`` is one of this module's own sentences, never a caller's text."""
    told = f"<p role=alert><strong>{note}</strong></p>" if note else ""
    await respond(send, status, _PAGE.format(note=told).encode(), b"text/html; charset=utf-8", _HEADERS)
