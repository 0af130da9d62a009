"""The feed over HTTP: what a process knows while its server is there, away, too old, or talks nonsense."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from control_double import Clock, Control
from guard_house import LOOK, REFUND, House
from test_guard_groups import push, put

from tallystick.adapters.server_feed import FEED_FILE, ServerFeed
from tallystick.app.acting.feed import (
    Feed,
    Heard,
    HeldPolicy,
    JoinedFeed,
    Known,
    StoreFeed,
    feed_document,
    known_from,
)
from tallystick.model.errors import BadInput, StoreFault
from tallystick.model.registry import Channel, Shown, Trust
from tallystick.registry.snapshot import Snapshot

KNOWN = Known(
    7, (HeldPolicy("p", "d" * 64, "forbid (principal, action, resource);", "kind:agent"),), (LOOK, REFUND), ("old",),
    (Shown("look", Channel.CODE, "e" * 64, Trust.ACCEPTED, "first use", decided=1),), Snapshot(),
)  # fmt: skip


class Server:
    """Answers every GET as it is told, and remembers what it was asked with."""

    def __init__(self) -> None:
        self.status, self.body, self.tag = 200, feed_document(KNOWN), '"7"'
        self.asked: list[dict[str, str]] = []
        self.heard = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given = {key.lower(): value for key, value in self.headers.items()} | {"path": self.path}
                same = outer.status == 200 and given.get("if-none-match") == outer.tag
                body = b"" if same else outer.body
                self.send_response(304 if same else outer.status)
                self.send_header("etag", outer.tag)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                with outer.heard:
                    outer.asked.append(given)
                    outer.heard.notify_all()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/tally"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def after(self, more: int) -> None:
        """Wait until it was asked so often again."""
        with self.heard:
            wanted = len(self.asked) + more
            assert self.heard.wait_for(lambda: len(self.asked) >= wanted, 20)

    def down(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.down()


def opened(url: str, folder: Path, said: list[str], token: str | None = None) -> ServerFeed:
    feed = ServerFeed(url, token=token, folder=folder, say=said.append, every_s=0.01)
    feed.wait(20)
    return feed


def test_what_a_server_says_is_heard_once_for_each_change(server: Server, tmp_path: Path) -> None:
    said: list[str] = []
    feed = opened(server.url, tmp_path, said, token="t" * 20)
    try:
        first = feed.heard()
        assert first == Heard((KNOWN,))
        assert first.tools["look"] == LOOK
        server.after(2)
        assert feed.heard() is first
        asked = server.asked[-1]
        assert (asked["path"], asked["authorization"]) == ("/tally/api/feed", "Bearer " + "t" * 20)
        assert asked["if-none-match"] == '"7"'
        server.body, server.tag = feed_document(Known(8)), '"8"'
        server.after(3)
        assert feed.heard_anew() == Heard((Known(8),))
    finally:
        feed.close()
    assert said == []


def test_a_process_that_starts_without_the_server_goes_on_with_what_was_said_last(
    server: Server, tmp_path: Path
) -> None:
    opened(server.url, tmp_path, []).close()
    assert (
        tmp_path / FEED_FILE
    ).stat().st_mode & 0o777 == 0o600  # the server tells it only to those with a token
    server.status = 503
    said: list[str] = []
    feed = opened(server.url, tmp_path, said)
    try:
        assert feed.heard() == Heard((KNOWN,))
        assert said == []
        other = opened(server.url + "/other", tmp_path, said)
        assert other.heard().parts == ()  # what another server said is not this one's word
        other.close()
    finally:
        feed.close()


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [(503, b"", "it answers HTTP 503"), (401, b"", "it wants a token"), (200, b"<html>", "its answer cannot be read"),
     (200, b'{"revision": "x"}', "its answer cannot be read"), (200, b"[" * 100_000, "its answer cannot be read")],
)  # fmt: skip
def test_where_nothing_is_known_that_is_a_trouble(
    server: Server, tmp_path: Path, status: int, body: bytes, why: str
) -> None:
    server.status, server.body, server.tag = status, body, '"x"'
    said: list[str] = []
    feed = opened(server.url, tmp_path, said)
    try:
        heard = feed.heard()
        assert heard.trouble is not None
        assert why in heard.trouble
        server.after(3)
        assert len(said) == 1
        server.status, server.body = 200, feed_document(KNOWN)
        server.after(3)
        assert feed.heard() == Heard((KNOWN,))
    finally:
        feed.close()


def test_a_server_that_cannot_be_reached_is_a_trouble(tmp_path: Path) -> None:
    said: list[str] = []
    feed = opened("http://user:secret@127.0.0.1:1", tmp_path, said)
    feed.close()
    assert "cannot be reached" in str(feed.heard().trouble)
    assert "secret" not in str(feed.heard().trouble) + str(said)


def test_a_server_too_old_to_tell_is_said_once_and_local_rules_count(server: Server, tmp_path: Path) -> None:
    server.status = 404
    said: list[str] = []
    feed = opened(server.url, tmp_path, said)
    server.after(3)
    feed.close()
    assert feed.heard() == Heard()
    assert len(said) == 1
    assert "HTTP 404" in said[0]


def test_a_file_that_was_damaged_is_said_and_not_believed(server: Server, tmp_path: Path) -> None:
    (tmp_path / FEED_FILE).write_text("{")
    said: list[str] = []
    server.status = 503
    feed = opened(server.url, tmp_path, said)
    feed.close()
    assert feed.heard().trouble is not None
    assert "cannot be read" in said[0]


class Fixed:
    """A feed that says one thing."""

    def __init__(self, heard: Heard) -> None:
        self.said = heard

    def heard(self) -> Heard:
        return self.said

    def heard_anew(self) -> Heard:
        return self.said


def asking(house: House, feed: Feed) -> House:
    house.guard._house = type(house.guard._house)(
        house.book, house.guard._purse, house.guard._outbox, house.clock, house.ids, feed,
    )  # fmt: skip
    return house


@pytest.mark.parametrize(
    ("text", "state"), [("permit (principal, action, resource);", "enforced"), (None, "load failed")]
)
def test_while_nobody_knows_what_is_in_force_effects_are_refused_and_reads_go_on(
    text: str | None, state: str
) -> None:
    own = Fixed(Heard((Known(1),)))
    house = asking(House(text), JoinedFeed(own, Fixed(Heard((), "the server was never reached"))))
    look = house.use(LOOK, id="1")
    assert look.allowed
    refused = house.ask(REFUND, id="1", amount="1")
    assert not refused.allowed
    assert "the server was never reached" in refused.decision.reasons[0]
    assert house.body("decision.made")["policy_state"] == state
    assert not asking(House(None, tools=()), Fixed(Heard((), "never reached"))).ask(REFUND, id="1").allowed


def test_both_registries_count_and_their_policies_are_told_apart() -> None:
    scoped = HeldPolicy(
        "p", "d" * 64, 'forbid (principal, action == Action::"refund", resource);', "kind:agent"
    )
    other = HeldPolicy("p", "e" * 64, 'forbid (principal, action == Action::"look", resource);', "kind:agent")
    own, far = Fixed(Heard((Known(1, (scoped,)),))), Fixed(Heard((Known(9, (other,), (LOOK,)),)))
    house = asking(House("permit (principal, action, resource);"), JoinedFeed(own, far))
    assert house.ask(LOOK, id="1").decision.reasons == ("pushed/server/p.cedar:1",)
    assert house.ask(REFUND, id="1", amount="1").decision.reasons == ("pushed/p.cedar:1",)


def test_a_store_that_cannot_be_read_leaves_what_was_known() -> None:
    clock = Clock()
    control = Control(clock)
    feed = StoreFeed(control, clock)
    known = feed.heard()

    def broken() -> int:
        raise StoreFault("no")

    control.registry_revision = broken  # type: ignore[method-assign]
    clock.at += 2_000_000_000
    assert feed.heard() is known
    with pytest.raises(StoreFault):
        StoreFeed(control, clock).heard()


def test_a_document_that_is_none_is_refused() -> None:
    assert known_from(feed_document(KNOWN)) == KNOWN
    for odd in (b"", b"null", b"{}", b'{"revision":1,"shown":[{"tool":1}]}'):
        with pytest.raises(BadInput):
            known_from(odd)


def test_a_definition_that_was_shown_does_not_read_the_tools_again() -> None:
    house = House("permit (principal, action, resource);", asks=True, tools=())
    push(house, "forbid (principal, action, resource);", "name:nobody")
    assert house.feed is not None
    before = house.feed.heard()
    assert house.use(LOOK, id="1").allowed
    house.clock.at += 1_000_000_000
    after = house.feed.heard()
    assert after is not before
    assert [row.why for row in after.shown["look"]] == ["first use"]
    assert after.parts[0].tools is before.parts[0].tools
    snapshot = after.parts[0].snapshot
    assert snapshot is not None
    assert [row.tool for row in snapshot.shown] == ["look"]
    put(house, "tool", "late", {"effect": "read"})
    assert "late" in house.feed.heard().tools
