"""Every decision can be made again from the journal, its openings and its texts, and comes out the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from guard_house import LOOK, REFUND, House
from guard_remade import Record, problems
from hypothesis import given, settings
from hypothesis import strategies as st
from test_guard_approvals import yes

from tallystick.app.acting.act import exact_arguments
from tallystick.app.acting.approvals import answer
from tallystick.app.acting.decided import Missing, call_digest, inputs_of, made_again, said
from tallystick.app.acting.policies import PolicyBook, remade
from tallystick.govern.policy import PolicyFile, PolicySet
from tallystick.model.control import PolicyState, ToolCall
from tallystick.model.errors import BadInput, OverBudget, Stopped
from tallystick.model.guarding import (
    ToolDeclaration,
    declaration_from,
    declaration_json,
    declaration_text,
)
from tallystick.model.masking import MASK
from tallystick.model.people import unnamed
from tallystick.model.step import Effect, EffectOutcome

FREE = ToolDeclaration("send", Effect.WRITE)  # nobody typed its arguments
COUNT = ToolDeclaration("count", Effect.READ, arguments={"n": "long", "of": "list?", "with": "record?"})
ALL = "permit (principal, action, resource);"
SECRET = "sk-" + "a1b2c3d4" * 5


def record_of(house: House) -> Record:
    house.guard.flush()
    return Record(house.control)


def last(house: House) -> dict[str, Any]:
    return house.body("decision.made")


def test_allowed_denied_and_not_evaluated() -> None:
    house = House()
    house.use(LOOK, id="1")
    house.use(REFUND, id="1", amount="40")
    house.ask(REFUND, agent="stranger", id="1", amount="40")
    house.ask(REFUND, id="1", amount="-1")
    house.ask(REFUND, id="1", amount="x")
    house.ask(ToolDeclaration("wire_transfer"), account="x")
    record = record_of(house)
    assert problems(record) == []
    assert [entry.body["answer"] for entry in record.of("decision.made")] == ["allow"] * 2 + ["deny"] * 4
    assert {entry.body["stage"] for entry in record.of("decision.made")} == {"policy"}


@pytest.mark.parametrize("word", ["approved", "rejected", None])
def test_held_and_answered(word: str | None) -> None:
    def say(house: House, _ns: int) -> None:
        for waiting in house.control.approvals(state="waiting"):
            if word is not None:
                answer(
                    house.control, house.clock, house.ids, waiting.id, word, by=unnamed("ada"), note="fine"
                )

    house = House(waiter=say, approval_timeout_ns=1_000_000_000)
    house.use(REFUND, id="1", amount="400")
    record = record_of(house)
    assert problems(record) == []
    held, then = (entry.body for entry in record.of("decision.made"))
    assert (held["answer"], held["stage"], held["group"]) == ("hold", "policy", "finance")
    assert then["arguments"] == held["arguments"]
    assert then["call"] == held["call"]
    if word == "approved":
        assert (then["answer"], then["approved"]) == ("allow", ["finance"])
    else:
        assert (then["answer"], then["stage"], then["policy_answer"]) == ("deny", "approval", "hold")
        assert then["loop"] is None
    if word is not None:
        answered = record.of("approval.answered")[0].body
        assert answered["binding"] == record.of("approval.requested")[0].body["binding"]
        assert answered["envelope"] is None
        assert record.openings[answered["note"]["commitment"]].content == b'"fine"'


@pytest.mark.parametrize(
    ("text", "state"),
    [(None, "unconfigured"), ("permit (principal", "load failed"), ("// nothing", "enforced")],
)
def test_without_rules(text: str | None, state: str) -> None:
    house = House(text)
    house.use(LOOK, id="1")
    house.ask(REFUND, id="1", amount="1")
    assert problems(record_of(house)) == []
    assert house.body("policy.loaded")["state"] == state


def test_a_project_without_anything_and_tools_that_come_to_be_known() -> None:
    house = House(None, tools=())
    anything = ToolDeclaration("anything")
    assert house.ask(anything, x=1).allowed
    house.guard.know([REFUND])
    assert not house.ask(anything, x=1).allowed
    assert problems(record_of(house)) == []


def test_permissive() -> None:
    house = House(permissive=True)
    assert house.use(REFUND, id="1", amount="400").allowed
    assert house.use(REFUND, id="1", amount="x").allowed
    assert house.use(REFUND, id="\ud800", amount="1").allowed
    found = problems(record_of(house))
    assert len(found) == 1
    assert "no canonical JSON" in found[0]


def test_arguments_that_cannot_be_written_down() -> None:
    house = House(ALL, tools=(FREE,))
    deep: list[Any] = []
    for _ in range(3_000):
        deep = [deep]
    for bad in (float("nan"), "\ud800", object(), deep):
        assert not house.ask(FREE, to=bad).allowed
        assert (last(house)["stage"], last(house)["arguments"]) == ("arguments", None)
    assert not house.guard.before_tool(
        ToolCall("r1", "s", "desk", "send", "d", {1: "x"}),
        FREE,  # type: ignore[dict-item]
    ).allowed
    assert problems(record_of(house)) == []


def test_what_is_judged_is_what_is_recorded() -> None:
    """Canonical JSON writes 1.0 as 1 and large numbers as text: the guard must not judge something else."""
    house = House(
        ALL
        + 'forbid (principal, action == Action::"count", resource) when { context.args.n > 9007199254740992 };',
        tools=(COUNT,),
    )
    assert not house.ask(COUNT, n=2**60).allowed
    assert house.ask(COUNT, n=-(2**60)).allowed
    assert house.ask(COUNT, n=1.0, of=[2**60, 1.0, "x"], **{"with": {"a": (1, 2.0)}}).allowed
    assert not house.ask(COUNT, n=2**63).allowed
    assert not house.ask(COUNT, n=1.5).allowed
    assert problems(record_of(house)) == []


def test_a_credential_is_committed_to_and_not_kept() -> None:
    house = House(waiter=yes)
    house.use(REFUND, id=SECRET, amount="400", result={"token": SECRET})
    record = record_of(house)
    found = problems(record)
    assert [text.partition(": ")[2] for text in found] == ["missing: argument id is not here: masked"] * 2
    assert SECRET not in str(record.entries) + str(record.openings)
    approval = house.control.approvals()[0]
    assert approval.arguments == {"id": MASK, "amount": "400"}
    assert house.control.rebuild()["changed"] == 0
    house.control.erase([record.of("approval.requested")[0].seq])
    assert house.control.approvals()[0].arguments == {"id": None, "amount": None}
    assert house.control.rebuild()["changed"] == 0
    ended = record.of("effect.ended")[0].body
    assert record.openings[ended["result"]["commitment"]].why == "masked"
    exact = exact_arguments({"id": SECRET, "amount": "400"}, b"salt")
    given = ToolDeclaration("free", Effect.WRITE)
    assert exact.contents["id"].why == "masked"
    open_house = House(ALL, tools=(given,))
    open_house.use(given, id=SECRET)
    assert problems(record_of(open_house)) == []  # no rule could read it


@pytest.mark.parametrize(
    "arguments",
    [
        {f"a{n}": n for n in range(300)},
        {"x" * 3_000: 1},
        {"*": 1, "b": 2},
        {SECRET: "x"},
        {"big": "x" * 2_000_000},
        {f"\x00{n}\U0001f600": "y" for n in range(200)},
    ],
    ids=["many", "long names", "star", "a credential as a name", "large", "names that grow when escaped"],
)
def test_arguments_of_any_size_fit_an_entry(arguments: dict[str, Any]) -> None:
    text = (
        ALL
        + """@hold("ops") forbid (principal, action == Action::"send", resource)
    unless { context.approvals.contains("ops") };"""
    )
    house = House(text, tools=(FREE,), waiter=yes)
    call = ToolCall("r1", "s1", "desk", "send", "d", arguments)
    verdict = house.guard.before_tool(call, FREE)
    assert verdict.allowed
    house.guard.after_tool(call, verdict, EffectOutcome.LANDED, result="z" * 100_000, error="e" * 100_000)
    record = record_of(house)
    assert problems(record) == []
    assert house.control.rebuild()["changed"] == 0
    shown = house.control.approvals()[0].arguments
    assert SECRET not in str(shown)
    if len(arguments) > 1:
        assert dict(shown) == arguments


def test_loops_and_money_are_recorded_as_what_settled_the_call() -> None:
    house = House(run_budget_nano=8_000)
    with pytest.raises(Stopped):  # noqa: PT012 - one of these calls
        for _ in range(9):
            house.use(LOOK, result={"state": "open"}, id="7")
    assert (last(house)["stage"], last(house)["policy_answer"]) == ("loop", None)
    house.use(REFUND, run="r2", id="1", amount="1")
    with pytest.raises(OverBudget):
        house.use(REFUND, run="r2", id="1", amount="2")
    refused = last(house)
    assert (refused["stage"], refused["policy_answer"], refused["answer"]) == ("budget", "allow", "deny")
    assert refused["hold"] is None
    assert problems(record_of(house)) == []


def test_a_text_is_written_with_the_entry_that_stands() -> None:
    """The transaction that carried a declaration first was rolled back: the next one carries it again."""
    house = House(run_budget_nano=1)
    with pytest.raises(OverBudget):
        house.use(REFUND, id="1", amount="1")
    record = record_of(house)
    assert last(house)["declaration"] in record.texts
    assert problems(record) == []


def test_a_signer_puts_its_envelope_into_the_answer() -> None:
    signed: list[Any] = []

    def sign(told: Any) -> Any:
        signed.append(dict(told))
        return {"payload": "x"}

    def say(house: House, _ns: int) -> None:
        waiting = house.control.approvals(state="waiting")[0]
        answer(house.control, house.clock, house.ids, waiting.id, "approved", unnamed("ada"), sign=sign)

    house = House(waiter=say)
    assert house.use(REFUND, id="1", amount="400").allowed
    answered = house.body("approval.answered")
    assert answered["envelope"] == {"payload": "x"}
    assert signed == [
        {"approval": answered["approval"], "binding": answered["binding"], "answer": "approved", "by": "ada",
         "person": None, "via": "open", "at": str(house.clock.now())}
    ]  # fmt: skip


def test_names_that_no_entry_could_hold_are_refused_before_anything() -> None:
    house = House(ALL, tools=(FREE,))
    for run in ("r" * 300, "\ud800"):
        with pytest.raises(BadInput):
            house.guard.before_tool(ToolCall(run, "s", "desk", "send", "d", {}), FREE)
    assert house.kinds() == []


Change = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.update(answer="allow"),
        lambda body: body.update(answer="allow", policy_answer="allow"),
        lambda body: body.update(reasons=["policies/desk.cedar:3"]),
        lambda body: body.update(because="Because."),
        lambda body: body.update(stage="budget", answer="allow"),
        lambda body: body.update(tool="look"),
        lambda body: body.update(agent="stranger"),
        lambda body: body.update(approved=["finance"], answer="allow"),
        lambda body: body["arguments"].pop("amount"),
    ],
)
def test_a_decision_that_was_altered_is_found(change: Change) -> None:
    house = House()
    house.ask(REFUND, id="1", amount="-1")
    record = record_of(house)
    assert problems(record) == []
    place = next(n for n, one in enumerate(record.entries) if one.kind == "decision.made")
    body = {**record.entries[place].body, "arguments": dict(record.entries[place].body["arguments"])}
    change(body)
    record.entries[place] = replace(record.entries[place], body=body)
    assert problems(record)


def test_a_policy_set_that_is_not_the_recorded_one_is_refused() -> None:
    house = House()
    house.ask(LOOK, id="1")
    record = record_of(house)
    body = record.of("policy.loaded")[0].body
    assert remade(body, record.texts).digest == body["digest"]
    with pytest.raises(BadInput):
        remade({**body, "evaluator": "other"}, record.texts)
    with pytest.raises(BadInput):
        remade({**body, "state": "permissive"}, record.texts)
    with pytest.raises(BadInput):
        remade(body, {})
    with pytest.raises(BadInput):
        remade({"state": "enforced"}, record.texts)
    with pytest.raises(BadInput):
        remade({**body, "files": [{**body["files"][0], "text": body["tools"]}]}, record.texts)


def test_too_many_policy_files_are_refused_whole() -> None:
    files = [PolicyFile(f"policies/{n}.cedar", ALL) for n in range(1_000)]
    assert PolicyBook(files, (LOOK,)).policies.state is PolicyState.LOAD_FAILED
    odd = PolicyBook([PolicyFile("policies/\udce9.cedar", ALL)], (LOOK,))
    assert odd.policies.state is PolicyState.LOAD_FAILED
    _, loaded = odd.bring(LOOK)
    assert loaded.entry is not None
    assert remade(loaded.entry.body, loaded.entry.texts).digest == odd.policies.digest


def test_without_a_declaration_or_with_a_broken_one() -> None:
    house = House()
    house.ask(LOOK, id="1")
    record = record_of(house)
    body = record.of("decision.made")[0].body
    assert isinstance(inputs_of(body, record.openings, {}), Missing)
    with pytest.raises(BadInput):
        inputs_of(body, record.openings, {body["declaration"]: "{}"})
    with pytest.raises(BadInput):
        call_digest({})
    inputs = inputs_of(body, {}, record.texts)
    assert not isinstance(inputs, Missing)
    assert inputs.withheld == {"id": "withheld"}
    assert isinstance(made_again(inputs, policies_of(record)), Missing)


def policies_of(record: Record) -> PolicySet:
    return remade(record.of("policy.loaded")[0].body, record.texts)


def test_reasons_are_cut_to_what_an_entry_holds() -> None:
    assert said(["a", f"b {SECRET}"]) == ["a", f"b {MASK}"]
    assert len("".join(said(["x" * 5_000, "y"]))) <= 2_001
    assert len(said(["x"] * 100)) == 41


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
DECLARATIONS = st.builds(
    ToolDeclaration, TEXTS, st.none() | st.sampled_from(Effect), TEXTS, st.lists(TEXTS, max_size=2).map(tuple),
    st.lists(TEXTS, max_size=2).map(tuple), st.dictionaries(TEXTS, st.sampled_from(["string", "long?"]), max_size=3),
    st.none() | st.integers(0, 2**70), st.sampled_from(["operator", "retry"]), TEXTS,
)  # fmt: skip


@settings(deadline=None)
@given(DECLARATIONS)
def test_a_declaration_comes_back_from_its_text(tool: ToolDeclaration) -> None:
    import json

    assert declaration_from(json.loads(declaration_text(tool))) == tool
    assert declaration_from(declaration_json(tool)) == tool


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["40.00", "-1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
TYPED = ToolDeclaration(
    "typed", Effect.WRITE, authority=("path",),
    arguments={
        "s": "string?", "n": "long?", "d": "decimal?", "b": "bool?", "l": "list?", "r": "record?", "path": "string?",
    },
)  # fmt: skip
RULES = """
permit (principal, action, resource);
@hold("ops") forbid (principal, action == Action::"typed", resource)
when { context.args has n && context.args.n > 10 } unless { context.approvals.contains("ops") };
forbid (principal, action == Action::"typed", resource)
when { context.args has d && context.args.d.lessThan(decimal("0.0")) };
forbid (principal, action == Action::"typed", resource)
when { context.args has path && context.args.path like "/etc/*" };
forbid (principal, action == Action::"typed", resource)
when { context.args has l && context.args.l.contains("-1") };
"""


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.dictionaries(st.sampled_from([*TYPED.arguments, "other"]), VALUES, max_size=4), max_size=4)
)
def test_whatever_is_asked_the_decision_can_be_made_again(calls: list[dict[str, Any]]) -> None:
    house = House(RULES, tools=(TYPED,), waiter=yes, most_denials=99)
    for arguments in calls:
        try:
            house.use(TYPED, **arguments)
        except Stopped:
            break
    assert problems(record_of(house)) == []
