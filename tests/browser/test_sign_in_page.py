"""Signing in, being somebody, and signing out, in a real browser over a real store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Open
from playwright.sync_api import expect
from test_pages_safety import _violations

from tallystick import wiring
from tallystick.api.server import ServerThread, address_of, listen
from tallystick.config import load
from tallystick.model.journal import Draft
from tallystick.model.people import unnamed

pytestmark = pytest.mark.browser
TOKEN = "correct-horse-battery-staple"
SHOTS = os.environ.get("TALLYSTICK_SHOTS")  # a folder, to look at what the browser showed
HOSTILE = "<img src=x onerror='window.__ran=1'>\u202e"


class Office:
    """A server with an approver, somebody who stands in for them, a viewer, and a held call."""

    def __init__(self, folder: Path) -> None:
        self.stores = wiring.open_stores(folder)
        self.desk, owner = wiring.people.desk(self.stores), unnamed("root")
        for name, role, groups in (
            ("amy", "approver", ["finance"]),
            ("bo", "approver", []),
            ("vic", "viewer", []),
        ):
            self.desk.add(name, role, groups, owner, because=HOSTILE)
        self.shown = {
            name: str(self.desk.make_token(name, owner, label=HOSTILE)["secret"])
            for name in ("amy", "bo", "vic")
        }
        until = self.stores.control.entries()[0].at + 5 * 86_400 * 10**9
        self.desk.delegate("finance", "bo", until, owner, giver="amy", because=HOSTILE)
        for number in range(2):
            body: dict[str, Any] = {
                "approval": f"apr_{number}", "decision": "dec_1", "run": "r", "agent": "desk", "tool": "refund",
                "arguments": {}, "binding": "b" * 64, "group": "finance", "because": None, "expires_ns": str(2**62),
            }  # fmt: skip
            self.stores.control.append([Draft("approval.requested", body["approval"], body, run="r")])
        opened = listen("127.0.0.1", 0, token=TOKEN)
        self.url = address_of(opened)
        settings = load({}, {"TALLYSTICK_TOKEN": TOKEN}, folder)
        self._thread = ServerThread(wiring.build_app(self.stores, settings, address=self.url), [opened])
        self._thread.start()

    def close(self) -> None:
        self._thread.stop()
        self.stores.close()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    started = Office(tmp_path_factory.mktemp("office"))
    yield started
    started.close()


def shot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_person_signs_in_looks_and_signs_out(office: Office, open_context: Open, dark: bool) -> None:
    watched, theme = open_context(dark=dark), "dark" if dark else "light"
    page = watched.page()
    page.goto(f"{office.url}/people/vic")
    expect(page.get_by_label("Token")).to_be_focused()
    assert _violations(page) == []
    shot(page, f"sign-in-{theme}")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("That token lets nobody in.")
    assert _violations(page) == []
    shot(page, f"sign-in-wrong-{theme}")
    page.keyboard.type(office.shown["vic"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="vic")).to_be_visible()  # where they wanted to go
    for address, name in (
        ("/people/vic", "person"),
        ("/people", "people"),
        ("/approvals", "approvals-viewer"),
    ):
        page.goto(office.url + address)
        assert _violations(page) == [], address
        shot(page, f"{name}-{theme}")
    expect(
        page.get_by_text("You may look at this and not answer it: the role of vic is viewer")
    ).to_be_visible()
    expect(page.get_by_role("button", name="Approve this one call")).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    page.goto(f"{office.url}/people")
    expect(page.get_by_label("Token")).to_be_visible()
    watched.check(page)


@pytest.mark.parametrize("name", ["amy", "bo"])
def test_who_is_asked_answers(office: Office, open_context: Open, name: str) -> None:
    watched = open_context(width=390, height=844)
    page = watched.page()
    page.goto(f"{office.url}/approvals/{'apr_0' if name == 'amy' else 'apr_1'}")
    page.get_by_label("Token").fill(office.shown[name])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Approve this one call").click()
    expect(page.get_by_text(f"by {name}")).to_be_visible()
    page.goto(f"{office.url}/people/{name}")
    expect(page.get_by_text("approval.answered")).to_be_visible()
    assert _violations(page) == []
    shot(page, f"person-phone-{name}")
    watched.check(page)


def test_a_link_from_another_site_finds_the_person_signed_in(office: Office, open_context: Open) -> None:
    """The session cookie is not sent with the visit; the browser comes again by itself, and then it is."""
    watched = open_context()
    page = watched.page()
    page.goto(f"{office.url}/people")
    page.get_by_label("Token").fill(office.shown["amy"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="People")).to_be_visible()
    elsewhere = office.url.replace("127.0.0.1", "localhost")  # another site, for the browser
    page.goto(f"{elsewhere}/sign-in")
    add = "to => document.body.append(Object.assign(document.createElement('a'), { href: to, textContent: 'go' }))"
    page.evaluate(add, f"{office.url}/people/bo")
    page.get_by_role("link", name="go").click()
    expect(page.get_by_role("heading", name="bo")).to_be_visible()
