"""Mutants of the guard: each weakening of the path is noticed by a test that is named here.

A mutant is the guard with one thing taken out, put in the wrong order or believed that must not be. The named check
passes on the guard as it is, and fails on the mutant: so none of these can be taken out unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from guard_promises import (
    a_changed_tool_waits,
    a_decision_is_on_disk_before_the_effect,
    a_fault_is_a_no,
    a_forgotten_run_is_tainted,
    a_name_of_two_names_none,
    a_stopped_run_stays_stopped,
    a_watermark_never_rises,
    an_address_is_said_to_the_letter,
    an_approval_is_bound_to_labels,
    an_approval_is_used_once,
    an_expired_approval_is_none,
    an_unknown_result_counts_as_read,
    code_makes_nothing_laxer,
    denials_end_a_run,
    forbid_wins,
    links_are_seen,
    loops_end,
    nobody_pays_a_stranger,
    nothing_is_done_that_nobody_asked_for,
    rules_that_changed_meanwhile_count,
    small_amounts_add_up,
    the_same_payment_is_not_made_twice,
)

from tallystick.adapters import projections
from tallystick.app.acting import authorize as path
from tallystick.app.acting import decided, guard, holding, pins
from tallystick.app.acting.memory import RunMemory
from tallystick.govern import decide as deciding
from tallystick.govern.labels import context, naming, seen
from tallystick.govern.labels.said import Said
from tallystick.model.guarding import Verdict
from tallystick.model.labels import Facts, Integrity, Returned

# ── what is taken out ───────────────────────────────────────────────────────────────────────────────────────────

Patch = pytest.MonkeyPatch


def _skip(name: str) -> Callable[[Patch], None]:
    def mutate(patch: Patch) -> None:
        patch.setattr(
            path, "STAGES", tuple((one, None if one == name else stage) for one, stage in path.STAGES)
        )

    return mutate


def _set(owner: Any, name: str, value: Any) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(owner, name, value)


def _facts(**changed: Any) -> Callable[[Patch], None]:
    """Facts that say something else than was found."""

    def mutate(patch: Patch) -> None:
        true = context.Context.facts

        def told(self: context.Context, *given: Any) -> Facts:
            return replace(true(self, *given), **changed)

        patch.setattr(context.Context, "facts", told)

    return mutate


def _wait_forever(patch: Patch) -> None:
    """The time of an approval is looked at by nobody when it is used."""
    true = projections._KINDS["approval.consumed"]
    assert true is not None
    patch.setitem(
        projections._KINDS,
        "approval.consumed",
        lambda views, entry, body: true(views, replace(entry, at=0), body),
    )


def _count_none(patch: Patch) -> None:
    true = guard.RunGuard.deny

    def deny(self: Any, act: Any, memory: RunMemory) -> Verdict:
        memory.denials = 0
        return true(self, act, memory)

    patch.setattr(guard.RunGuard, "deny", deny)


def _inherit_nothing(patch: Patch) -> None:
    patch.setattr(context.Context, "inherit", lambda *_, **__: None)


def _never_ask_whether_it_stopped(patch: Patch) -> None:
    patch.setattr(guard.RunGuard, "must_not_be_stopped", lambda *_: None)


def _use_again(patch: Patch) -> None:
    patch.setitem(projections._KINDS, "approval.consumed", None)


def _lose(patch: Patch) -> None:
    patch.setattr(RunMemory, "read", lambda *_: None)


def _later(patch: Patch) -> None:
    from tallystick.app.acting.outbox import Outbox

    patch.setattr(Outbox, "write", lambda self, drafts: self.later(drafts))


def _believe_code(patch: Patch) -> None:
    from tallystick.app.acting import policies

    patch.setattr(policies, "joined", lambda declared, given: given)


def _rise(patch: Patch) -> None:
    def hear(self: context.Context, text: str) -> None:
        self.words.append(text)
        self.watermark, self._said = Integrity.USER, None

    patch.setattr(context.Context, "hear", hear)


def _raise_again(patch: Patch) -> None:
    def lets(act: Any, stage: str, fault: Exception, book: Any) -> list[Any]:
        act.facts = Facts(authority=Integrity.USER, untrusted=(), asked=True, again=False)
        act.ruling = deciding.Ruling(deciding.Answer.ALLOW)
        return []

    patch.setattr(path, "refuse_for", lets)


def _allow_all(patch: Patch) -> None:
    patch.setattr(deciding, "_refused", lambda *_: deciding.Ruling(deciding.Answer.ALLOW))


def _approved_is_enough(patch: Patch) -> None:
    patch.setattr(holding, "bound_to", lambda *_: "0" * 64)


def _bind_without_facts(patch: Patch) -> None:
    true = decided.approval_binding
    patch.setattr(
        decided,
        "approval_binding",
        lambda made, *more, **other: true({**made, "facts": None}, *more, **other),
    )


MUTANTS: dict[str, tuple[Callable[[Patch], None], Callable[[], None]]] = {
    "skip the pin's refusal": (_set(pins.Pins, "refusal", lambda *_: None), a_changed_tool_waits),
    "believe the code's declaration": (_believe_code, code_makes_nothing_laxer),
    "never stop for a loop": (_set(guard.RunGuard, "_stop_for_loop", lambda *_: None), loops_end),
    "drop every untrusted argument": (_facts(untrusted=()), nobody_pays_a_stranger),
    "drop the links": (_facts(links=()), links_are_seen),
    "believe that it was asked for": (_facts(asked=True), nothing_is_done_that_nobody_asked_for),
    "forget what was done": (_facts(again=False), the_same_payment_is_not_made_twice),
    "trust what tools return": (_set(seen, "_NOTHING", Returned(Integrity.SYSTEM)), a_watermark_never_rises),
    "trust a name whoever carries it": (_set(naming.Names, "is_one", lambda *_: True), a_name_of_two_names_none),
    "count each small amount by itself": (_set(context.Context, "let_through", lambda *_: None), small_amounts_add_up),
    "find a value inside a longer one": (_set(Said, "_free", lambda *_, **__: True), an_address_is_said_to_the_letter),
    "read results without looking": (_lose, a_watermark_never_rises),
    "let a watermark rise": (_rise, a_watermark_never_rises),
    "take a forgotten run for a new one": (_inherit_nothing, a_forgotten_run_is_tainted),
    "let a late answer pass unread": (_inherit_nothing, an_unknown_result_counts_as_read),
    "let a permit win": (_allow_all, forbid_wins),
    "use an approval again": (_use_again, an_approval_is_used_once),
    "let time pass": (_wait_forever, an_expired_approval_is_none),
    "approve under other rules": (_approved_is_enough, rules_that_changed_meanwhile_count),
    "bind approvals without labels": (_bind_without_facts, an_approval_is_bound_to_labels),
    "write the decision after the effect": (_later, a_decision_is_on_disk_before_the_effect),
    "let a fault pass": (_raise_again, a_fault_is_a_no),
    "forget that a run was stopped": (_never_ask_whether_it_stopped, a_stopped_run_stays_stopped),
    "count no denials": (_count_none, denials_end_a_run),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_the_guard_as_it_is(name: str) -> None:
    MUTANTS[name][1]()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    mutate, check = MUTANTS[name]
    with monkeypatch.context() as patch:
        mutate(patch)
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            check()
