"""What every scene stands on: a store, the desk's project folder, and a recording that is switched on once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tallystick
from tallystick import wiring
from tallystick.app.acting.approvals import answer as answer_approval
from tallystick.app.acting.approvals import edit as edit_approval
from tallystick.config import load
from tallystick.demo import facts
from tallystick.demo.child import Child
from tallystick.demo.desk import Desk, answer
from tallystick.demo.orders import Orders
from tallystick.demo.project_folder import DESK, lay_out
from tallystick.model import attributes
from tallystick.model.control import Approval
from tallystick.model.errors import AnswerIsNo
from tallystick.model.people import unnamed
from tallystick.testing import ModelServer, Script

MODELS = ("gpt-4o-mini", "gpt-4.1-mini")


class Stage:
    """One store and one desk folder; made by ``open_stage``."""

    def __init__(self, store: Path, stores: wiring.Stores, child: Child) -> None:
        self.store = store
        self.folder = store / DESK
        self.settings = load({"store": str(store)}, os.environ, self.folder)
        self.stores = stores
        self.child = child
        self.reader = wiring.reader(stores)
        self.orders = Orders(self.folder / "orders.db")

    def play(
        self, ticket: str, script: Script, *, budget: str | None = None, rights: Sequence[str] | None = None
    ) -> tuple[str, str | None, ModelServer]:
        """Let the desk answer a ticket: (run id, text or None when the guard ended the run, the model server)."""
        runs: list[str] = []
        text: str | None = None
        with ModelServer(script, models=MODELS) as server:
            desk = Desk(self.folder, server.url)
            try:
                text = answer(desk, ticket, budget=budget, started=runs.append, rights=rights)
            except AnswerIsNo:
                text = None  # that the run was ended, and by what, is read from the store
            finally:
                desk.close()
        self.settle()
        return runs[0], text, server

    def settle(self) -> None:
        """Wait until everything recorded so far is in the store."""
        tallystick.flush()

    def adopt(self) -> None:
        """Take over what a process that died had written down and not yet delivered."""
        wiring.adopt(self.stores)

    def run(self, run: str) -> dict[str, Any]:
        """A run as ``tally runs show RUN --json`` gives it."""
        return self.reader.run(run)

    def output(self, shown: dict[str, Any]) -> str | None:
        """The text that a run gave to the customer, as it was recorded; None when it gave none."""
        step = facts.output_step(shown)
        if step is None:
            return None
        text = self.reader.step(shown["run"]["run"], step)["attributes"].get(attributes.OUTPUT)
        return None if text is None else str(text)

    def waiting(self) -> list[Approval]:
        """Approvals that wait for a person."""
        return list(self.stores.control.approvals(state="waiting"))

    def approve(self, approval: str, *, by: str, note: str) -> None:
        """Say yes the way the command line and the page do it, signed. Raises Conflict when somebody was first."""
        answer_approval(
            self.stores.control, wiring.clock(), wiring.ids(), approval, "approved", by=unnamed(by), note=note,
            sign=wiring.journal.sign_answers(self.store, self.settings),
        )  # fmt: skip

    def edit(self, approval: str, changes: Mapping[str, Any], *, by: str, note: str) -> None:
        """Propose other values for a held call, signed; the guard that waits decides the changed call anew."""
        edit_approval(
            self.stores.control, wiring.clock(), wiring.ids(), approval, changes, by=unnamed(by), note=note,
            sign=wiring.journal.sign_answers(self.store, self.settings),
        )  # fmt: skip


@contextmanager
def open_stage(store: Path) -> Iterator[Stage]:
    """Lay the project out, open the store, switch recording on; off and closed again at the end."""
    folder = lay_out(store / DESK)
    child = Child(store)
    stores = wiring.open_stores(store)
    try:
        tallystick.init(agent="planner", store=store, project=folder)
        yield Stage(store, stores, child)
    finally:
        child.close()
        tallystick.shutdown()
        stores.close()
