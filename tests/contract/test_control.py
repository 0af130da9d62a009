"""What every control store must do (ports.ControlStore)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_samples import Clock, Ids

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.sqlite import SqliteControl
from tallystick.model.control import ApprovalState, Budget
from tallystick.model.errors import BadInput, Conflict, OverBudget, TallystickError, UnknownThing
from tallystick.model.journal import Draft, leaf_bytes, leaf_digest
from tallystick.proof.merkle import EMPTY_ROOT, root_of

FAR = 1_700_000_000 * 10**9 + 10**15


def budget(name="run-limit", scope="run:*", limit=100, mode="hard"):
    return Draft("budget.set", name, {"budget": name, "scope": scope, "limit_nano": limit, "mode": mode})


def hold(name, amount, *scopes, expires=FAR):
    body = {
        "hold": name,
        "amount_nano": amount,
        "scopes": list(scopes),
        "run": "1",
        "for": "step",
        "expires_ns": expires,
    }
    return Draft("hold.taken", name, body, run="1")


def settle(name, spent, basis="reported"):
    return Draft("hold.settled", name, {"hold": name, "spent_nano": spent, "basis": basis})


def request(name="apr_1", expires=FAR, run="r1"):
    return Draft("approval.requested", name, {
        "approval": name, "decision": "dec_1", "run": run, "agent": "refunds", "tool": "refund",
        "arguments": {"amount": "900.00"}, "binding": "b" * 64, "group": "finance", "because": None,
        "expires_ns": expires,
    }, run=run)  # fmt: skip


def answer(name="apr_1", word="approved"):
    return Draft("approval.answered", name, {"approval": name, "answer": word, "by": "ann", "note": None})


def consume(name="apr_1", binding="b" * 64):
    return Draft("approval.consumed", name, {"approval": name, "binding": binding})


def declare(name="refunds", kind="agent", digest="d" * 64, **body):
    return Draft(
        "object.declared", name, {"type": kind, "name": name, "digest": digest, "version": "1", "body": body}
    )


def leaves(entries):
    return [bytes.fromhex(entry.digest) for entry in entries]


def test_entries_are_leaves_of_one_tree(control, clock):
    assert control.head() == (0, EMPTY_ROOT)
    first, second = control.append([declare(), budget()])
    assert (first.seq, second.seq, first.previous) == (1, 2, None)
    assert (first.at, first.actor) == (clock.at, "tallystick")
    (third,) = control.append([declare("writer")])
    assert control.head() == (3, root_of(leaves([first, second, third])))
    assert list(control.entries()) == [first, second, third]
    assert control.verify() == 3


def test_an_entry_reads_the_same_now_and_later(control):
    body = {"state": "enforced", "digest": "d", "files": ("a.cedar",), "worth": Decimal("1.50"), "n": 2**60,
            "whole": 1e20, "one": 1.0, "ü": {3: False}}  # fmt: skip
    (entry,) = control.append([Draft("policy.loaded", "set", body)])
    assert [entry] == list(control.entries())
    assert entry.body == {
        "state": "enforced", "digest": "d", "files": ["a.cedar"], "worth": "1.50", "n": str(2**60),
        "whole": str(10**20), "one": 1, "ü": {"3": False},
    }  # fmt: skip
    assert leaf_digest(leaf_bytes(entry)) == entry.digest
    assert control.verify() == 1


@pytest.mark.parametrize(
    "draft",
    [
        Draft("moon.landed", "x", {}),
        Draft("budget.set", "x", {"budget": "x"}),
        Draft("budget.set", "x", {"budget": "x", "scope": "run:*", "limit_nano": 1, "mode": "strict"}),
        Draft("hold.taken", "x", {"hold": "x", "amount_nano": -1, "scopes": [], "expires_ns": 1}),
        Draft("policy.loaded", "x", {"state": object}),
        Draft("policy.loaded", "x", {"state": "\ud800"}),
        Draft("policy.loaded", "\ud800", {"state": "x"}),
        Draft("effect.started", "x", {"detail": [{"commitment": "of an agent's making"}]}),
        Draft("effect.started", "x", {1: "a", "1": "b"}),
        Draft("effect.started", "x", {"n": 10**5000}),
    ],
    ids=lambda draft: draft.kind,
)
def test_what_cannot_be_read_is_refused_and_nothing_is_written(control, draft):
    with pytest.raises(BadInput):
        control.append([declare(), draft])
    assert control.head() == (0, EMPTY_ROOT)
    assert control.declared() == []


def test_entries_are_found_by_kind_run_and_subject(control):
    control.append([request(), answer(), declare(), request("apr_2", run="r2")])
    assert [entry.seq for entry in control.entries(kind="approval.*")] == [1, 2, 4]
    assert [entry.seq for entry in control.entries(kind="approval.requested", run="r2")] == [4]
    assert [entry.seq for entry in control.entries(subject="apr_1", after=1)] == [2]
    assert [entry.seq for entry in control.entries(limit=2)] == [1, 2]
    assert [entry.seq for entry in control.entries(newest=True, limit=2)] == [4, 3]
    assert [entry.seq for entry in control.entries(kind="approval.*", newest=True, after=1)] == [4, 2]
    assert [entry.seq for entry in control.entries(kind="approval.requested", newest=True, limit=1)] == [4]
    assert [entry.seq for entry in control.entries(subject="apr_1", newest=True, limit=1)] == [2]
    assert [entry.seq for entry in control.entries(run="r1", subject="apr_1", newest=True)] == [1]
    assert list(control.entries(subject="nobody", newest=True)) == []


def test_declared_objects_follow_the_journal(control):
    control.append([declare(), declare("refund", "tool", effect="write"), declare("writer")])
    control.append(
        [
            declare("writer", digest="e" * 64),
            Draft("object.retired", "refunds", {"type": "agent", "name": "refunds"}),
        ]
    )
    assert [(one.type, one.name, one.digest[0]) for one in control.declared()] == [
        ("agent", "writer", "e"),
        ("tool", "refund", "d"),
    ]
    assert control.declared("tool")[0].body == {"effect": "write"}
    with pytest.raises(UnknownThing):
        control.append([Draft("object.retired", "x", {"type": "agent", "name": "nobody"})])


def test_an_approval_is_answered_once_and_used_once(control, clock):
    control.append([request()])
    with pytest.raises(Conflict):
        control.append([request()])
    with pytest.raises(Conflict):
        control.append([consume()])
    clock.at += 5
    control.append([answer()])
    approval = control.approval("apr")
    assert (approval.state, approval.by, approval.answered) == (ApprovalState.APPROVED, "ann", clock.at)
    for draft in (answer(), answer(word="rejected"), consume(binding="c" * 64)):
        with pytest.raises(Conflict):
            control.append([draft])
    control.append([consume()])
    assert control.approval("apr_1").state is ApprovalState.CONSUMED
    with pytest.raises(Conflict):
        control.append([consume()])
    assert control.verify() == 3


def test_an_approval_past_its_time_is_worth_nothing(control, clock):
    control.append([request(expires=clock.at + 10), request("apr_2", expires=clock.at + 10)])
    control.append([answer("apr_2")])
    clock.at += 10
    with pytest.raises(Conflict):
        control.append([answer()])
    with pytest.raises(Conflict):
        control.append([consume("apr_2")])
    control.append([Draft("approval.expired", "apr_1", {"approval": "apr_1"})])
    assert control.approval("apr_1").state is ApprovalState.EXPIRED


def test_approvals_are_listed_newest_first(control, clock):
    for number in range(3):
        clock.at += 1
        control.append([request(f"apr_{number}", run=f"r{number % 2}")])
    control.append([answer("apr_1")])
    assert [one.id for one in control.approvals()] == ["apr_2", "apr_1", "apr_0"]
    assert [one.id for one in control.approvals(state="waiting", run="r0")] == ["apr_2", "apr_0"]
    assert [one.id for one in control.approvals(limit=1)] == ["apr_2"]
    for prefix in ("apr_", "", "nothing"):
        with pytest.raises(UnknownThing):
            control.approval(prefix)


def test_a_hard_budget_holds_in_every_scope_at_once(control):
    control.append([budget("each run", "run:*", 100), budget("agent", "agent:refunds", 150)])
    control.append([hold("h1", 90, "run:1", "agent:refunds", "tool:free")])
    with pytest.raises(OverBudget) as caught:
        control.append([hold("h2", 20, "run:1", "agent:refunds")])
    detail = caught.value.detail
    names = ("scope", "limit_nano", "spent_nano", "held_nano", "needed_nano")
    assert [detail[name] for name in names] == ["run:1", 100, 0, 90, 20]
    control.append([hold("h3", 60, "run:2", "agent:refunds")])  # another run counts by itself
    with pytest.raises(OverBudget) as caught:
        control.append([hold("h4", 1, "run:3", "agent:refunds")])  # fits its run, not the agent
    assert caught.value.detail["scope"] == "agent:refunds"
    assert all(one.held_nano == 0 for one in control.budgets("run:3"))
    control.append([settle("h1", 40)])
    (agent,) = control.budgets("agent:refunds")
    assert (agent.spent_nano, agent.held_nano) == (40, 60)
    with pytest.raises(Conflict):
        control.append([settle("h1", 0)])
    with pytest.raises(UnknownThing):
        control.append([settle("nothing", 0)])
    with pytest.raises(Conflict):
        control.append([hold("h1", 1)])


def test_a_batch_is_all_or_nothing(control):
    control.append([budget("agent", "agent:a", 100)])
    with pytest.raises(OverBudget):
        control.append([request(), hold("h1", 60, "agent:a"), hold("h2", 60, "agent:a")])
    assert control.head()[0] == 1
    assert control.budgets("agent:a") == [Budget("agent", "agent:a", 100)]
    assert control.approvals() == []
    control.append([hold("h1", 60, "agent:a")])


def test_a_settlement_may_exceed_its_hold(control):
    control.append([budget("agent", "agent:a", 100), hold("h1", 60, "agent:a"), settle("h1", 130)])
    (one,) = control.budgets("agent:a")
    assert (one.spent_nano, one.held_nano) == (130, 0)
    with pytest.raises(OverBudget):
        control.append([hold("h2", 0, "agent:a")])


def test_a_budget_set_after_a_hold_gives_back_only_its_own(control):
    control.append([budget("old", "agent:a", 100), hold("h1", 50, "agent:a")])
    control.append([budget("new", "agent:a", 60), hold("h2", 40, "agent:a")])
    control.append([settle("h1", 10)])
    found = {one.name: (one.spent_nano, one.held_nano) for one in control.budgets("agent:a")}
    assert found == {"new": (10, 40), "old": (10, 40)}
    with pytest.raises(OverBudget):
        control.append([hold("h3", 11, "agent:a")])


@pytest.mark.parametrize("mode", ["soft", "observe"])
def test_other_budgets_count_and_never_refuse(control, mode):
    control.append([budget("agent", "agent:a", 10, mode), hold("h1", 60, "agent:a")])
    assert control.budgets("agent:a")[0].held_nano == 60


def test_money_without_a_budget_is_not_constrained(control):
    control.append([hold("h1", 10**15, "run:1", "agent:a"), settle("h1", 5)])
    assert control.budgets() == []


def test_a_limit_may_change_and_what_was_spent_stays(control):
    control.append([budget("agent", "agent:a", 100), hold("h1", 60, "agent:a"), settle("h1", 60)])
    control.append([budget("agent", "agent:a", 50)])
    assert control.budgets("agent:a") == [Budget("agent", "agent:a", 50, "hard", 60, 0)]
    with pytest.raises(OverBudget):
        control.append([hold("h2", 1, "agent:a")])


def test_a_hold_whose_time_is_up_is_settled_as_spent(control, clock):
    control.append([budget("agent", "agent:a", 100), hold("h1", 60, "agent:a", expires=clock.at + 10)])
    clock.at += 10
    control.append([hold("h2", 40, "agent:a")])
    (one,) = control.budgets("agent:a")
    assert (one.spent_nano, one.held_nano) == (60, 40)
    assert [entry.body["basis"] for entry in control.entries(kind="hold.settled")] == ["assumed"]


def test_the_first_stop_of_a_run_counts(control):
    assert control.stopped("r1") is None
    for by in ("loop", "budget"):
        control.append(
            [Draft("run.stopped", "r1", {"run": "r1", "by": by, "reason": by, "detail": {}}, run="r1")]
        )
    assert control.stopped("r1").body["by"] == "loop"


def test_rebuilding_shows_that_the_views_were_true(control, clock):
    control.append([declare(), budget("each", "run:*", 100), request(), answer(), hold("h1", 60, "run:1")])
    control.append([settle("h1", 20), hold("h2", 5, "run:1", "run:2")])
    before = (control.declared(), control.approvals(), control.budgets())
    assert control.rebuild()["changed"] == 0
    assert (control.declared(), control.approvals(), control.budgets()) == before
    assert control.info()["entries"] == 7


_SCOPES = st.lists(st.sampled_from(["run:1", "run:2", "agent:a", "tool:t"]), max_size=3)
_NAMES = st.sampled_from([f"h{number}" for number in range(6)])
_DRAFTS = st.one_of(
    st.builds(lambda n, a, s: hold(n, a, *s), _NAMES, st.integers(0, 80), _SCOPES),
    st.builds(settle, _NAMES, st.integers(0, 90)),
    st.builds(
        budget, st.sampled_from(["b1", "b2"]), st.sampled_from(["run:*", "agent:a", "run:1"]), st.integers(0, 150),
        st.sampled_from(["hard", "hard", "soft"]),
    ),
    st.builds(request, st.sampled_from(["apr_1", "apr_2"])),
    st.builds(answer, st.sampled_from(["apr_1", "apr_2"]), st.sampled_from(["approved", "rejected"])),
    st.builds(consume, st.sampled_from(["apr_1", "apr_2"])),
)  # fmt: skip


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=st.lists(st.lists(_DRAFTS, min_size=1, max_size=4), max_size=12))
def test_both_stores_answer_alike_and_admitted_money_stays_within_limits(tmp_path_factory, batches):
    clock = Clock()
    stores = [
        MemoryControl(clock=clock, ids=Ids()),
        SqliteControl(tmp_path_factory.mktemp("control") / "control.db", clock=clock, ids=Ids()),
    ]
    for batch in batches:
        answers = []
        before = {(one.name, one.scope): one for one in stores[0].budgets()}
        for store in stores:
            try:
                answers.append([entry.kind for entry in store.append(batch)])
            except TallystickError as error:
                answers.append((error.code, error.message, error.detail))
        assert answers[0] == answers[1]
        for read in ("budgets", "approvals", "declared"):
            assert list(getattr(stores[0], read)()) == list(getattr(stores[1], read)())
        if all(draft.kind == "hold.taken" for draft in batch):
            for one in stores[0].budgets():
                old = before.get((one.name, one.scope))
                if one.mode == "hard" and one.held_nano > (old.held_nano if old else 0):
                    assert one.spent_nano + one.held_nano <= one.limit_nano
    for store in stores:
        assert store.rebuild()["changed"] == 0
        store.verify()
        store.close()
