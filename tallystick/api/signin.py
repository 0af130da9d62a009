"""/sign-in: a link that is opened once, or a token typed into a form; either gives a session cookie. /sign-out ends it.

The page is small enough to live here: it must work before anything else of the server may be seen.
"""

from __future__ import annotations

import asyncio
from html import escape
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tallystick.api.auth import Gate, address_of
from tallystick.api.ingest import read_body
from tallystick.api.problems import Receive, Refusal, Scope, Send, headers_of, respond, respond_error
from tallystick.api.sessions import Sessions
from tallystick.api.settings import KnowsPeople
from tallystick.model.errors import BadInput, TallystickError
from tallystick.model.people import Caller

_MOST: Final = 4_096
_LONGEST_TO: Final = 2_000
_STYLE: Final = """
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;font:1rem/1.5 system-ui,sans-serif;
background:Canvas;color:CanvasText}
main{box-sizing:border-box;width:min(26rem,100vw);padding:1.5rem}
h1{font-size:1.25rem;margin:0 0 1rem}
p{margin:0 0 1rem}
label{display:block;font-weight:600}
input,button{box-sizing:border-box;width:100%;font:inherit;padding:.6rem .7rem;margin:.35rem 0 1rem;
border:1px solid GrayText;border-radius:.375rem;background:Field;color:FieldText}
button{background:CanvasText;color:Canvas;font-weight:600;cursor:pointer;border-color:CanvasText}
input:focus-visible,button:focus-visible{outline:2px solid Highlight;outline-offset:2px}
.note{border-left:.25rem solid Mark;padding-left:.75rem}
code{font-family:ui-monospace,monospace}
"""
_HEADERS: Final = [
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"cache-control", b"no-store"),
    # The proof in a link must not leave this server by the Referer header. With "no-referrer" browsers say "null" for
    # the origin of the form, and it would be refused as that of another site.
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
]
STYLE_PATH: Final = "/sign-in.css"
_HEAD: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Sign in · Tallystick</title>"""
_PAGE: Final = (
    _HEAD
    + """<link rel="stylesheet" href="/sign-in.css"></head>
<body><main><h1>Tallystick</h1>{note}
<p>This server wants a token: one of your own (<code>tally users token NAME</code> makes it), or, as long as nobody was
added as a person, the one it was started with or a fresh link from the machine it runs on.</p>
<form method="post" action="/sign-in"><input type="hidden" name="to" value="{to}"><label>Token
<input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button>Sign in</button></form></main></body></html>
"""
)
_AGAIN: Final = (
    _HEAD
    + """<meta http-equiv="refresh" content="0; url={to}"></head>
<body><main><p><a href="{to}">Go on</a></p></main></body></html>
"""
)


class SignIn:
    """The sign-in page and signing out, as ASGI applications."""

    def __init__(self, gate: Gate, people: KnowsPeople | None) -> None:
        self._gate = gate
        self._people = people

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open a session for a genuine link or the right token; else show the form."""
        if not self._gate.wants_token:
            await _go(send, "/", cookie=None)
            return
        fields = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        secure = scope.get("scheme") == "https"
        try:
            if scope["method"] == "POST":
                await self._typed(scope, receive, send, secure)
            elif scope["method"] == "GET" and "proof" in fields:
                await self._linked(scope, send, secure)
            else:
                await page(send, 200, "", fields.get("to", [""])[0])
        except Refusal as refusal:  # too many wrong tokens
            await page(send, refusal.status, f"{refusal.error.message}: {refusal.error.hint}.")

    async def _linked(self, scope: Scope, send: Send, secure: bool) -> None:
        cookie = self._gate.open_link(scope["query_string"].decode("latin-1"), secure=secure)
        if cookie is not None:
            await _go(send, "/", cookie)
        else:
            await page(send, 401, "This link was used before, is too old, or is not for people with tokens.")

    async def _typed(self, scope: Scope, receive: Receive, send: Send, secure: bool) -> None:
        fields = await _form(scope, receive)
        to = fields.get("to", [""])[0]
        shown = fields.get("token", [""])[0].strip()
        cookie = self._gate.sign_in(shown, address_of(scope), secure=secure)
        if cookie is not None:
            await _go(send, inside(to), cookie)
        else:
            await page(send, 401, "That token lets nobody in.", to)

    async def out(self, caller: Caller, scope: Scope, send: Send) -> None:
        """End all sessions that were opened with the caller's token, then show the form."""
        if scope["method"] != "POST":
            error = BadInput("signing out is a POST", hint="use the button on any page")
            await respond_error(send, error, 405)
            return
        try:
            if self._people is not None:
                await asyncio.to_thread(self._people.end_sessions, caller)
        except TallystickError as error:  # nobody may believe to be signed out who is not
            await respond_error(send, error)
            return
        await _go(send, "/sign-in", Sessions.no_cookie())


async def style(send: Send) -> None:
    """Send the page's style sheet: it says nothing, and anybody may have it."""
    await respond(
        send, 200, _STYLE.encode(), b"text/css; charset=utf-8", [(b"cache-control", b"max-age=3600")]
    )


async def _go(send: Send, to: str, cookie: str | None) -> None:
    headers = [*_HEADERS, (b"location", to.encode("ascii", "ignore"))]
    if cookie is not None:
        headers.append((b"set-cookie", cookie.encode()))
    await respond(send, 303, b"", b"text/plain", headers)


async def _form(scope: Scope, receive: Receive) -> dict[str, list[str]]:
    """The fields of a posted form; none when the body is no form."""
    try:
        body = await read_body(dict(scope["headers"]), receive, _MOST)
    except BadInput:
        return {}
    return parse_qs(body.decode("latin-1"))


def inside(to: str) -> str:
    """A path of this server to go on to; the home page for anything that could lead elsewhere."""
    plain = to.isascii() and to.isprintable() and "\\" not in to and " " not in to and len(to) <= _LONGEST_TO
    parts = urlsplit(to) if plain and to.startswith("/") and not to.startswith("//") else None
    if parts is None or parts.scheme or parts.netloc or parts.path == "/sign-in":
        return "/"
    return to


async def page(send: Send, status: int, note: str, to: str = "") -> None:
    """Send the form. ``note`` is one of this server's own sentences; ``to`` is where to go on."""
    told = f'<p role="alert" class="note"><strong>{escape(note)}</strong></p>' if note else ""
    text = _PAGE.format(note=told, to=escape(inside(to), quote=True))
    await respond(send, status, text.encode(), b"text/html; charset=utf-8", _HEADERS)


async def ask(scope: Scope, send: Send, error: TallystickError) -> None:
    """Who may not see a page is asked to sign in, and comes back to it afterwards.

    The session cookie is not sent when a page of another site (a chat, a mail) leads here: then the browser is asked to
    come again by itself, as a visit of this site's own.
    """
    query = scope.get("query_string", b"").decode("latin-1")
    to = inside(scope["path"] + (f"?{query}" if query else "")) if scope["method"] == "GET" else "/"
    headers = dict(scope["headers"])
    if headers.get(b"sec-fetch-site", b"") in (b"cross-site", b"same-site") and b"cookie" not in headers:
        text = _AGAIN.format(to=escape(to, quote=True))
        await respond(
            send, 401, text.encode(), b"text/html; charset=utf-8", [*_HEADERS, *headers_of(error, 401)]
        )
        return
    await page(send, 401, "", to)
