"""Approvals as a state machine over both stores: used once, in time, and by a yes of as many people as were asked."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from journal_samples import salted
from store_samples import Clock, Ids

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.sqlite import SqliteControl
from tallystick.model.errors import TallystickError
from tallystick.model.journal import Draft

NAMES = st.sampled_from(["ann", "Ann", "bob", "eve"])
WHICH = st.sampled_from(["apr_1", "apr_2"])
FACTS = {"untrusted": ["to"], "leaks": ["pii"]}


class Approvals(RuleBasedStateMachine):
    """Does the same to both stores, and keeps its own simple account of what may be used."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock, self.ids = Clock(), (Ids(), Ids())
        self.stores = (
            MemoryControl(clock=self.clock, ids=self.ids[0]),
            SqliteControl(self.folder / "control.db", clock=self.clock, ids=self.ids[1]),
        )
        self.latest = self.clock.at
        self.asked: dict[str, dict[str, Any]] = {}
        self.words = 0

    def teardown(self) -> None:
        for store in self.stores:
            store.verify()
            assert store.rebuild()["changed"] == 0
        self.stores[1].close()
        shutil.rmtree(self.folder)

    def write(self, *drafts: Draft) -> bool:
        said = []
        for store in self.stores:
            try:
                store.append(list(drafts))
                said.append("")
            except TallystickError as error:
                said.append(f"{error.code}: {error.message}")
        assert said[0] == said[1]
        if not said[0]:
            self.latest = max(self.latest, self.clock.at)
        return not said[0]

    @rule(name=WHICH, quorum=st.integers(1, 3), lasts=st.integers(1, 40), editable=st.booleans())
    def ask(self, name: str, quorum: int, lasts: int, editable: bool) -> None:
        expires = self.clock.at + lasts
        body = {"approval": name, "decision": "dec_1", "run": "r", "agent": "a", "tool": "pay",
                "arguments": {"to": salted("DE1", 1)}, "shown": {}, "binding": "b", "group": "g", "because": None,
                "expires_ns": str(expires), "quorum": quorum, "facts": FACTS, "editable": editable}  # fmt: skip
        if self.write(Draft("approval.requested", name, body, run="r")):
            assert name not in self.asked
            self.asked[name] = {"quorum": quorum, "expires": expires, "yes": set(), "state": "waiting"}

    @rule(name=WHICH, by=NAMES, answer=st.sampled_from(["approved", "rejected", "perhaps"]))
    def answer(self, name: str, by: str, answer: str) -> None:
        body = {"approval": name, "answer": answer, "by": by, "note": None, "binding": "b"}
        if not self.write(Draft("approval.answered", name, body, run="r", actor=by)):
            return
        one = self.asked[name]
        assert one["state"] == "waiting"
        assert self.clock.at < one["expires"]
        if answer == "approved":
            assert by.lower() not in one["yes"]
            one["yes"].add(by.lower())
            one["state"] = "approved" if len(one["yes"]) == one["quorum"] else "waiting"
        else:
            assert answer == "rejected"
            one["state"] = "rejected"

    @rule(name=WHICH, by=NAMES, argument=st.sampled_from(["to", "tool"]))
    def edit(self, name: str, by: str, argument: str) -> None:
        body = {"approval": name, "arguments": {argument: salted("DE2", 2)}, "by": by, "note": None}
        if self.write(Draft("approval.edited", name, body, run="r", actor=by)):
            assert self.asked[name]["state"] == "waiting"
            assert argument == "to"
            self.asked[name]["state"] = "edited"

    @rule(name=WHICH)
    def expire(self, name: str) -> None:
        if self.write(Draft("approval.expired", name, {"approval": name}, run="r")):
            assert self.asked[name]["state"] == "waiting"
            self.asked[name]["state"] = "expired"

    @rule(name=WHICH, binding=st.sampled_from(["b", "b", "c"]))
    def use(self, name: str, binding: str) -> None:
        if self.write(Draft("approval.consumed", name, {"approval": name, "binding": binding}, run="r")):
            one = self.asked[name]
            assert binding == "b"
            assert one["state"] == "edited" or (
                one["state"] == "approved" and len(one["yes"]) == one["quorum"]
            )
            assert self.latest < one["expires"]
            one["state"] = "consumed"

    @rule(name=WHICH, by=NAMES, argument=st.sampled_from(["to", "amount"]), agent=st.booleans())
    def endorse(self, name: str, by: str, argument: str, agent: bool) -> None:
        self.words += 1
        body = {"vouched": f"vch_{self.words}", "approval": name, "run": None if agent else "r",
                "agent": "a" if agent else None, "tool": "pay", "argument": argument, "value": salted("DE1", 3),
                "until_ns": str(self.clock.at + 10), "by": by}  # fmt: skip
        if self.write(Draft("value.endorsed", body["vouched"], body, run="r", actor=by)):
            one = self.asked[name]
            assert one["state"] in ("approved", "consumed")
            assert (argument, one["quorum"]) == ("to", 1)
            assert by.lower() in one["yes"]

    @rule(step=st.integers(-20, 20))
    def time_passes(self, step: int) -> None:
        """Also backwards: a process whose clock is behind writes next."""
        self.clock.at += step

    @invariant()
    def both_show_the_same(self) -> None:
        first, second = ({one.id: one for one in store.approvals()} for store in self.stores)
        assert first == second
        assert {name: one.state.value for name, one in first.items()} == {
            name: one["state"] for name, one in self.asked.items()
        }
        assert self.stores[0].vouched(self.clock.at) == self.stores[1].vouched(self.clock.at)


TestApprovals = Approvals.TestCase
TestApprovals.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
