"""Notifying: people are told of approvals that wait, once by each place; what did not arrive is tried again.

No call waits for any of it: a server looks every few seconds. What was sent, and what failed, is kept beside the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from tallystick.app.reading.shapes import approval_json
from tallystick.model.errors import TallystickError, Unreachable
from tallystick.model.notice import notice_of
from tallystick.ports import Clock, ControlStore
from tallystick.ports.notify import Notifier

FIRST_AGAIN_NS: Final = 5_000_000_000
LONGEST_AGAIN_NS: Final = 600_000_000_000
_MOST: Final = 200  # approvals that are looked at


class Kept(Protocol):
    """What was sent and what failed, shared by the processes of a store."""

    def read(self) -> dict[str, Any]:
        """The document; empty where there is none."""
        ...

    def change(self, function: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Change it, one process at a time."""
        ...


class Notifying:
    """Sends what is due. Blocking; not for several threads."""

    def __init__(
        self, control: ControlStore, clock: Clock, notifiers: Sequence[Notifier], kept: Kept, *, address: str
    ) -> None:
        """``address`` is that of the server's pages."""
        self._control = control
        self._clock = clock
        self._notifiers = notifiers
        self._kept = kept
        self._address = address

    def round(self) -> int:
        """Tell every place of each approval that waits and that it was not told of; how many notices arrived."""
        waiting = list(self._control.approvals(state="waiting", limit=_MOST)) if self._notifiers else []
        known: Mapping[str, Any] = self._kept.read().get("notices", {})
        if not waiting and not known:
            return 0
        sent = 0
        for approval in reversed(waiting):  # who waits longest first
            notice = notice_of(approval_json(approval), self._address)
            for one in self._notifiers:
                key = f"{approval.id} {one.name}"
                at = self._clock.now()
                if at >= approval.expires or not _due(known.get(key), at):
                    continue
                try:
                    one.send(notice, at)
                except (TallystickError, OSError) as error:
                    self._kept.change(_failed(key, one.name, error, self._clock.now()))
                else:
                    self._kept.change(_done(key, one.name))
                    sent += 1
        names = {one.id for one in waiting}
        self._kept.change(lambda found: _forget(found, names))
        return sent


def _due(entry: Mapping[str, Any] | None, at: int) -> bool:
    return entry is None or (not entry["sent"] and at >= int(entry["again"]))


def _done(key: str, name: str) -> Callable[[dict[str, Any]], None]:
    def change(found: dict[str, Any]) -> None:
        found.setdefault("notices", {})[key] = {"sent": True, "tries": 0, "again": "0"}
        place = _place(found, name)
        place["sent"] += 1
        place["failing"] = None

    return change


def _failed(key: str, name: str, error: Exception, at: int) -> Callable[[dict[str, Any]], None]:
    why = error.message if isinstance(error, Unreachable) else type(error).__name__

    def change(found: dict[str, Any]) -> None:
        entry = found.setdefault("notices", {}).setdefault(key, {"sent": False, "tries": 0, "again": "0"})
        entry["tries"] += 1
        entry["again"] = str(at + min(FIRST_AGAIN_NS * 2 ** min(entry["tries"] - 1, 20), LONGEST_AGAIN_NS))
        place = _place(found, name)
        place["failed"] += 1
        place["failing"] = why

    return change


def _place(found: dict[str, Any], name: str) -> dict[str, Any]:
    place: dict[str, Any] = found.setdefault("places", {}).setdefault(
        name, {"sent": 0, "failed": 0, "failing": None}
    )
    return place


def _forget(found: dict[str, Any], waiting: set[str]) -> None:
    notices = found.get("notices", {})
    for key in [key for key in notices if key.partition(" ")[0] not in waiting]:
        del notices[key]
