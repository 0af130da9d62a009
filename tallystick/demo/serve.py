"""After the scenes: one more refund that waits for the user, and the pages that show everything."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

import tallystick
from tallystick import wiring
from tallystick.config import Settings
from tallystick.demo import script
from tallystick.demo.desk import Desk, answer
from tallystick.demo.project_folder import DESK
from tallystick.demo.stage import MODELS
from tallystick.model.errors import AnswerIsNo
from tallystick.testing import ModelServer


class WaitingRefund:
    """A desk that works on a refund of 250 dollars and stands still at the guard until somebody answers.

    A context manager: the desk runs in a thread beside the server and ends with it, or when it was answered.
    """

    ticket = "Order A-1006: the stand mixer arrived with a broken bowl. Please refund it."

    def __init__(self, store: Path) -> None:
        self._store = store
        self._server = ModelServer(script.desk(script.refund_in_full()), models=MODELS)
        self._thread = threading.Thread(target=self._work, name="refund-desk", daemon=True)

    def __enter__(self) -> WaitingRefund:
        folder = self._store / DESK
        tallystick.init(agent="planner", store=self._store, project=folder)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        tallystick.shutdown()

    def _work(self) -> None:
        desk = Desk(self._store / DESK, self._server.url)
        try:
            answer(desk, self.ticket)
        except AnswerIsNo:
            return  # the run is recorded as stopped; there is nobody here to tell
        finally:
            desk.close()


def serve(store: Path, settings: Settings) -> None:
    """Serve the store's pages until interrupted, with one held refund to approve on them."""
    with WaitingRefund(store):
        wiring.serve(store, settings)
