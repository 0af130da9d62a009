"""What a browser shows instead of a token: a session cookie, or a sign-in link that is opened once.

Both are signed with the store's session key, so servers of one store need share nothing else. A cookie names the token
by which its person signed in, and how often that token's sessions had been ended by then: revoking the token, removing
the person and signing out end it at once, whatever any clock says. The server's own token is part of every signature: a
new one ends every session.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlencode

from tallystick.api.doors import SIGN_IN

COOKIE: Final = "tallystick_session"
SESSION_S: Final = 12 * 3600
LINK_S: Final = 600
NO_TOKEN: Final = "-"  # signed in with the server's token
_LONGEST: Final = 512


@dataclass(frozen=True, slots=True)
class Session:
    """A genuine cookie. ``token`` is an id, ``ends`` the count it was opened at, ``until`` seconds."""

    token: str
    ends: int
    until: int


class Sessions:
    """Makes and reads cookies and links. Times are whole seconds since the epoch."""

    def __init__(self, key: bytes, server_token: str | None) -> None:
        self._key = hashlib.sha256(
            b"tallystick sessions\n" + key + b"\n" + (server_token or "").encode()
        ).digest()
        self._used: dict[str, int] = {}  # proofs of links that were opened, with their ends

    def cookie(self, session: Session, now: int, *, secure: bool) -> str:
        """A Set-Cookie value."""
        told = f"{session.until}.{session.ends}.{session.token}"
        tail = "; Secure" if secure else ""
        proof = self._sign("session", told)
        age = max(session.until - now, 0)
        return f"{COOKIE}={told}.{proof}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{tail}"

    @staticmethod
    def no_cookie() -> str:
        """A Set-Cookie value that takes the cookie away."""
        return f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"

    def read(self, cookie: str, now: int) -> Session | None:
        """The session of a cookie's value, genuine and in time; None for anything else."""
        told, _, proof = cookie.rpartition(".")
        if len(cookie) > _LONGEST or not hmac.compare_digest(
            proof.encode(), self._sign("session", told).encode()
        ):
            return None
        until, ends, token = told.split(".", 2)  # what was signed has this form
        return Session(token, int(ends), int(until)) if int(until) > now else None

    def link(self, now: int) -> str:
        """A path that signs a browser in, once, within ten minutes."""
        until = now + LINK_S
        return f"{SIGN_IN}?{urlencode({'until': until, 'proof': self._sign('link', str(until))})}"

    def opens(self, query: str, now: int) -> bool:
        """Whether the query of a link is genuine, in time and used for the first time."""
        fields = parse_qs(query)
        until, proof = fields.get("until", [""])[0], fields.get("proof", [""])[0]
        self._used = {key: end for key, end in self._used.items() if end > now}
        if not _is_number(until) or not now < int(until) <= now + LINK_S or proof in self._used:
            return False
        if not hmac.compare_digest(proof.encode(), self._sign("link", until).encode()):
            return False
        self._used[proof] = int(until)
        return True

    def _sign(self, purpose: str, told: str) -> str:
        return hmac.new(
            self._key, f"tallystick {purpose} {told}".encode("utf-8", "surrogatepass"), hashlib.sha256
        ).hexdigest()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12
