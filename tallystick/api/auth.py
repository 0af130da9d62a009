"""Who may call: this machine, or whoever shows the token.

Without a token only a loopback address may be bound, and then two browser tricks must be kept out: DNS rebinding (a
foreign page whose host name was pointed at this machine: the Host header gives it away) and cross-site requests (a
foreign page that posts here: the Origin header gives it away). With a token, programs send ``Authorization: Bearer``;
people open a sign-in link once and get a session cookie. The cookie is a signed expiry, so servers need not share
anything but the token, and a new token ends every session.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from tallystick.api.problems import Refusal, Scope
from tallystick.api.settings import HearsSignIns, ServerSettings
from tallystick.model.errors import ConfigError, Denied, NotSignedIn
from tallystick.ports import Clock

COOKIE: Final = "tallystick_session"
SIGN_IN: Final = "/sign-in"
SESSION_S: Final = 12 * 3600
LINK_S: Final = 600
_LEAST_TOKEN: Final = 16
_SECOND: Final = 1_000_000_000
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN: Final = frozenset({SIGN_IN, "/api/health"})
_HINT: Final = (
    "set TALLYSTICK_TOKEN, or token_file in your settings; the token is never taken from the command line"
)


def is_loopback(host: str) -> bool:
    """Whether an address to bind can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_bind(host: str, token: str | None) -> None:
    """Refuse to listen beyond loopback without a token, and anywhere with one that is easily guessed.

    Raises ConfigError.
    """
    if token is not None and (len(token) < _LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise ConfigError(
            f"a token has at least {_LEAST_TOKEN} printable ASCII characters",
            hint="make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    if token is None and not is_loopback(host):
        raise ConfigError(
            f"{host} can be reached from other machines, and no token is set", hint=_HINT, host=host
        )


class Gate:
    """Lets a request in or refuses it; one per server."""

    def __init__(self, settings: ServerSettings, clock: Clock, signins: HearsSignIns | None = None) -> None:
        """``signins`` is told who signs in and how often somebody was refused."""
        self._token = settings.token
        self._hosts = _LOOPBACK_NAMES | {name.lower() for name in settings.hosts}
        self._operator = settings.operator
        self._clock = clock
        self._signins = signins
        self._token_until = (
            0  # a program's token is told once in the time of a session, not with every request
        )
        self._used: dict[str, int] = {}  # proofs of sign-in links that were opened, with their ends

    def admit(self, scope: Scope) -> str:
        """The name of the person or program that calls. Raises Refusal with NotSignedIn (401) or Denied (403)."""
        headers = dict(scope["headers"])
        if scope["method"] not in _SAFE:
            self._check_origin(headers)
        if self._token is None:
            self._check_host(headers)
            return self._operator
        if scope["path"] in _OPEN:
            return ""
        if self._shows_token(headers.get(b"authorization", b"").decode("latin-1")):
            return self._operator
        if self._is_session(_cookie(headers)):
            return self._operator
        raise self._no_token()

    def admit_program(self, authorization: str) -> None:
        """Let a caller in that can be no browser, by the value of its authorization header.

        Raises Refusal with NotSignedIn when a token is wanted and not shown. Call from the event loop.
        """
        if self._token is not None and not self._shows_token(authorization):
            raise self._no_token()

    def _shows_token(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return False
        if self.is_token(given.strip()):
            self._tell_token()
            return True
        self.refused("token")
        return False

    def _no_token(self) -> Refusal:
        return Refusal(
            NotSignedIn(
                "this server wants a token",
                hint=f"programs send Authorization: Bearer …; people open {SIGN_IN} or the link that tally up prints",
            )
        )

    def signed_in(self, how: str) -> None:
        """Somebody opened a session by link or form."""
        if self._signins is not None:
            self._signins.made(how, self._operator)

    def refused(self, how: str) -> None:
        """Somebody showed a link, a form or a token that was wrong."""
        if self._signins is not None:
            self._signins.refused(how)

    def _tell_token(self) -> None:
        now = self._clock.now() // _SECOND
        if now >= self._token_until:
            self._token_until = now + SESSION_S
            self.signed_in("token")

    @property
    def wants_token(self) -> bool:
        """Whether callers must show a token."""
        return self._token is not None

    def is_token(self, given: str) -> bool:
        """Compare with the token in constant time."""
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())

    def sign_in_path(self) -> str:
        """A path that signs a browser in, once, within ten minutes."""
        until = self._clock.now() // _SECOND + LINK_S
        return f"{SIGN_IN}?{urlencode({'until': until, 'proof': self._sign('link', until)})}"

    def opens_session(self, query: str) -> bool:
        """Whether the query of a sign-in link is genuine, in time and used for the first time."""
        fields = parse_qs(query)
        until, proof = fields.get("until", [""])[0], fields.get("proof", [""])[0]
        now = self._clock.now() // _SECOND
        self._used = {key: end for key, end in self._used.items() if end > now}
        if not _is_number(until) or not now < int(until) <= now + LINK_S or proof in self._used:
            return False
        if not hmac.compare_digest(proof.encode(), self._sign("link", int(until)).encode()):
            return False
        self._used[proof] = int(until)
        return True

    def session_cookie(self, *, secure: bool) -> str:
        """A fresh Set-Cookie value."""
        until = self._clock.now() // _SECOND + SESSION_S
        tail = "; Secure" if secure else ""
        session = f"{until}.{self._sign('session', until)}"
        return f"{COOKIE}={session}; Path=/; Max-Age={SESSION_S}; HttpOnly; SameSite=Lax{tail}"

    def _is_session(self, cookie: str) -> bool:
        until, _, proof = cookie.partition(".")
        if not _is_number(until) or int(until) <= self._clock.now() // _SECOND:
            return False
        return hmac.compare_digest(proof.encode(), self._sign("session", int(until)).encode())

    def _sign(self, purpose: str, until: int) -> str:
        key = (self._token or "").encode()
        return hmac.new(key, f"tallystick {purpose} {until}".encode(), hashlib.sha256).hexdigest()

    def _check_host(self, headers: Mapping[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if _host_name(host) not in self._hosts:
            raise Refusal(
                Denied(
                    f"this server does not answer to the name {host[:80]!r}",
                    hint="call it by localhost or 127.0.0.1, or set a token",
                )
            )

    def _check_origin(self, headers: Mapping[bytes, bytes]) -> None:
        """A browser says where a request comes from; a program says nothing."""
        site = headers.get(b"sec-fetch-site", b"same-origin")
        origin = headers.get(b"origin")
        host = headers.get(b"host", b"").decode("latin-1").lower()
        same = origin is None or urlsplit(origin.decode("latin-1").lower()).netloc == host != ""
        if not same or site not in (b"same-origin", b"none"):
            told = (origin or site).decode("latin-1")[:80]
            raise Refusal(Denied(f"a page of another site ({told}) may not change anything here"))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12


def _host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        name, closed, _ = host.partition("]")
        return name + closed
    return host.partition(":")[0]


def _cookie(headers: Mapping[bytes, bytes]) -> str:
    for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""
