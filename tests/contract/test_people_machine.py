"""People, roles, tokens and delegations, changed in any order, held against a plain model.

Both stores follow the same changes; what the model refuses, both refuse, and then nothing was written.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from people_samples import DAY, answered, delegation, ended, person, removed, revoked, token, waiting
from store_samples import Clock, Ids

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.sqlite import SqliteControl
from tallystick.api.auth import Gate
from tallystick.api.problems import Refusal
from tallystick.api.settings import ServerSettings
from tallystick.app.people.desk import PeopleDesk
from tallystick.model.errors import TallystickError
from tallystick.model.journal import Draft

NAMES = st.sampled_from(["ann", "bob", "cat"])
ROLES = st.sampled_from(["viewer", "operator", "approver", "admin"])
GROUPS = st.sampled_from(["finance", "legal"])
SETS = st.sets(GROUPS).map(sorted)


@dataclass
class Somebody:
    """What the model knows of one person."""

    role: str
    groups: list[str]
    gone: bool = False


@dataclass
class Known:
    """A token or a delegation of the model."""

    of: str
    until: int
    over: bool = False
    giver: str = ""
    group: str = ""
    ends: int = 0
    cookies: list[tuple[str, int, int]] = field(
        default_factory=list
    )  # cookie, its end, ends when it was opened


class Everybody(RuleBasedStateMachine):
    """The same changes to the model and to both stores."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.stores = (
            MemoryControl(clock=self.clock, ids=Ids()),
            SqliteControl(self.folder / "control.db", clock=self.clock, ids=Ids()),
        )
        self.gates = [
            Gate(ServerSettings(session_key=b"k" * 32), self.clock, None, PeopleDesk(one, self.clock, Ids()))
            for one in self.stores
        ]
        self.people: dict[str, Somebody] = {}
        self.tokens: dict[str, Known] = {}
        self.delegations: dict[str, Known] = {}
        self.made = 0

    def teardown(self) -> None:
        self.stores[1].close()
        shutil.rmtree(self.folder)

    def here(self, name: str) -> bool:
        return name in self.people and not self.people[name].gone

    def member(self, name: str, group: str) -> bool:
        return (
            self.here(name)
            and self.people[name].role in ("approver", "admin")
            and group in self.people[name].groups
        )

    def may(self, name: str, group: str) -> bool:
        if not self.here(name) or self.people[name].role not in ("approver", "admin"):
            return False
        stands_in = any(
            one.of == name and one.group == group and not one.over and self.clock.at < one.until
            and self.member(one.giver, group)
            for one in self.delegations.values()
        )  # fmt: skip
        return group in self.people[name].groups or stands_in

    def good(self, one: Known) -> bool:
        return not one.over and self.clock.at < one.until and self.here(one.of)

    def write(self, drafts: list[Draft], fine: bool) -> None:
        for store in self.stores:
            before = store.head()
            try:
                store.append(drafts)
            except TallystickError:
                assert not fine
                assert store.head() == before
            else:
                assert fine

    @rule(name=NAMES, role=ROLES, groups=SETS)
    def add(self, name: str, role: str, groups: list[str]) -> None:
        fine = name not in self.people
        self.write([person(name, role, groups)], fine)
        if fine:
            self.people[name] = Somebody(role, groups)

    @rule(name=NAMES, role=ROLES, groups=SETS)
    def change(self, name: str, role: str, groups: list[str]) -> None:
        fine = self.here(name)
        self.write([person(name, role, groups, kind="changed")], fine)
        if fine:
            self.people[name] = Somebody(role, groups)

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        fine = self.here(name)
        self.write([removed(name)], fine)
        if fine:
            self.people[name].gone = True

    @rule(name=NAMES, days=st.integers(0, 5))
    def make_token(self, name: str, days: int) -> None:
        self.made += 1
        key, until = f"tok_{self.made}", self.clock.at + days * DAY
        fine = self.here(name) and days > 0
        self.write([token(key, name, until)], fine)
        if fine:
            self.tokens[key] = Known(name, until)

    @rule(number=st.integers(1, 6))
    def revoke(self, number: int) -> None:
        known = self.tokens.get(f"tok_{number}")
        self.write([revoked(f"tok_{number}")], known is not None and not known.over)
        if known is not None:
            known.over = True

    @rule(giver=NAMES, to=NAMES, group=GROUPS, days=st.integers(0, 4))
    def delegate(self, giver: str, to: str, group: str, days: int) -> None:
        self.made += 1
        key, until = f"dlg_{self.made}", self.clock.at + days * DAY
        fine = (
            self.member(giver, group) and self.here(to) and giver != to and days > 0
            and self.people[to].role in ("approver", "admin")
        )  # fmt: skip
        self.write([delegation(key, giver, to, until, group)], fine)
        if fine:
            self.delegations[key] = Known(to, until, giver=giver, group=group)

    @rule(number=st.integers(1, 8))
    def end_delegation(self, number: int) -> None:
        known = self.delegations.get(f"dlg_{number}")
        self.write([ended(f"dlg_{number}")], known is not None and not known.over)
        if known is not None:
            known.over = True

    @rule(name=NAMES, group=GROUPS)
    def answer(self, name: str, group: str) -> None:
        """Asked and answered in one transaction: what may not be answered was not even asked."""
        self.made += 1
        key = f"apr_{self.made}"
        self.write([waiting(key, group), answered(key, name)], self.may(name, group))

    @rule(number=st.integers(1, 6))
    def sign_in(self, number: int) -> None:
        key = f"tok_{number}"
        known = self.tokens.get(key)
        for gate in self.gates:
            cookie = gate.sign_in(key, f"address {self.made}", secure=False)
            assert (cookie is not None) == (known is not None and self.good(known))
            if cookie is not None and known is not None and gate is self.gates[0]:
                until = min(self.clock.at // 10**9 + 12 * 3600, known.until // 10**9)
                known.cookies.append((cookie.partition(";")[0], until, known.ends))
        self.made += 1

    @rule(number=st.integers(1, 6))
    def sign_out(self, number: int) -> None:
        key = f"tok_{number}"
        known = self.tokens.get(key)
        self.write([Draft("signin.ended", "x", {"token": key, "by": "x"})], known is not None)
        if known is not None and self.good(known):
            known.ends += 1

    @rule(hours=st.integers(1, 40))
    def wait(self, hours: int) -> None:
        self.clock.at += hours * 3600 * 10**9

    @rule()
    def rebuild(self) -> None:
        assert [store.rebuild()["changed"] for store in self.stores] == [0, 0]

    @invariant()
    def both_stores_say_what_the_model_says(self) -> None:
        first, second = (store.people() for store in self.stores)
        assert first == second
        assert self.stores[0].people_revision() == self.stores[1].people_revision() == first.revision
        assert first.exist == bool(self.people)
        for name in ("ann", "bob", "cat"):
            groups = [group for group in ("finance", "legal") if self.may(name, group)]
            assert first.groups_of(name, self.clock.at) == groups
        for key, known in self.tokens.items():
            found = first.by_token(key, self.clock.at)
            assert (found is not None) == self.good(known)

    @invariant()
    def doors_let_in_whom_the_model_lets_in(self) -> None:
        for key, known in self.tokens.items():
            for gate in self.gates:
                caller = admitted(gate, ("authorization", f"Bearer {key}"))
                assert (caller.person if caller is not None else None) == (
                    known.of if self.good(known) else None
                )
                assert caller is None or caller.role == self.people[known.of].role
                for cookie, until, ends in known.cookies:
                    open_still = self.good(known) and ends == known.ends and self.clock.at // 10**9 < until
                    found = admitted(gate, ("cookie", cookie))
                    assert (found is not None and found.person == known.of) == open_still


def admitted(gate: Gate, header: tuple[str, str]) -> Any:
    """The caller behind one header, None where nobody is let in."""
    headers = [(b"host", b"localhost"), (header[0].encode(), header[1].encode())]
    try:
        return gate.admit(
            {"method": "GET", "path": "/api/runs", "headers": headers, "client": (header[1], 1)}
        )
    except Refusal:
        return None


Everybody.TestCase.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)  # fmt: skip
TestEverybody = Everybody.TestCase
