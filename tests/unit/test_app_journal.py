"""The group commit, answers to approvals, and the trial of a policy set."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from control_double import Clock, Control, Ids

from tallystick.app.acting.approvals import answer
from tallystick.app.acting.outbox import Outbox
from tallystick.app.acting.waiting import wait_for
from tallystick.govern.policy import PolicyFile, load
from tallystick.govern.trial import trial
from tallystick.model.control import ApprovalState
from tallystick.model.errors import BadInput, Conflict, StoreFault, StoreFull, UnknownThing
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.journal import Draft
from tallystick.model.people import unnamed
from tallystick.model.step import Effect


def draft(number: int) -> Draft:
    return Draft("decision.made", f"dec_{number}", {"n": number})


def test_entries_keep_their_order_whoever_waits() -> None:
    clock = Clock()
    control = Control(clock)
    outbox = Outbox(control, clock)
    outbox.later([draft(1)])
    assert outbox.waiting == 1
    written = outbox.write([draft(2)])
    assert [entry.subject for entry in written] == ["dec_2"]
    for number in range(3, 3 + 64):
        outbox.later([draft(number)])
    assert [entry.body["n"] for entry in control.journal] == list(range(1, 67))
    assert outbox.waiting == 0


def test_a_full_disk_loses_nothing_and_is_told_before_too_much_waits() -> None:
    clock = Clock()
    control = Control(clock)
    outbox = Outbox(control, clock)
    control.broken = StoreFull("no room")
    for number in range(4_095):
        outbox.later([draft(number)])
    with pytest.raises(StoreFull):
        outbox.later([draft(4_095)])
    with pytest.raises(StoreFull):
        outbox.flush()
    control.broken = None
    outbox.flush()
    assert len(control.journal) == 4_096


def test_a_refused_write_keeps_what_waited() -> None:
    clock = Clock()
    control = Control(clock)
    outbox = Outbox(control, clock)
    outbox.later([draft(1)])
    with pytest.raises(UnknownThing):
        outbox.write([Draft("hold.settled", "h", {"hold": "h", "spent_nano": 1, "basis": "reported"})])
    assert control.journal == []
    assert outbox.waiting == 1
    outbox.flush()
    assert len(control.journal) == 1


def test_threads_share_an_outbox() -> None:
    clock = Clock()
    control = Control(clock)
    outbox = Outbox(control, clock)
    threads = [
        threading.Thread(target=lambda: [outbox.later([draft(n)]) for n in range(200)]) for _ in range(4)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outbox.flush()
    assert len(control.journal) == 800


@pytest.fixture
def control() -> Control:
    clock = Clock()
    store = Control(clock)
    body = {
        "approval": "apr_1", "decision": "dec_1", "run": "r", "agent": "a", "tool": "t", "arguments": {"n": 1},
        "binding": "b", "group": "finance", "because": None, "expires_ns": clock.at + 1_000,
    }  # fmt: skip
    store.append([Draft("approval.requested", "apr_1", body, run="r")])
    return store


def test_an_answer_is_written_once_with_its_author(control: Control) -> None:
    got = answer(control, control.clock, Ids(), "apr_", "rejected", unnamed("ada"), "too much")
    assert (got["state"], got["by"], got["note"]) == ("rejected", "ada", "too much")
    assert control.journal[-1].actor == "ada"
    with pytest.raises(Conflict) as caught:
        answer(control, control.clock, Ids(), "apr_1", "approved", unnamed("bob"))
    assert "rejected by ada" in caught.value.message


def test_an_answer_after_the_time_is_too_late(control: Control) -> None:
    control.clock.at += 1_000
    with pytest.raises(Conflict) as caught:
        answer(control, control.clock, Ids(), "apr_1", "approved", unnamed("bob"))
    assert caught.value.detail["state"] == "expired"
    assert control.approval("apr_1").state is ApprovalState.EXPIRED


@pytest.mark.parametrize(
    ("word", "by", "note"), [("maybe", "a", None), ("approved", " ", None), ("approved", "a", "x" * 5_000)]
)
def test_what_is_no_answer(control: Control, word: str, by: str, note: str | None) -> None:
    with pytest.raises(BadInput):
        answer(control, control.clock, Ids(), "apr_1", word, unnamed(by), note)
    with pytest.raises(UnknownThing):
        answer(control, control.clock, Ids(), "nothing", "approved", unnamed("a"))


def test_an_answer_in_the_last_moment_stands(control: Control) -> None:
    def late(ns: int) -> None:
        body = {"approval": "apr_1", "answer": "approved", "by": "ada", "note": None}
        control.append([Draft("approval.answered", "apr_1", body)])
        control.clock.at += 10 * ns

    assert wait_for(control, control.clock, late, "apr_1").state is ApprovalState.APPROVED


def test_a_store_that_breaks_while_waiting_is_not_a_yes(control: Control) -> None:
    def broken(_ns: int) -> None:
        raise StoreFault("gone")

    with pytest.raises(StoreFault):
        wait_for(control, control.clock, broken, "apr_1")


def test_every_shape_of_request_is_tried() -> None:
    tool = ToolDeclaration("pay", Effect.WRITE, arguments={"a": "decimal", "b": "long?", "c": "string?"})
    text = "permit (principal, action, resource) when { context.args has b && context.args.b * 2 > 1 };"
    policies = load([PolicyFile("p", text)], [tool], evaluator="e")
    assert trial(policies) == []
    # A value that overflows is found only by trying; a set whose schema went missing is never tried.
    worse = text.replace("context.args.b * 2", "(context.args.b + 9223372036854775807) * 2")
    problems = trial(load([PolicyFile("p", worse)], [tool], evaluator="e"))
    assert len(problems) == 1
    assert "pay" in problems[0].message
    assert trial(replace(policies, schema=None)) == []
