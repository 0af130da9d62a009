"""One suite for every control store: what an entry needs, what it does, and that the journal is the truth."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.sqlite import SqliteControl
from tallystick.model.errors import BadInput, Conflict, OverBudget, StoreFault, TallystickError, UnknownThing
from tallystick.model.journal import Draft
from tallystick.ports import ControlStore
from tallystick.proof.merkle import EMPTY_ROOT, root_of
from tallystick.testing import CountingIds, FakeClock

HOUR = 3_600_000_000_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_000_000_000)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[ControlStore]:
    made: ControlStore
    if request.param == "memory":
        made = MemoryControl(clock=clock, ids=CountingIds())
    else:
        made = SqliteControl(tmp_path / "control.db", clock=clock, ids=CountingIds())
    yield made
    made.verify()
    assert made.rebuild()["changed"] == 0
    made.close()
    made.close()


def declared(name: str, digest: str = "d1", type: str = "tool") -> Draft:
    body = {
        "type": type,
        "name": name,
        "digest": digest,
        "version": None,
        "body": {"effect": "read", "price": None},
    }
    return Draft("object.declared", f"{type}:{name}", body)


def budget(scope: str, limit: int, mode: str = "hard", name: str | None = None) -> Draft:
    named = name or scope
    return Draft("budget.set", named, {"budget": named, "scope": scope, "limit_nano": limit, "mode": mode})


def hold(id: str, amount: int, *scopes: str, expires: int = HOUR) -> Draft:
    body = {
        "hold": id,
        "amount_nano": amount,
        "scopes": list(scopes),
        "run": "r",
        "for": "model",
        "expires_ns": expires,
    }
    return Draft("hold.taken", id, body, run="r")


def settle(id: str, spent: int, basis: str = "reported") -> Draft:
    return Draft("hold.settled", id, {"hold": id, "spent_nano": spent, "basis": basis}, run="r")


def request(id: str, binding: str = "b1", expires: int = HOUR) -> Draft:
    body = {
        "approval": id, "decision": "dec_1", "run": "r", "agent": "a", "tool": "refund", "arguments": {"amount": "400"},
        "binding": binding, "group": "finance", "because": "over 100", "expires_ns": expires,
    }  # fmt: skip
    return Draft("approval.requested", id, body, run="r")


def reply(id: str, what: str = "approved") -> Draft:
    return Draft(
        "approval.answered", id, {"approval": id, "answer": what, "by": "ann", "note": None}, run="r"
    )


def consume(id: str, binding: str = "b1") -> Draft:
    return Draft("approval.consumed", id, {"approval": id, "binding": binding}, run="r")


def expire(id: str) -> Draft:
    return Draft("approval.expired", id, {"approval": id}, run="r")


def money(store: ControlStore, scope: str) -> tuple[int, int]:
    [found] = store.budgets(scope)
    return found.spent_nano, found.held_nano


def test_an_empty_journal(store: ControlStore) -> None:
    assert store.head() == (0, EMPTY_ROOT)
    assert store.append([]) == ()
    assert list(store.entries()) == []
    assert store.stopped("r") is None


def test_entries_are_numbered_and_found(store: ControlStore, clock: FakeClock) -> None:
    first, second = store.append([declared("a"), budget("agent:a", 5)])
    clock.advance(seconds=1)
    [third] = store.append(
        [Draft("run.stopped", "r", {"run": "r", "by": "loop", "reason": "x", "detail": {}}, run="r")]
    )
    assert [one.seq for one in store.entries()] == [1, 2, 3]
    assert third.at == first.at + 1_000_000_000
    assert store.head() == (3, root_of(bytes.fromhex(one.digest) for one in (first, second, third)))
    assert list(store.entries(after=1, limit=1)) == [second]
    assert list(store.entries(kind="object.*")) == [first]
    assert list(store.entries(kind="budget.set")) == [second]
    assert list(store.entries(run="r")) == [third]
    assert list(store.entries(subject="agent:a")) == [second]
    assert store.stopped("r") == third


def test_unknown_or_incomplete_entries_are_refused_and_nothing_is_written(store: ControlStore) -> None:
    for wrong in (Draft("no.such", "x", {}), Draft("budget.set", "x", {}), budget("a", 1, mode="maybe")):
        with pytest.raises(BadInput):
            store.append([declared("kept-out"), wrong])
    with pytest.raises(BadInput):
        store.append([Draft("effect.started", "x", {"odd": object()})])
    assert store.head() == (0, EMPTY_ROOT)
    assert list(store.declared()) == []


def test_the_registry_shows_the_newest_digest_and_not_what_is_retired(store: ControlStore) -> None:
    store.append([declared("b"), declared("a"), declared("a", "d2"), declared("z", type="agent")])
    assert [(one.type, one.name, one.digest) for one in store.declared()] == [
        ("agent", "z", "d1"), ("tool", "a", "d2"), ("tool", "b", "d1"),
    ]  # fmt: skip
    store.append([Draft("object.retired", "tool:a", {"type": "tool", "name": "a"})])
    assert [one.name for one in store.declared("tool")] == ["b"]
    with pytest.raises(UnknownThing):
        store.append([Draft("object.retired", "tool:q", {"type": "tool", "name": "q"})])


def test_an_approval_is_answered_once_and_used_once(store: ControlStore) -> None:
    store.append([request("apr_1")])
    with pytest.raises(Conflict):
        store.append([consume("apr_1")])
    store.append([reply("apr_1")])
    assert store.approval("apr").by == "ann"
    with pytest.raises(Conflict):
        store.append([reply("apr_1", "rejected")])
    with pytest.raises(Conflict):
        store.append([consume("apr_1", "other")])
    store.append([consume("apr_1")])
    with pytest.raises(Conflict):
        store.append([consume("apr_1")])
    assert [one.state.value for one in store.approvals(state="consumed", run="r")] == ["consumed"]


def test_an_approval_that_is_late_or_rejected_cannot_be_used(store: ControlStore, clock: FakeClock) -> None:
    store.append(
        [
            request("apr_1", expires=clock.now() + 10),
            request("apr_2"),
            request("apr_3", expires=clock.now() + 10),
        ]
    )
    store.append([reply("apr_1"), reply("apr_2", "rejected")])
    clock.advance(seconds=1)
    for late in (consume("apr_1"), consume("apr_2"), reply("apr_3")):
        with pytest.raises(Conflict):
            store.append([late])
    store.append([expire("apr_3")])
    with pytest.raises(Conflict):
        store.append([expire("apr_3")])
    with pytest.raises(UnknownThing):
        store.approval("apr")
    with pytest.raises(UnknownThing):
        store.approval("")


def test_a_hold_fits_every_scope_or_none(store: ControlStore) -> None:
    store.append([budget("agent:a", 100), budget("workflow:w", 50)])
    store.append([hold("h1", 40, "agent:a", "workflow:w", "tool:free")])
    assert money(store, "agent:a") == money(store, "workflow:w") == (0, 40)
    with pytest.raises(OverBudget) as caught:
        store.append([hold("h2", 20, "agent:a", "workflow:w")])
    assert caught.value.detail == {
        "scope": "workflow:w", "limit_nano": 50, "spent_nano": 0, "held_nano": 40, "needed_nano": 20,
    }  # fmt: skip
    assert money(store, "agent:a") == (0, 40)
    store.append([settle("h1", 45)])  # more than was held: it is spent all the same
    assert money(store, "agent:a") == (45, 0)
    with pytest.raises(Conflict):
        store.append([settle("h1", 0)])
    with pytest.raises(UnknownThing):
        store.append([settle("h9", 0)])


def test_a_budget_for_every_run_counts_each_run_by_itself(store: ControlStore) -> None:
    store.append([budget("run:*", 10)])
    store.append([hold("h1", 10, "run:one"), hold("h2", 10, "run:two")])
    with pytest.raises(OverBudget):
        store.append([hold("h3", 1, "run:one")])
    store.append([settle("h1", 3)])
    store.append([hold("h4", 7, "run:one")])
    assert money(store, "run:one") == (3, 7)
    assert money(store, "run:*") == (0, 0)


def test_soft_budgets_count_and_never_refuse(store: ControlStore) -> None:
    store.append([budget("agent:a", 10, mode="soft")])
    store.append([hold("h1", 25, "agent:a"), settle("h1", 25)])
    assert money(store, "agent:a") == (25, 0)
    store.append([budget("agent:a", 30)])  # a new limit keeps what was spent
    with pytest.raises(OverBudget):
        store.append([hold("h2", 6, "agent:a")])


def test_a_hold_whose_time_is_up_counts_as_spent_before_new_money_is_held(
    store: ControlStore, clock: FakeClock
) -> None:
    store.append([budget("agent:a", 10)])
    store.append([hold("h1", 6, "agent:a", expires=clock.now() + 5)])
    clock.advance(seconds=1)
    [entry] = store.append([hold("h2", 4, "agent:a")])
    assert entry.kind == "hold.taken"
    assert money(store, "agent:a") == (6, 4)
    assert [one.body["basis"] for one in store.entries(kind="hold.settled")] == ["assumed"]


def test_several_entries_are_one_transaction(store: ControlStore) -> None:
    store.append([budget("run:r", 5), request("apr_1")])
    store.append([reply("apr_1")])
    with pytest.raises(OverBudget):
        store.append([consume("apr_1"), hold("h1", 6, "run:r")])
    assert store.approval("apr_1").state.value == "approved"


drafts = st.one_of(
    st.builds(declared, st.sampled_from("ab"), st.sampled_from(["d1", "d2"])),
    st.builds(
        budget, st.sampled_from(["agent:a", "run:*", "run:r"]), st.integers(0, 20), st.sampled_from(["hard", "soft"])
    ),
    st.builds(hold, st.sampled_from(["h1", "h2", "h3"]), st.integers(-1, 15), st.just("agent:a"), st.just("run:r")),
    st.builds(settle, st.sampled_from(["h1", "h2", "h3"]), st.integers(-1, 20)),
    st.builds(request, st.sampled_from(["apr_1", "apr_2"])),
    st.builds(reply, st.sampled_from(["apr_1", "apr_2"]), st.sampled_from(["approved", "rejected", "maybe"])),
    st.builds(consume, st.sampled_from(["apr_1", "apr_2"]), st.sampled_from(["b1", "b2"])),
    st.builds(expire, st.sampled_from(["apr_1", "apr_2"])),
)  # fmt: skip


@given(st.lists(st.lists(drafts, min_size=1, max_size=3), max_size=12))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_stores_answer_alike_and_hard_budgets_hold(
    tmp_path_factory: pytest.TempPathFactory, batches: list
) -> None:
    path = tmp_path_factory.mktemp("alike") / "control.db"
    memory = MemoryControl(clock=FakeClock(5), ids=CountingIds())
    sqlite = SqliteControl(path, clock=FakeClock(5), ids=CountingIds())
    for batch in batches:
        before = {one.name: one for one in memory.budgets()}
        answers = [_outcome(one, batch) for one in (memory, sqlite)]
        assert answers[0] == answers[1]
        for one in memory.budgets():
            known = before.get(one.name)
            if (
                one.mode == "hard"
                and known
                and one.held_nano > known.held_nano
                and one.limit_nano >= known.limit_nano
            ):
                assert one.held_nano + one.spent_nano <= one.limit_nano
    for ask in (
        lambda s: s.declared(),
        lambda s: s.approvals(),
        lambda s: s.budgets(),
        lambda s: s.effects(),
        lambda s: s.entries(limit=10**6),
    ):
        assert [_without_id(one) for one in ask(memory)] == [_without_id(one) for one in ask(sqlite)]
    assert memory.rebuild() | {"x": 0} == _plural(sqlite.rebuild()) | {"x": 0}
    sqlite.close()


def _plural(sizes: dict) -> dict:
    plurals = {
        "approval": "approvals", "budget": "budgets", "hold": "holds", "version": "versions", "label": "labels",
        "alias": "aliases", "definition": "definitions", "switch": "switches", "person": "persons",
        "token": "tokens", "delegation": "delegations", "effect": "effects",
    }  # fmt: skip
    return {plurals.get(key, key): count for key, count in sizes.items()}


def _outcome(store: ControlStore, batch: list) -> object:
    try:
        return [one.digest for one in store.append(batch)] and "written"
    except TallystickError as error:
        return (error.code, error.message)


def _without_id(row: object) -> list:
    names = (
        [name for name in row.__slots__ if name not in ("id", "digest", "previous")]
        if hasattr(row, "seq")
        else row.__slots__
    )
    return [(name, getattr(row, name)) for name in names]


def test_the_journal_refuses_change_and_a_changed_one_is_noticed(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "control.db"
    store = SqliteControl(path, clock=clock, ids=CountingIds())
    store.append([budget("agent:a", 1), budget("agent:b", 2)])
    raw = sqlite3.connect(path)
    for sql in ("UPDATE journal SET actor = 'x'", "DELETE FROM journal"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(sql)
    raw.execute("DROP TRIGGER journal_stays")
    raw.execute("UPDATE journal SET actor = 'somebody else' WHERE seq = 2")
    raw.execute("UPDATE budget SET spent_nano = -5")
    raw.commit()
    raw.close()
    with pytest.raises(StoreFault, match="entry 2"):
        store.verify()
    assert store.rebuild()["changed"] == 1
    assert money(store, "agent:a") == (0, 0)
    store.close()


RACER = """
import json, sys
from pathlib import Path
from tallystick.adapters.clock import SystemClock
from tallystick.adapters.ids import TimeIds
from tallystick.adapters.sqlite import SqliteControl
from tallystick.model.errors import OverBudget
from tallystick.model.journal import Draft
store, taken, ids = SqliteControl(Path(sys.argv[1]), clock=SystemClock(), ids=TimeIds()), 0, TimeIds()
sys.stdin.readline()
for number in range(40):
    name = ids.new("hld")
    body = {"hold": name, "amount_nano": 7, "scopes": ["agent:a"], "run": "r", "for": "x", "expires_ns": 2**62}
    try:
        store.append([Draft("hold.taken", name, body)])
        taken += 1
        if number % 2:
            store.append([Draft("hold.settled", name, {"hold": name, "spent_nano": 7, "basis": "reported"})])
    except OverBudget:
        pass
print(json.dumps(taken))
"""


def test_processes_that_race_for_a_budget_never_pass_it(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "control.db"
    store = SqliteControl(path, clock=clock, ids=CountingIds())
    store.append([budget("agent:a", 7 * 50)])
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    outs = [racer.communicate("go\n", timeout=60)[0] for racer in racers]
    assert sum(json.loads(out) for out in outs) == 50
    spent, held = money(store, "agent:a")
    assert spent + held == 7 * 50
    store.verify()
    assert store.rebuild()["changed"] == 0
    store.close()
