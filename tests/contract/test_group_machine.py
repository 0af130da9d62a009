"""Several groups and one question, as a state machine over both stores: a yes of each, and nobody for two."""

from __future__ import annotations

import shutil
import tempfile
from itertools import permutations
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from journal_samples import salted
from people_samples import person, removed
from store_samples import Clock, Ids

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.sqlite import SqliteControl
from tallystick.app.acting.approvals import reply
from tallystick.model.errors import Conflict, Denied, TallystickError
from tallystick.model.journal import Draft
from tallystick.model.people import Caller, Role, Via
from tallystick.ports import ControlStore

GROUPS = ("finance", "legal")
MEMBERS = {"ann": GROUPS, "bob": ("finance",), "ben": ("finance",), "cleo": ("legal",), "dora": ()}
NAMES = st.sampled_from(sorted(MEMBERS))
LASTS = 4_000


def could_cover(asked: dict[str, int], people: list[frozenset[str]]) -> bool:
    """Whether everybody of some people has a place of their own, tried in every way."""
    places = [group for group, count in asked.items() for _ in range(count)]
    return any(
        all(place in groups for place, groups in zip(order, people, strict=True))
        for order in permutations(places, len(people))
    )


class Groups(RuleBasedStateMachine):
    """One question to two groups; roles are withdrawn and clocks jump while people answer."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock, self.ids = Clock(), (Ids(), Ids())
        self.stores: tuple[ControlStore, ...] = (
            MemoryControl(clock=self.clock, ids=self.ids[0]),
            SqliteControl(self.folder / "control.db", clock=self.clock, ids=self.ids[1]),
        )
        self.now = {name: frozenset(groups) for name, groups in MEMBERS.items()}
        self.yes: dict[str, frozenset[str]] = {}
        self.state = "waiting"
        self.latest = 0

    def teardown(self) -> None:
        for store in self.stores:
            store.verify()
            assert store.rebuild()["changed"] == 0
            store.close()
        shutil.rmtree(self.folder)

    def both(self, deed: Any) -> TallystickError | None:
        said: list[TallystickError | None] = []
        for store, ids in zip(self.stores, self.ids, strict=True):
            try:
                deed(store, ids)
                said.append(None)
            except TallystickError as error:
                said.append(error)
        first, second = said
        assert str(first) == str(second)
        if said[0] is None:
            self.latest = max(self.latest, self.clock.at)
        return said[0]

    @initialize(finance=st.integers(1, 2), legal=st.integers(1, 2))
    def ask(self, finance: int, legal: int) -> None:
        self.asked, self.expires = {"finance": finance, "legal": legal}, self.clock.at + LASTS
        body = {
            "approval": "apr_1", "decision": "dec_1", "run": "r", "agent": "desk", "tool": "pay",
            "arguments": {"to": salted("DE1", 1)}, "shown": {}, "binding": "b", "group": "finance and legal",
            "because": None, "expires_ns": str(self.expires), "quorum": finance + legal, "groups": self.asked,
        }  # fmt: skip
        people = [person(name, groups=groups) for name, groups in MEMBERS.items()]
        assert (
            self.both(
                lambda store, _: store.append([*people, Draft("approval.requested", "apr_1", body, run="r")])
            )
            is None
        )

    @rule(name=NAMES, said=st.sampled_from(["approved"] * 9 + ["rejected"]))
    def say(self, name: str, said: str) -> None:
        self.answer(name, said)

    def answer(self, name: str, said: str) -> None:
        by = Caller(name, Role.APPROVER, Via.TOKEN, name)
        error = self.both(lambda store, ids: reply(store, self.clock, ids, "apr_1", said, by))
        if self.state == "waiting" and self.clock.at >= self.expires:
            self.state = "expired"
        if error is not None:
            may = self.now[name] & set(GROUPS)
            useless = name in self.yes or not could_cover(self.asked, [*self.yes.values(), may])
            assert self.state != "waiting" or not may or (isinstance(error, Conflict | Denied) and useless)
            return
        assert self.state == "waiting"
        assert self.now[name]
        if said == "rejected":
            self.state = "rejected"
            return
        assert name not in self.yes
        self.yes[name] = self.now[name]
        assert could_cover(self.asked, list(self.yes.values()))
        if len(self.yes) == sum(self.asked.values()):
            self.state = "approved"

    @rule(first=NAMES, second=NAMES)
    def two_say_yes(self, first: str, second: str) -> None:
        """One after the other, who may be one and the same."""
        for name in (first, second):
            self.answer(name, "approved")

    @rule(name=NAMES, groups=st.sets(st.sampled_from(GROUPS)))
    def groups_change(self, name: str, groups: set[str]) -> None:
        draft = person(name, groups=sorted(groups), kind="changed")
        if self.both(lambda store, _: store.append([draft])) is None:
            self.now[name] = frozenset(groups)

    @rule(name=NAMES)
    def leave(self, name: str) -> None:
        if self.both(lambda store, _: store.append([removed(name)])) is None:
            self.now[name] = frozenset()

    @rule()
    def use(self) -> None:
        draft = Draft("approval.consumed", "apr_1", {"approval": "apr_1", "binding": "b"}, run="r")
        if self.both(lambda store, _: store.append([draft])) is None:
            assert self.state == "approved"
            assert could_cover(self.asked, list(self.yes.values()))
            assert self.latest < self.expires
            self.state = "consumed"

    @rule(name=NAMES, groups=st.lists(st.sampled_from([*GROUPS, "board"]), max_size=3))
    def claim(self, name: str, groups: list[str]) -> None:
        """An entry that says more of a person than is so is not written."""
        if set(groups) == self.now[name]:
            return
        body = {"approval": "apr_1", "answer": "approved", "by": name, "person": name, "via": "token", "note": None,
                "binding": "b", "envelope": None, "groups": groups}  # fmt: skip
        error = self.both(
            lambda store, _: store.append([Draft("approval.answered", "apr_1", body, run="r", actor=name)])
        )
        if error is None:  # less than is so may be said
            assert groups
            assert set(groups) < self.now[name]
            self.yes[name] = frozenset(groups)
            self.state = "approved" if len(self.yes) == sum(self.asked.values()) else self.state

    @rule(step=st.integers(-600, 600))
    def time_passes(self, step: int) -> None:
        self.clock.at += step

    @invariant()
    def both_show_the_same(self) -> None:
        first, second = (store.approvals() for store in self.stores)
        assert first == second
        for one in first:
            assert one.state.value == self.state
            assert bool(one.lacking()) == (self.state == "waiting")


TestGroups = Groups.TestCase
TestGroups.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
