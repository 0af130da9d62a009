"""Who calls, and how that is known: a session, a token, or this machine.

A token belongs to a person or an agent, or is the server's own. Until there are people, the server's token lets in
whoever shows it as admin; from then on it lets in programs: they send what agents did and hear the registry. An agent
is a program that speaks for itself alone: what its token does not carry is not taken. Without a token of its own
a server is bound to a loopback address alone, and two browser tricks must be kept out there: DNS rebinding (a foreign
page whose host name was pointed at this machine: the Host header gives it away) and cross-site requests (a foreign page
that posts here: the Origin header gives it away). What a caller may do then is asked in doors.py.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from tallystick.api.claims import KnowsAgents
from tallystick.api.doors import OPEN, SIGN_IN, check
from tallystick.api.guesses import Guesses
from tallystick.api.problems import Refusal, Scope
from tallystick.api.sessions import COOKIE, LINK_S, NO_TOKEN, SESSION_S, Session, Sessions
from tallystick.api.settings import HearsSignIns, KnowsPeople, ServerSettings
from tallystick.govern.people import People
from tallystick.model.errors import ConfigError, Denied, NotSignedIn
from tallystick.model.identity import AGENT_TOKEN_PREFIX, Grant
from tallystick.model.people import Caller, Person, Role, Token, Via
from tallystick.ports import Clock

__all__ = ["COOKIE", "LINK_S", "SESSION_S", "SIGN_IN", "Gate", "check_bind", "is_loopback"]

TELL_EVERY_S: Final = 3600  # the use of a token is told once an hour
_LEAST_TOKEN: Final = 16
_SECOND: Final = 1_000_000_000
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_TOLD: Final = 10_000
_NOBODY: Final = Caller("", None, Via.OPEN)
_ALONE: Final = People()
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
    """Lets a request in or refuses it; one per server. Call it from the event loop."""

    def __init__(
        self, settings: ServerSettings, clock: Clock, signins: HearsSignIns | None = None,
        people: KnowsPeople | None = None, agents: KnowsAgents | None = None,
    ) -> None:  # fmt: skip
        """``signins`` is told who signs in and how often somebody was refused; without ``people`` there are none, and
        without ``agents`` no token of an agent is taken."""
        self._token = settings.token
        self._hosts = _LOOPBACK_NAMES | {name.lower() for name in settings.hosts}
        self._operator = settings.operator
        self._clock = clock
        self._signins = signins
        self._desk = people
        self._agents = agents
        self._sessions = Sessions(settings.session_key, settings.token)
        self._guesses = Guesses()
        self._told: dict[str, int] = {}  # token -> when its use is told next

    def admit(self, scope: Scope) -> Caller:
        """Who calls. Raises Refusal with NotSignedIn (401) or Denied (403)."""
        headers = dict(scope["headers"])
        if scope["method"] not in _SAFE:
            self._check_origin(headers)
        people = self._people()
        if self._token is None:
            self._check_host(headers)
            if not people.exist and not _of_agent(headers.get(b"authorization", b"").decode("latin-1")):
                return Caller(self._operator, Role.ADMIN, Via.OPEN)
        if scope["path"] in OPEN:
            return _NOBODY
        shown = headers.get(b"authorization", b"").decode("latin-1")
        found = self._by_token(people, shown, address_of(scope)) or self._by_session(people, _cookie(headers))
        if found is not None:
            return found
        if self._token is None and not _bearer(shown):
            return Caller(self._operator, Role.PROGRAM, Via.OPEN)  # an agent on this machine
        raise self._no_token()

    def admit_program(self, authorization: str, address: str = "") -> Caller:
        """Let a caller in that can be no browser, by the value of its authorization header.

        Raises Refusal: NotSignedIn when a token is wanted and not shown, Denied for a person whose role sends nothing.
        """
        people = self._people()
        asked = people.exist or _of_agent(authorization)
        if self._token is None and not (asked and _bearer(authorization)):
            return Caller(self._operator, Role.PROGRAM, Via.OPEN)
        found = self._by_token(people, authorization, address)
        if found is None:
            raise self._no_token()
        try:
            check(found, "POST", "/v1/traces")
        except Denied as error:
            raise Refusal(error) from error
        return found

    def still(self, scope: Scope, caller: Caller) -> bool:
        """Whether a caller who was let in before still is who they were: for answers that never end."""
        try:
            return self.admit(scope) == caller
        except Refusal:
            return False

    def _people(self) -> People:
        return self._desk.people() if self._desk is not None else _ALONE

    def _by_token(self, people: People, authorization: str, address: str) -> Caller | None:
        shown, now = _bearer(authorization), self._clock.now()
        if shown is None:
            return None
        self._check_guesses(address)
        caller = self._of_token(people, shown, now)
        if caller is None:
            self._wrong("token", address, shown)
        elif caller.grant is None:
            self._tell("token", caller)
        return caller

    def _of_token(self, people: People, shown: str, now: int) -> Caller | None:
        if self._token is not None and hmac.compare_digest(shown.encode(), self._token.encode()):
            return self._server_caller(people)
        if shown.startswith(AGENT_TOKEN_PREFIX):
            grant = self._agents.holder(shown) if self._agents is not None else None
            return (
                Caller(grant.agent, Role.PROGRAM, Via.TOKEN, grant=grant)
                if isinstance(grant, Grant)
                else None
            )
        found = people.by_token(shown, now)
        return None if found is None else _person_caller(*found, Via.TOKEN)

    def _server_caller(self, people: People, via: Via = Via.TOKEN) -> Caller:
        """Whoever shows the server's token: admin until there are people, a program from then on."""
        return Caller(self._operator, Role.PROGRAM if people.exist else Role.ADMIN, via)

    def _by_session(self, people: People, cookie: str) -> Caller | None:
        now = self._clock.now()
        session = self._sessions.read(cookie, now // _SECOND) if cookie else None
        if session is None:
            return None
        if session.token == NO_TOKEN:
            return None if people.exist else self._server_caller(people, Via.SESSION)
        found = people.by_token_id(session.token, now)
        if found is None or found[1].ends != session.ends:
            return None
        return _person_caller(*found, Via.SESSION)

    def _check_guesses(self, address: str) -> None:
        wait = self._guesses.wait_s(address, self._clock.now())
        if wait:
            raise Refusal(
                NotSignedIn(
                    "too many wrong tokens came from this address", hint=f"try again in {wait} seconds"
                ),
                429,
            )

    def _wrong(self, how: str, address: str, shown: str) -> None:
        self._guesses.wrong(address, shown, self._clock.now())
        self.refused(how)

    def _no_token(self) -> Refusal:
        return Refusal(
            NotSignedIn(
                "this server wants a token",
                hint=f"programs send Authorization: Bearer …; people open {SIGN_IN} or the link that tally up prints",
            )
        )

    def sign_in(self, shown: str, address: str, *, secure: bool) -> str | None:
        """A Set-Cookie value for a token that was typed; None for a wrong one. Raises Refusal (429) after too many."""
        self._check_guesses(address)
        people, now = self._people(), self._clock.now()
        caller = self._of_token(people, shown, now)
        if caller is None or caller.role is Role.PROGRAM:  # the server's token is no person's
            self._wrong("form", address, shown)
            return None
        self._tell("form", caller)
        if caller.token is None:
            return self._sessions.cookie(
                Session(NO_TOKEN, 0, now // _SECOND + SESSION_S), now // _SECOND, secure=secure
            )
        token = people.tokens[caller.token]
        until = min(now // _SECOND + SESSION_S, token.expires // _SECOND)
        return self._sessions.cookie(Session(token.id, token.ends, until), now // _SECOND, secure=secure)

    def open_link(self, query: str, *, secure: bool) -> str | None:
        """A Set-Cookie value for a sign-in link that is genuine, in time and used for the first time.

        None for any other, and once there are people: they sign in with tokens of their own.
        """
        now = self._clock.now() // _SECOND
        if not self._sessions.opens(query, now) or self._people().exist:
            self.refused("link")
            return None
        self._tell("link", Caller(self._operator, Role.ADMIN, Via.SESSION))
        return self._sessions.cookie(Session(NO_TOKEN, 0, now + SESSION_S), now, secure=secure)

    def sign_in_path(self) -> str:
        """A path that signs a browser in, once, within ten minutes; where there are people, the page that asks."""
        return SIGN_IN if self._people().exist else self._sessions.link(self._clock.now() // _SECOND)

    def refused(self, how: str) -> None:
        """Somebody showed a link, a form or a token that was wrong."""
        if self._signins is not None:
            self._signins.refused(how)

    def _tell(self, how: str, caller: Caller) -> None:
        """Tell of a sign-in; of a token that comes with every request, once an hour."""
        now, key = self._clock.now() // _SECOND, f"{caller.token or caller.name}"
        if how == "token":
            if now < self._told.get(key, 0):
                return
            if len(self._told) >= _MOST_TOLD:
                self._told.clear()
            self._told[key] = now + TELL_EVERY_S
        if self._signins is not None:
            self._signins.made(how, caller.name, caller.token)

    @property
    def wants_token(self) -> bool:
        """Whether callers must show a token."""
        return self._token is not None or self._people().exist

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


def _person_caller(person: Person, token: Token, via: Via) -> Caller:
    return Caller(person.name, person.role, via, person.name, token.id)


def _bearer(authorization: str) -> str | None:
    scheme, _, given = authorization.partition(" ")
    return given.strip() if scheme.lower() == "bearer" else None


def _of_agent(authorization: str) -> bool:
    """Whether a header shows the token of an agent: whoever shows one is that agent, and nobody else."""
    return (_bearer(authorization) or "").startswith(AGENT_TOKEN_PREFIX)


def address_of(scope: Scope) -> str:
    """Where a request came from, without the port; behind a proxy that is the proxy."""
    client = scope.get("client")
    return str(client[0]) if client else ""


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
