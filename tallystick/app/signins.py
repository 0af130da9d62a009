"""Who signed in, in the journal. Refusals are counted and written at most once a minute, so nobody can fill the disk.

Callers are on the server's event loop: nothing here blocks them. One thread writes, and what the journal cannot
take is said.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from tallystick.model.errors import TallystickError
from tallystick.model.journal import Draft
from tallystick.ports import Clock, ControlStore

EVERY_S: Final = 60.0
_MOST_WAITING: Final = 1_000
_CLOSE_WITHIN_S: Final = 10.0


class SignIns:
    """Hears of sign-ins and writes them. ``say`` is told when the journal cannot take them."""

    def __init__(
        self, control: ControlStore, clock: Clock, say: Callable[[str], None], *, every_s: float = EVERY_S
    ) -> None:
        self._control = control
        self._clock = clock
        self._say = say
        self._every_s = every_s
        self._made: deque[Draft] = deque(maxlen=_MOST_WAITING)
        self._refused: dict[str, tuple[int, int]] = {}  # how: count and time of the first
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def made(self, how: str, by: str, token: str | None = None) -> None:
        """Somebody signed in; ``how`` is link, form or token, ``token`` the id of a person's. Returns at once."""
        with self._change:
            self._made.append(Draft("signin.made", by, {"how": how, "by": by, "token": token}, actor=by))
            self._wake()

    def refused(self, how: str) -> None:
        """Somebody was refused. Returns at once."""
        with self._change:
            count, since = self._refused.get(how, (0, self._clock.now()))
            self._refused[how] = count + 1, since
            self._wake()

    def close(self) -> None:
        """Write what is left and end. Closing twice is allowed."""
        with self._change:
            self._closed = True
            self._change.notify()
            thread = self._thread
        if thread is not None:
            thread.join(_CLOSE_WITHIN_S)

    def _wake(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._work, name="tallystick-signins", daemon=True)
            self._thread.start()
        self._change.notify()

    def _work(self) -> None:
        due = 0  # when refusals may be written next
        while True:
            with self._change:
                now = self._clock.now()
                while not (self._closed or self._made or (self._refused and now >= due)):
                    self._change.wait((due - now) / 1e9 if self._refused else None)
                    now = self._clock.now()
                closed = self._closed
                drafts = list(self._made)
                self._made.clear()
                if self._refused and (closed or now >= due):
                    drafts += [_refusal(how, count, since) for how, (count, since) in self._refused.items()]
                    self._refused.clear()
                    due = now + int(self._every_s * 1e9)
            self._write(drafts)
            if closed:
                return

    def _write(self, drafts: list[Draft]) -> None:
        try:
            if drafts:
                self._control.append(drafts)
        except TallystickError as error:
            self._say(f"{len(drafts)} sign-in entries could not be written to the journal: {error.message}")


def _refusal(how: str, count: int, since: int) -> Draft:
    return Draft("signin.refused", how, {"how": how, "count": count, "since": str(since)})
