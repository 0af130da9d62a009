"""Notices arrive at a webhook, a mail server and a Slack-like address: whole, escaped, signed, never twice."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.notify import notifier_of
from tallystick.adapters.notify.addresses import check_peer
from tallystick.adapters.notify.mail import Mail
from tallystick.adapters.notify.slack import Slack
from tallystick.adapters.notify.webhook import DELIVERY, SIGNATURE, TIMESTAMP, Webhook, signature
from tallystick.adapters.state_file import StateFile
from tallystick.app.acting.notifying import Notifying
from tallystick.model.errors import ConfigError, Unreachable
from tallystick.model.journal import Draft
from tallystick.model.notice import Notice, notice_of
from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds

HOSTILE = "pay\r\nBcc: eve@x.example\x1b[2J\u202e<!channel> <a href=x>& sk-" + "a1b2c3d4" * 5
ROW = {
    "approval": "apr_1", "agent": HOSTILE, "tool": "refund", "arguments": {"to": HOSTILE, "amount": "400"},
    "group": "finance", "because": HOSTILE, "asks": None, "expires": "2026-12-24T00:00:00Z",
}  # fmt: skip


class Receiver(HTTPServer):
    """Keeps what is posted; ``status`` is what it answers."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(server.status)
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?key=hidden"


class MailServer:
    """As much of SMTP as one message needs."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listening.accept()
            except OSError:
                return
            with peer, peer.makefile("rwb") as lines:
                self._talk(lines)

    def _talk(self, lines: Any) -> None:
        def say(text: str) -> None:
            lines.write(text.encode() + b"\r\n")
            lines.flush()

        say("220 here")
        while line := lines.readline():
            word = line.split()[0].upper()
            if word == b"DATA":
                say("354 go on")
                body = b""
                while not body.endswith(b"\r\n.\r\n"):
                    body += lines.readline()
                self.got.append(body.decode())
            elif word == b"QUIT":
                say("221 bye")
                return
            say("250 fine")

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    made = MailServer()
    yield made
    made.close()


def notice() -> Notice:
    return notice_of(ROW, "https://tally.example/")


def test_a_webhook_is_signed_with_its_time_and_holds_no_secret(receiver: Receiver) -> None:
    made = notifier_of(f"webhook:{receiver.url}", secret="s3cret", password=None)
    made.send(notice(), 1_700_000_000_000_000_000)
    [(headers, body)] = receiver.got
    assert headers[TIMESTAMP] == "1700000000"
    assert headers[DELIVERY] == "apr_1"
    assert headers[SIGNATURE] == signature("s3cret", "1700000000", body)
    assert headers[SIGNATURE] != signature("s3cret", "1700000001", body)
    told = json.loads(body)
    assert told["link"] == "https://tally.example/approvals/apr_1"
    assert "a1b2c3d4" not in body.decode()
    assert "\u202e" not in body.decode()
    assert "hidden" not in made.name
    assert "s3cret" not in repr(made)


def test_slack_reads_no_mention_and_no_link_in_what_an_agent_wrote(receiver: Receiver) -> None:
    Slack(receiver.url).send(notice(), 0)
    told = json.loads(receiver.got[0][1])
    assert "<!channel>" not in told["text"]
    assert {block["text"]["type"] for block in told["blocks"]} == {"plain_text"}
    assert all(len(block["text"]["text"]) < 3_000 for block in told["blocks"])


def test_a_mail_has_no_header_that_an_agent_wrote(mail: MailServer) -> None:
    address = f"smtp://127.0.0.1:{mail.port}/?from=tally@shop.example&to=ann@shop.example&to=bob@shop.example"
    notifier_of(address, secret=None, password=None).send(notice(), 0)
    head, _, body = mail.got[0].partition("\r\n\r\n")
    assert [line.split(":")[0] for line in head.split("\r\n") if line[:1].strip()] == [
        "Subject", "From", "To", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
        "MIME-Version",
    ]  # fmt: skip
    assert "tally.example" in body
    assert "a1b2c3d4" not in mail.got[0]


def test_a_password_is_never_said_in_the_clear(mail: MailServer) -> None:
    with pytest.raises(Unreachable):
        Mail("127.0.0.1", mail.port, "a@b.example", ("c@d.example",), "user", "password").send(notice(), 0)
    assert mail.got == []


@pytest.mark.parametrize("status", [302, 400, 500])
def test_what_is_not_taken_did_not_arrive_and_no_redirect_is_followed(
    receiver: Receiver, status: int
) -> None:
    receiver.status = status
    for made in (Webhook(receiver.url, "s"), Slack(receiver.url)):
        with pytest.raises(Unreachable, match=str(status)):
            made.send(notice(), 0)
    assert len(receiver.got) == 2


@pytest.mark.parametrize(
    "place",
    [
        "webhook:http://shop.example/x", "webhook:https://user:pw@shop.example/x", "webhook:ftp://shop.example",
        "pigeon:x", "smtp://mail.example",
        "slack:https://", "smtp://u:pw@mail.example/?from=a@b&to=c@d", "smtp://mail.example/?from=a@b",
        "smtp://mail.example/?from=a@b&to=c%0d%0aBcc:x@y",
    ],
)  # fmt: skip
def test_no_notice_goes_where_it_could_be_read_or_misled(place: str) -> None:
    with pytest.raises(ConfigError):
        notifier_of(place, secret="s", password="p")


@pytest.mark.parametrize(
    "peer",
    [
        "169.254.169.254",
        "fe80::1%eth0",
        "::ffff:169.254.169.254",
        "0.0.0.0",
        "fd00:ec2::254",
        "100.100.100.200",
    ],
)
def test_no_notice_is_sent_to_addresses_that_give_out_secrets(peer: str) -> None:
    with pytest.raises(Unreachable):
        check_peer(peer)
    check_peer("127.0.0.1")
    check_peer("10.0.0.7")


def test_each_place_is_told_once_and_what_failed_is_tried_again_later(
    receiver: Receiver, tmp_path: Any
) -> None:
    clock = FakeClock(10**18)
    control = MemoryControl(clock=clock, ids=CountingIds())
    body = {"approval": "apr_1", "decision": "d", "run": "r", "agent": "a", "tool": "t", "arguments": {},
            "binding": "b",
            "group": "g", "because": None, "expires_ns": str(clock.now() + 3600 * 10**9)}  # fmt: skip
    control.append([Draft("approval.requested", "apr_1", body, run="r")])
    kept = StateFile(tmp_path / "notices.json")

    def told() -> Notifying:
        return Notifying(control, clock, [Webhook(receiver.url, "s")], kept, address="http://here")

    receiver.status = 500
    assert told().round() == 0
    assert told().round() == 0
    assert len(receiver.got) == 1
    [place] = kept.read()["places"].values()
    assert (place["sent"], place["failed"]) == (0, 1)
    assert "500" in place["failing"]
    clock.advance(6 * 10**9)
    receiver.status = 200
    assert told().round() == 1
    assert told().round() == 0
    clock.advance(3600 * 10**9)
    control.append([Draft("approval.expired", "apr_1", {"approval": "apr_1"}, run="r")])
    told().round()
    assert kept.read()["notices"] == {}
