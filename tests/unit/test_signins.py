"""Sign-ins in the journal: each one that was made, and refusals counted, at most once a minute."""

from __future__ import annotations

import threading
from typing import Any

from tallystick.adapters.memory.control import MemoryControl
from tallystick.api.auth import TELL_EVERY_S, Gate
from tallystick.api.problems import Refusal
from tallystick.api.settings import ServerSettings
from tallystick.app.signins import SignIns
from tallystick.model.errors import StoreFault
from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds

TOKEN = "correct-horse-battery-staple"


class Journal(MemoryControl):
    """Tells when something was written."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock, ids=CountingIds())
        self.wrote = threading.Semaphore(0)
        self.broken = False

    def append(self, drafts: Any, *, expecting: int | None = None) -> Any:
        try:
            if self.broken:
                raise StoreFault("no room")
            return super().append(drafts, expecting=expecting)
        finally:
            self.wrote.release()

    def bodies(self, kind: str) -> list[Any]:
        return [dict(entry.body) for entry in self.entries(kind=kind)]


def test_sign_ins_are_written_and_refusals_are_gathered() -> None:
    clock = FakeClock()
    journal = Journal(clock)
    signins = SignIns(journal, clock, lambda text: None)
    since = clock.now()
    signins.refused("form")
    assert journal.wrote.acquire(timeout=10)
    for _ in range(500):
        signins.refused("form")
        signins.refused("token")
    signins.made("link", "ann")
    assert journal.wrote.acquire(timeout=10)
    assert journal.bodies("signin.made") == [{"how": "link", "by": "ann", "token": None}]
    assert journal.bodies("signin.refused") == [{"how": "form", "count": 1, "since": str(since)}]
    signins.close()
    assert [(body["how"], body["count"]) for body in journal.bodies("signin.refused")] == [
        ("form", 1), ("form", 500), ("token", 500),
    ]  # fmt: skip
    assert journal.head()[0] == 4


def test_refusals_are_written_again_after_a_while() -> None:
    clock = FakeClock()
    journal = Journal(clock)
    signins = SignIns(journal, clock, lambda text: None, every_s=0.01)
    signins.refused("form")
    assert journal.wrote.acquire(timeout=10)
    signins.refused("form")
    assert not journal.wrote.acquire(timeout=0.1)  # the clock stands still
    clock.advance(20_000_000)
    assert journal.wrote.acquire(timeout=10)
    signins.close()


def test_what_the_journal_cannot_take_is_said_and_holds_nobody_up() -> None:
    clock, said = FakeClock(), list[str]()
    journal = Journal(clock)
    journal.broken = True
    signins = SignIns(journal, clock, said.append)
    signins.made("form", "ann")
    assert journal.wrote.acquire(timeout=10)
    signins.close()
    assert said == ["1 sign-in entries could not be written to the journal: no room"]


class Heard:
    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def made(self, how: str, by: str, token: str | None = None) -> None:
        self.told.append(("made", how, by) if token is None else ("made", how, by, token))

    def refused(self, how: str) -> None:
        self.told.append(("refused", how))


def test_a_program_s_token_is_told_once_an_hour() -> None:
    clock, heard = FakeClock(), Heard()
    gate = Gate(ServerSettings(token=TOKEN, operator="ann"), clock, heard)

    def ask(token: str) -> None:
        headers = [(b"host", b"x"), (b"authorization", f"Bearer {token}".encode())]
        try:
            gate.admit({"method": "GET", "path": "/api/runs", "headers": headers})
        except Refusal:
            assert token != TOKEN

    for token in (TOKEN, TOKEN, "wrong", TOKEN, "wrong"):
        ask(token)
    assert heard.told == [("made", "token", "ann"), ("refused", "token"), ("refused", "token")]
    clock.advance(TELL_EVERY_S * 1_000_000_000)
    ask(TOKEN)
    assert heard.told[-1] == ("made", "token", "ann")
