"""Which role each route asks for, how people get through the gate, and who tries too often."""

from __future__ import annotations

from typing import Any

import pytest

from tallystick.adapters.memory.control import MemoryControl
from tallystick.adapters.session_key import SESSION_KEY_FILE, session_key
from tallystick.api.auth import TELL_EVERY_S, Gate
from tallystick.api.doors import DOORS, OPEN, check, least_role
from tallystick.api.guesses import MOST, WITHIN_S, Guesses
from tallystick.api.problems import Refusal
from tallystick.api.sessions import SESSION_S
from tallystick.api.settings import ServerSettings
from tallystick.api.signin import inside
from tallystick.app.people.desk import PeopleDesk
from tallystick.model.errors import Denied, NotSignedIn, StoreFault
from tallystick.model.people import Caller, Role, Via, covers, unnamed
from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds

TOKEN = "correct-horse-battery-staple"
SECOND = 1_000_000_000
ROOT = unnamed("root")


class House:
    """A gate over people in memory."""

    def __init__(self, token: str | None = TOKEN) -> None:
        self.clock = FakeClock()
        self.control = MemoryControl(clock=self.clock, ids=CountingIds())
        self.desk = PeopleDesk(self.control, self.clock, RandomIds())
        self.told: list[tuple[str, ...]] = []
        self.gate = Gate(ServerSettings(token=token, operator="root"), self.clock, self, self.desk)

    def made(self, how: str, by: str, token: str | None = None) -> None:
        self.told.append((how, by, str(token)))

    def refused(self, how: str) -> None:
        self.told.append((how,))

    def person(self, name: str, role: str = "viewer", days: int = 30) -> str:
        if name not in self.desk.people().persons:
            self.desk.add(name, role, [], ROOT)
        return str(self.desk.make_token(name, ROOT, days=days)["secret"])

    def ask(
        self, *, bearer: str = "", cookie: str = "", path: str = "/api/runs", client: str = "10.0.0.1"
    ) -> Any:
        headers = [(b"host", b"localhost")]
        headers += [(b"authorization", f"Bearer {bearer}".encode())] if bearer else []
        headers += [(b"cookie", cookie.encode())] if cookie else []
        scope = {"method": "GET", "path": path, "headers": headers, "client": (client, 1)}
        try:
            return self.gate.admit(scope)
        except Refusal as refusal:
            return refusal

    def session(self, shown: str) -> str:
        cookie = self.gate.sign_in(shown, "10.0.0.9", secure=False)
        assert cookie is not None
        return cookie.partition(";")[0]


class RandomIds(CountingIds):
    """Salts that differ, as they must: a token is made of two."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = 0

    def salt(self) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(16, "big")


def test_roles_cover_what_they_should() -> None:
    covered = {role: {least.value for least in Role if covers(role, least)} for role in Role}
    assert covered[Role.PROGRAM] == {"program"}
    assert covered[Role.VIEWER] == {"viewer"}
    assert covered[Role.OPERATOR] == {"program", "viewer", "operator"}
    assert covered[Role.APPROVER] == {"viewer", "approver"}
    assert covered[Role.ADMIN] == {role.value for role in Role}
    assert not any(covers(None, least) for least in Role)


def test_what_is_not_in_the_table_is_an_admin_s() -> None:
    assert least_role("POST", "/api/something/new") is Role.ADMIN
    assert least_role("HEAD", "/api/runs") is Role.VIEWER
    assert not {route for _, route in DOORS} & OPEN
    for method, least in (("GET", Role.VIEWER), ("POST", Role.APPROVER)):
        assert least_role(method, "/api/approvals/{approval}") is least


def test_whoever_is_not_signed_in_is_told_so_and_others_that_their_role_is_not_enough() -> None:
    with pytest.raises(NotSignedIn):
        check(Caller("root", Role.PROGRAM, Via.OPEN), "GET", "/api/runs")
    with pytest.raises(Denied, match="needs the role viewer"):
        check(Caller("root", Role.PROGRAM, Via.TOKEN), "GET", "/api/runs")
    with pytest.raises(Denied) as caught:
        check(Caller("ann", Role.OPERATOR, Via.SESSION, "ann"), "POST", "/approvals/{approval}")
    assert caught.value.hint == "an admin can change it: tally users role ann ROLE"


@pytest.mark.parametrize("token", [TOKEN, None])
def test_until_there_are_people_everything_is_as_it_was(token: str | None) -> None:
    house = House(token)
    caller = house.ask(bearer=TOKEN)
    assert (caller.name, caller.role, caller.person) == ("root", Role.ADMIN, None)
    assert house.gate.wants_token is (token is not None)


def test_the_first_person_turns_the_servers_token_into_that_of_programs() -> None:
    house = House()
    cookie, link = house.session(TOKEN), house.gate.sign_in_path()
    assert house.ask(cookie=cookie).role is Role.ADMIN
    house.person("ann")
    assert house.ask(bearer=TOKEN).role is Role.PROGRAM
    assert isinstance(house.ask(cookie=cookie).error, NotSignedIn)  # the sessions it opened have ended
    assert house.gate.sign_in(TOKEN, "10.0.0.1", secure=False) is None
    assert house.gate.open_link(link.partition("?")[2], secure=False) is None
    assert house.gate.sign_in_path() == "/sign-in"
    house.desk.remove("ann", ROOT)
    assert house.ask(bearer=TOKEN).role is Role.PROGRAM  # that all are gone lets nobody in


def test_without_a_token_agents_of_this_machine_go_on_and_people_sign_in() -> None:
    house = House(None)
    shown = house.person("ann", "admin")
    caller = house.ask()
    assert (caller.role, caller.via) == (Role.PROGRAM, Via.OPEN)
    assert isinstance(house.ask(bearer="tally_wrong").error, NotSignedIn)
    assert house.ask(bearer=shown).person == "ann"
    assert house.gate.wants_token
    assert house.gate.admit_program("").role is Role.PROGRAM
    with pytest.raises(Refusal):
        house.gate.admit_program("Bearer tally_wrong")


def test_a_person_is_who_their_token_says_with_the_role_they_have_now() -> None:
    house = House()
    shown = house.person("ann", "viewer")
    assert len(bytes.fromhex(shown.removeprefix("tally_"))) == 32
    assert shown not in repr(house.control.entries())
    cookie = house.session(shown)
    for asked in ({"bearer": shown}, {"cookie": cookie}):
        caller = house.ask(**asked)
        assert (caller.name, caller.person, caller.role) == ("ann", "ann", Role.VIEWER)
    house.desk.change("ann", ROOT, role="admin")
    assert house.ask(cookie=cookie).role is Role.ADMIN
    house.desk.change("ann", ROOT, role="viewer")
    with pytest.raises(Refusal, match="needs the role program"):
        house.gate.admit_program(f"Bearer {shown}")  # viewers send nothing


@pytest.mark.parametrize("how", ["revoked", "removed", "signed out", "expired"])
def test_a_session_ends_at_once(how: str) -> None:
    house = House()
    shown = house.person("ann", days=1)
    cookie = house.session(shown)
    caller = house.ask(cookie=cookie)
    scope = {"method": "GET", "path": "/events", "headers": [(b"cookie", cookie.encode())], "client": None}
    assert house.gate.still(scope, caller)
    if how == "revoked":
        house.desk.revoke_token(caller.token, ROOT)
    elif how == "removed":
        house.desk.remove("ann", ROOT)
    elif how == "signed out":
        house.desk.end_sessions(caller)
        assert house.ask(bearer=shown).person == "ann"  # the token itself goes on
        assert house.ask(cookie=house.session(shown)).person == "ann"
    else:
        house.clock.advance(86_400 * SECOND)
        assert isinstance(house.ask(bearer=shown).error, NotSignedIn)
    assert isinstance(house.ask(cookie=cookie).error, NotSignedIn)
    assert not house.gate.still(scope, caller)


def test_a_session_does_not_outlive_its_token() -> None:
    house = House()
    shown = house.person("ann", days=1)
    house.clock.advance((86_400 - 60) * SECOND)
    cookie = house.gate.sign_in(shown, "", secure=False) or ""
    assert "Max-Age=60;" in cookie
    assert SESSION_S > 60


def test_the_use_of_a_token_is_told_once_an_hour() -> None:
    house = House()
    shown = house.person("ann")
    for _ in range(3):
        house.ask(bearer=shown)
    assert len([one for one in house.told if one[:2] == ("token", "ann")]) == 1
    house.clock.advance(TELL_EVERY_S * SECOND)
    house.ask(bearer=shown)
    assert house.told[-1][:2] == ("token", "ann")
    assert house.told[-1][2].startswith("tok")


def test_many_wrong_tokens_of_one_address_are_not_heard_for_a_while() -> None:
    house = House()
    shown = house.person("ann")
    for number in range(MOST):
        assert house.ask(bearer=f"tally_{number}").status == 401
    assert house.ask(bearer=shown).status == 429
    with pytest.raises(Refusal):
        house.gate.sign_in(shown, "10.0.0.1", secure=False)
    assert house.ask(bearer=shown, client="10.0.0.2").person == "ann"
    house.clock.advance(WITHIN_S * SECOND)
    assert house.ask(bearer=shown).person == "ann"


def test_one_wrong_token_again_and_again_shuts_nobody_out() -> None:
    house = House()
    shown = house.person("ann")
    for _ in range(100):
        assert house.ask(bearer="tally_old").status == 401
    assert house.ask(bearer=shown).person == "ann"


def test_guesses_are_forgotten_and_bounded() -> None:
    guesses = Guesses()
    for number in range(10_000):
        guesses.wrong(f"address {number}", "x", number)
    assert len(guesses._tried) <= 4_096
    for number in range(MOST + 5):
        guesses.wrong("a", f"{number}\ud800", 1_000)
    assert guesses.wait_s("a", 1_000) == WITHIN_S
    assert guesses.wait_s("a", 1_000 + WITHIN_S * SECOND) == 0
    assert guesses.wait_s("a", 0) == 0


@pytest.mark.parametrize(
    ("to", "then"),
    [
        ("/approvals/apr_1?state=waiting", "/approvals/apr_1?state=waiting"), ("", "/"), ("//evil.example", "/"),
        ("https://evil.example", "/"), ("/\\evil.example", "/"), ("/a b", "/"), ("/a\r\nset-cookie: x", "/"),
        ("/sign-in?to=/", "/"), ("javascript:alert(1)", "/"), ("/é", "/"), ("/" + "a" * 3_000, "/"),
    ],
)  # fmt: skip
def test_signing_in_leads_on_to_this_server_alone(to: str, then: str) -> None:
    assert inside(to) == then


def test_the_key_of_sessions_is_made_once_and_is_its_owners(tmp_path: Any) -> None:
    key = session_key(tmp_path)
    assert (len(key), session_key(tmp_path)) == (32, key)
    assert (tmp_path / SESSION_KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [SESSION_KEY_FILE]
    (tmp_path / SESSION_KEY_FILE).write_bytes(b"short")
    with pytest.raises(StoreFault):
        session_key(tmp_path)
    with pytest.raises(StoreFault):
        session_key(tmp_path / "nowhere")
