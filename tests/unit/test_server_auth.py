"""The gate: Host, Origin, token, sign-in links and sessions."""

from __future__ import annotations

from typing import Any

import pytest

from tallystick.api.auth import Gate, check_bind, is_loopback
from tallystick.api.problems import Refusal
from tallystick.api.sessions import COOKIE, LINK_S, SESSION_S
from tallystick.api.settings import ServerSettings
from tallystick.model.errors import ConfigError, Denied, NotSignedIn

TOKEN = "correct-horse-battery-staple"
KEY = b"k" * 32
SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.at = 1_795_000_000 * SECOND

    def now(self) -> int:
        return self.at


def scope(method: str = "GET", path: str = "/api/runs", **headers: str) -> dict[str, Any]:
    given = {"host": "localhost:4777"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "method": method,
        "path": path,
        "headers": [(k.encode(), v.encode()) for k, v in given.items() if v],
    }


def gate(clock: Clock | None = None, **settings: Any) -> Gate:
    return Gate(ServerSettings(session_key=KEY, **settings), clock or Clock())


def refused(given: Gate, asked: dict[str, Any]) -> type[Exception] | None:
    try:
        given.admit(asked)
    except Refusal as refusal:
        return type(refusal.error)
    return None


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:4777", "[::1]:4777", "[::1]"])
def test_this_machine_may_call_by_its_own_names(host: str) -> None:
    assert gate(operator="ann").admit(scope(host=host)).name == "ann"


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:4777", "", "[::1", "10.0.0.7"]
)
def test_a_foreign_name_is_dns_rebinding(host: str) -> None:
    assert refused(gate(), scope(host=host)) is Denied


def test_a_configured_name_is_answered() -> None:
    assert refused(gate(hosts=frozenset({"box.lan"})), scope(host="Box.lan:4777")) is None


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize(
    ("headers", "ok"),
    [
        ({}, True),
        ({"origin": "http://localhost:4777"}, True),
        ({"origin": "http://localhost:4777", "sec_fetch_site": "same-origin"}, True),
        ({"origin": "http://localhost:9999"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://localhost:4777", "sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "same-site"}, False),
    ],
)
def test_another_sites_page_may_not_post(token: str | None, headers: dict[str, str], ok: bool) -> None:
    asked = scope("POST", "/api/approvals/apr_1", authorization=f"Bearer {TOKEN}", **headers)
    assert refused(gate(token=token), asked) is (None if ok else Denied)


def test_an_origin_without_a_host_is_foreign() -> None:
    assert (
        refused(gate(token=TOKEN), scope("POST", host="", origin="file://", authorization=f"Bearer {TOKEN}"))
        is Denied
    )


@pytest.mark.parametrize(
    ("header", "ok"),
    [
        (f"Bearer {TOKEN}", True), (f"bearer {TOKEN}", True), (f"Bearer {TOKEN}x", False), ("Bearer ", False),
        (TOKEN, False), (f"Basic {TOKEN}", False), ("", False), ("Bearer \xff", False),
    ],
)  # fmt: skip
def test_bearer(header: str, ok: bool) -> None:
    asked = scope(authorization=header, host="anything.example")
    assert refused(gate(token=TOKEN), asked) is (None if ok else NotSignedIn)


def test_health_and_sign_in_are_open() -> None:
    assert gate(token=TOKEN).admit(scope(path="/api/health")).name == ""
    assert gate(token=TOKEN).admit(scope(path="/sign-in")).name == ""
    assert refused(gate(token=TOKEN), scope(path="/v1/traces", method="POST")) is NotSignedIn


def session(given: Gate) -> str:
    cookie = given.sign_in(TOKEN, "10.0.0.1", secure=False)
    assert cookie is not None
    return cookie.partition(";")[0]


def test_a_session_lasts_its_time_and_no_longer() -> None:
    clock = Clock()
    given = gate(clock, token=TOKEN, operator="ann")
    cookie = session(given)
    assert given.admit(scope(cookie=f"other=1; {cookie}; more=2")).name == "ann"
    clock.at += (SESSION_S - 1) * SECOND
    assert refused(given, scope(cookie=cookie)) is None
    clock.at += SECOND
    assert refused(given, scope(cookie=cookie)) is NotSignedIn


def test_a_session_cannot_be_forged_lengthened_or_carried_over_to_a_new_token() -> None:
    given = gate(token=TOKEN)
    cookie = session(given)
    until, ends, token, proof = cookie.removeprefix(f"{COOKIE}=").split(".")
    bent = proof[:-1] + ("1" if proof.endswith("0") else "0")
    for forged in (
        f"{int(until) + 1}.{ends}.{token}.{proof}",
        f"{until}.{int(ends) + 1}.{token}.{proof}",
        f"{until}.{ends}.tok_1.{proof}",
        f"{until}.{ends}.{token}.{bent}",
        until, "", f"{until}.", f"{until}.{proof}", f"x.{proof}", f"²3.{proof}", "9" * 600, "\ud800.x",
    ):  # fmt: skip
        if forged.isprintable():
            assert (
                refused(given, scope(cookie=f"{COOKIE}={forged}".encode("utf-8", "replace").decode()))
                is NotSignedIn
            )
    assert refused(gate(token="another-token-of-some-length"), scope(cookie=cookie)) is NotSignedIn
    other_store = Gate(ServerSettings(session_key=b"o" * 32, token=TOKEN), Clock())
    assert refused(other_store, scope(cookie=cookie)) is NotSignedIn
    link = given.sign_in_path().partition("?")[2]
    stolen = dict(part.split("=") for part in link.split("&"))
    for value in (f"{stolen['until']}.{stolen['proof']}", f"{stolen['until']}.0.-.{stolen['proof']}"):
        assert refused(given, scope(cookie=f"{COOKIE}={value}")) is NotSignedIn


def test_servers_of_one_store_share_sessions() -> None:
    assert refused(gate(token=TOKEN), scope(cookie=session(gate(token=TOKEN)))) is None


def test_a_sign_in_link_works_once_and_ten_minutes() -> None:
    clock = Clock()
    given = gate(clock, token=TOKEN)
    query = given.sign_in_path().partition("?")[2]
    assert given.open_link(query, secure=False)
    assert not given.open_link(query, secure=False)
    late = given.sign_in_path().partition("?")[2]
    clock.at += LINK_S * SECOND
    assert not given.open_link(late, secure=False)
    for forged in ("", "until=1&proof=2", "until=x", f"until={clock.at // SECOND + 60}&proof={'0' * 64}"):
        assert not given.open_link(forged, secure=False)


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites() -> None:
    cookie = gate(token=TOKEN).sign_in(TOKEN, "", secure=True) or ""
    assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= {part.strip() for part in cookie.split(";")}


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("[::1]", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("10.1.2.3", False), ("example.org", False), ("", False),
    ],
)  # fmt: skip
def test_a_bind_beyond_loopback_wants_a_token(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
    check_bind(host, TOKEN)
    if loopback:
        check_bind(host, None)
    else:
        with pytest.raises(ConfigError) as caught:
            check_bind(host, None)
        assert "TALLYSTICK_TOKEN" in (caught.value.hint or "")


@pytest.mark.parametrize("weak", ["", "short", "with space  é and more", "tab\tin-the-middle-of-it"])
def test_a_token_is_not_easily_guessed(weak: str) -> None:
    for host in ("127.0.0.1", "0.0.0.0"):
        with pytest.raises(ConfigError, match="at least 16"):
            check_bind(host, weak)
