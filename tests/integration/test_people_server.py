"""People at a real server: every route with every role, sessions that end, answers, and the command line from afar."""

from __future__ import annotations

import base64
import http.client
import io
import json
import threading
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from litestar.routes import HTTPRoute
from test_server_ingest import PROTOBUF, request_of
from test_server_wired import exact

from tallystick import wiring
from tallystick.api import people_shapes
from tallystick.api.doors import DOORS, OPEN
from tallystick.api.server import ServerThread, address_of, listen
from tallystick.cli.person import this_person
from tallystick.cli.root import invoke
from tallystick.config import load
from tallystick.model.journal import Draft
from tallystick.model.people import Role, covers, unnamed

TOKEN = "correct-horse-battery-staple"
OWNER = unnamed("root")
NAMES = {"viewer": "vic", "operator": "ole", "approver": "amy", "admin": "ada"}
ASIDE = (
    "/api/openapi",
    "/api/openapi/{path}",
    "/api/openapi/openapi.json",
)  # the framework's own, never served
OUTSIDE = {("POST", "/v1/traces"), ("POST", "/v1/logs"), ("POST", "/v1/metrics"), ("GET", "/events"),
           ("POST", "/sign-out")}  # fmt: skip
PLACES = {"{run}": "r1", "{step}": "s1", "{approval}": "apr_9", "{sha256}": "0" * 64, "{person}": "nobody",
          "{token}": "tok_9", "{delegation}": "dlg_9", "{place}": "0/000", "{digest}": "d", "{name}": "n",
          "{rest}": "nothing/here"}  # fmt: skip


class Peopled:
    """A server in a thread with a person of each role, and whatever they show."""

    def __init__(self, folder: Path, token: str | None = TOKEN) -> None:
        self.stores = wiring.open_stores(folder)
        self.desk = wiring.people.desk(self.stores)
        self.shown = {"program": token or ""}
        for role, name in NAMES.items():
            self.desk.add(name, role, ["finance"] if role in ("approver", "admin") else [], OWNER)
            self.shown[role] = str(self.desk.make_token(name, OWNER)["secret"])
        opened = listen("127.0.0.1", 0, token=token)
        self.port: int = opened.getsockname()[1]
        self.url = address_of(opened)
        settings = load({}, {"TALLYSTICK_TOKEN": token} if token else {}, folder)
        self.app = wiring.build_app(self.stores, settings, address=self.url)
        self._thread = ServerThread(self.app, [opened])
        self._thread.start()

    def close(self) -> None:
        self._thread.stop()
        self.stores.close()

    def call(self, method: str, path: str, shown: str = "", body: Any = None, **headers: str) -> Any:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        told |= {"authorization": f"Bearer {shown}"} if shown else {}
        if isinstance(body, dict):
            body, told["content-type"] = json.dumps(body), "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, told)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def waiting(self, name: str, group: str = "finance") -> None:
        body = {
            "approval": name, "decision": "dec_1", "run": "r", "agent": "desk", "tool": "refund", "arguments": {},
            "binding": "b" * 64, "group": group, "because": None, "expires_ns": str(2**62),
        }  # fmt: skip
        self.stores.control.append([Draft("approval.requested", name, body, run="r")])

    def answer(self, name: str, role: str, **more: Any) -> int:
        return int(
            self.call("POST", f"/api/approvals/{name}", self.shown[role], {"answer": "approved", **more})[0]
        )


@pytest.fixture
def peopled(tmp_path: Path) -> Iterator[Peopled]:
    started = Peopled(tmp_path)
    yield started
    started.close()


def test_every_route_is_in_the_table(peopled: Peopled) -> None:
    served = {
        (method, route.path_format)
        for route in peopled.app._inner.routes if isinstance(route, HTTPRoute)
        for handler in route.route_handlers for method in handler.http_methods
        if method != "OPTIONS" and route.path_format not in ASIDE
    }  # fmt: skip
    open_doors = {("GET", path) for path in OPEN}
    assert served - set(DOORS) - open_doors == set()
    assert set(DOORS) - served == OUTSIDE


def test_every_route_asks_for_its_role(peopled: Peopled) -> None:
    """Whose role is not enough is refused with 403 before anything is looked at; who shows nothing with 401."""
    for (method, route), least in DOORS.items():
        path = route
        for place, value in PLACES.items():
            path = path.replace(place, value)
        if path == "/events":
            continue  # never ends; see below
        told: dict[str, Any] = {"body": b"x"} if method == "POST" else {}
        assert peopled.call(method, path, **told)[0] == 401, path
        for role in Role:
            if covers(role, least) and (method == "POST" or role is not least):
                continue  # what is then done is asked elsewhere
            status = peopled.call(method, path, peopled.shown[role.value], **told)[0]
            assert (status == 403) == (not covers(role, least)), (method, path, role, status)
            assert status < 500


def test_no_spelling_of_an_address_has_another_role(peopled: Peopled) -> None:
    body = {"person": "mallory", "role": "admin"}
    for path in (
        "/api//people",
        "/api/people/",
        "//api/people",
        "/api/%70eople",
        "/api/../api/people",
        "/API/PEOPLE",
    ):
        for role in ("program", "viewer", "operator", "approver"):
            assert peopled.call("POST", path, peopled.shown[role], body)[0] in (401, 403, 404, 405)
    assert "mallory" not in peopled.desk.people().persons


def test_who_answers_is_whom_the_token_belongs_to(peopled: Peopled) -> None:
    for number, group in enumerate(("finance", "finance", "legal", "finance")):
        peopled.waiting(f"apr_{number}", group)
    assert peopled.answer("apr_0", "approver", by="vic") == 400  # no field of a body says who
    assert peopled.answer("apr_0", "approver") == 200
    assert peopled.answer("apr_0", "admin") == 409
    assert peopled.answer("apr_2", "approver") == peopled.answer("apr_2", "admin") == 403  # not their group
    assert [peopled.answer("apr_1", role) for role in ("program", "viewer", "operator")] == [403] * 3
    assert peopled.answer("apr_1", "admin") == 200
    entry = peopled.stores.control.entries(kind="approval.answered")[0]
    assert (entry.actor, entry.body["by"], entry.body["person"], entry.body["via"]) == (
        "amy",
        "amy",
        "amy",
        "token",
    )
    signed = json.loads(base64.b64decode(entry.body["envelope"]["payload"]))["predicate"]
    assert (signed["by"], signed["person"], signed["via"]) == ("amy", "amy", "token")


def test_of_two_approvers_at_once_one_is_first(peopled: Peopled) -> None:
    for number in range(5):
        peopled.waiting(f"apr_{number}")
        barrier, got = threading.Barrier(2), list[int]()

        def answer(name: str, role: str, barrier: Any = barrier, got: Any = got) -> None:
            barrier.wait()
            got.append(peopled.answer(name, role))

        threads = [
            threading.Thread(target=answer, args=(f"apr_{number}", role)) for role in ("approver", "admin")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got) == [200, 409]
    assert len(peopled.stores.control.entries(kind="approval.answered")) == 5


def test_a_browser_signs_in_and_out(peopled: Peopled) -> None:
    asked = peopled.call("GET", "/approvals?state=all", accept="text/html")
    assert (asked[0], b'name="to" value="/approvals?state=all"' in asked[2]) == (401, True)
    form = {"content_type": "application/x-www-form-urlencoded"}
    body = f"token={peopled.shown['approver']}&to=%2Fapprovals%3Fstate%3Dall"
    status, headers, _ = peopled.call("POST", "/sign-in", body=body, **form)
    assert (status, headers["location"]) == (303, "/approvals?state=all")
    assert "SameSite=Strict" in headers["set-cookie"]
    cookie = headers["set-cookie"].partition(";")[0]
    page = peopled.call("GET", "/people/amy", cookie=cookie)
    assert (page[0], b"Sign out" in page[2]) == (200, True)
    assert peopled.call("POST", "/sign-out", cookie=cookie, origin="http://evil.example")[0] == 403
    assert peopled.call("GET", "/sign-out", cookie=cookie)[0] in (403, 405)
    assert peopled.call("GET", "/people", cookie=cookie)[0] == 200
    status, headers, _ = peopled.call("POST", "/sign-out", cookie=cookie)
    assert (status, headers["location"], "Max-Age=0" in headers["set-cookie"]) == (303, "/sign-in", True)
    assert peopled.call("GET", "/people", cookie=cookie)[0] == 401
    assert peopled.call("GET", "/sign-in.css")[0] == 200


def test_a_visit_from_another_site_comes_again_by_itself_once(peopled: Peopled) -> None:
    told = {"accept": "text/html", "sec_fetch_site": "cross-site"}
    status, headers, body = peopled.call("GET", "/approvals/apr_1?x=%22", **told)
    assert (status, b'http-equiv="refresh" content="0; url=/approvals/apr_1?x=%22"' in body) == (401, True)
    assert "default-src 'none'" in headers["content-security-policy"]
    again = peopled.call("GET", "/approvals/apr_1", accept="text/html", sec_fetch_site="same-origin")
    assert b"refresh" not in again[2]
    assert b'action="/sign-in"' in again[2]


def test_a_removed_person_hears_nothing_more(peopled: Peopled) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", peopled.port, timeout=30)
    connection.request("GET", "/events", headers={"authorization": f"Bearer {peopled.shown['viewer']}"})
    stream = connection.getresponse()
    assert (stream.status, stream.readline()) == (200, b"retry: 2000\n")
    peopled.desk.remove("vic", OWNER)
    sent = request_of(1, 3, trace=5)
    assert peopled.call("POST", "/v1/traces", peopled.shown["program"], sent, content_type=PROTOBUF)[0] == 200
    assert b"change" not in stream.read()
    connection.close()


def test_people_are_managed_over_http_in_the_shapes_that_are_promised(peopled: Peopled) -> None:
    admin = peopled.shown["admin"]

    def ask(method: str, path: str, shape: Any, body: Any = None) -> Any:
        status, _, answer = peopled.call(method, path, admin, body)
        assert status == 200, answer
        document = json.loads(answer)
        exact(document, shape)
        return document

    ask("GET", "/api/people", people_shapes.PeopleShape)
    me = ask("GET", "/api/me", people_shapes.MeShape)
    assert me == {"name": "ada", "person": "ada", "role": "admin", "via": "token", "answers": ["finance"]}
    added = {"person": "max", "role": "approver", "groups": ["legal"]}
    assert ask("POST", "/api/people", people_shapes.PersonDetailShape, added)["by"] == me["name"]
    made = ask("POST", "/api/people/max/tokens", people_shapes.NewTokenShape, {"days": 3, "label": "phone"})
    assert peopled.call("GET", "/api/me", made["secret"])[0] == 200
    other = ask("POST", "/api/people/ada/tokens", people_shapes.NewTokenShape, {})
    assert peopled.call("POST", f"/api/tokens/{other['token']}/revoke", made["secret"], {})[0] == 403
    changed = ask("POST", "/api/people/max", people_shapes.PersonDetailShape, {"groups": []})
    assert (changed["role"], changed["groups"]) == ("approver", [])
    delegated = {
        "group": "finance",
        "to": "max",
        "until": str(peopled.stores.control.entries()[0].at + 10**15),
    }
    given = peopled.call("POST", "/api/delegations", peopled.shown["approver"], delegated)
    assert given[0] == 200, given
    key = json.loads(given[2])["delegation"]
    assert json.loads(peopled.call("GET", "/api/me", made["secret"])[2])["answers"] == ["finance"]
    passed_on = {**delegated, "to": "ada"}
    assert peopled.call("POST", "/api/delegations", made["secret"], passed_on)[0] == 403
    ask("POST", f"/api/delegations/{key}/revoke", people_shapes.DelegationShape, {})
    ask("POST", f"/api/tokens/{made['token']}/revoke", people_shapes.TokenShape, {"because": "lost"})
    assert peopled.call("GET", "/api/me", made["secret"])[0] == 401
    ask("POST", "/api/people/max/remove", people_shapes.PersonDetailShape, {})
    shown = ask("GET", f"/api/people/{me['name']}", people_shapes.PersonDetailShape)
    assert [one["kind"] for one in shown["log"]][:3] == [
        "person.removed",
        "token.revoked",
        "delegation.revoked",
    ]
    for wrong in ({"person": "x y", "role": "viewer"}, {"person": "x", "role": "king"}, {"role": "viewer"},
                  {"person": "x", "role": "viewer", "by": "root"}):  # fmt: skip
        assert peopled.call("POST", "/api/people", admin, wrong)[0] == 400


def tally(folder: Path, *arguments: str, token: str = "", **more: str) -> tuple[int, str, str]:
    """One command in this process: exit code, stdout, stderr."""
    told, said = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(told), redirect_stderr(said):
        patch.chdir(folder)
        patch.delenv("TALLYSTICK_TOKEN", raising=False)
        for name, value in (more | ({"TALLYSTICK_TOKEN": token} if token else {})).items():
            patch.setenv(name, value)
        code = invoke(list(arguments))
    return code, told.getvalue(), said.getvalue()


def test_the_command_line_asks_a_server_and_says_who_may_not(peopled: Peopled, tmp_path: Path) -> None:
    peopled.waiting("apr_1")
    at = ("--server", peopled.url)
    assert tally(tmp_path, "approvals", "approve", "apr_1", *at)[0] == 4
    code, _, said = tally(tmp_path, "approvals", "approve", "apr_1", *at, token=peopled.shown["operator"])
    assert (code, "needs the role approver" in said) == (3, True)
    code, told, _ = tally(tmp_path, "approvals", "approve", "apr_1", *at, token=peopled.shown["approver"])
    assert (code, told) == (0, "approved apr_1 as amy\n")
    code, told, _ = tally(
        tmp_path, "users", "ls", "--json", token=peopled.shown["viewer"], TALLYSTICK_SERVER=peopled.url
    )
    assert (code, len(json.loads(told)["people"])) == (0, 4)


def test_the_owner_of_the_store_begins_and_is_named(tmp_path: Path) -> None:
    store = ("--store", str(tmp_path / "store"))
    user = this_person()
    code, told, said = tally(
        tmp_path, "users", "add", "ann", "--role", "approver", "--group", "finance", *store
    )
    assert (code, told, "programs only" in said) == (0, "added ann as approver\n", True)
    code, told, said = tally(tmp_path, "users", "token", "ann", *store)
    assert (code, len(told.strip()), told.strip() in said) == (0, len("tally_") + 64, False)
    assert tally(tmp_path, "users", "role", "ann", "--os-user", user, *store)[0] == 0
    code, told, said = tally(
        tmp_path, "users", "delegate", "finance", "--to", "ann", "--until", "2030-01-01", *store
    )
    assert (code, "themselves" in said) == (2, True)
    code, told, _ = tally(tmp_path, "users", "show", "ann", "--json", *store)
    assert json.loads(told)["os_user"] == user
    stores = wiring.open_stores(tmp_path / "store")
    entries = stores.control.entries(kind="person.*")
    stores.close()
    assert [(one.actor, one.body["via"]) for one in entries] == [(user, "store"), ("os:" + user, "store")]
    assert tally(tmp_path, "users", "remove", "nobody", *store)[0] == 2
    assert tally(tmp_path, "users", "add", "ann", "--role", "viewer", *store)[0] == 7
