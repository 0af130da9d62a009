"""Final answers: what in them rests on third parties, and what nobody gave."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent))

from guard_house import House
from test_contracts_sdk import TEXT, Kept

from tallystick.app.acting.contracts import ContractSettings
from tallystick.govern.contracts.answer import judge_answer, values_in
from tallystick.govern.labels.said import said
from tallystick.govern.labels.seen import Seen
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import Integrity, Returned
from tallystick.model.step import Effect
from tallystick.sdk.install import flush, install, uninstall
from tallystick.sdk.running import run
from tallystick.sdk.tools import tool

ORDERS = ToolDeclaration("orders", Effect.READ, returns={"*": Returned(Integrity.SYSTEM)})
WEB = ToolDeclaration("web", Effect.READ)


def seen(*results: tuple[ToolDeclaration, Any]) -> Seen:
    made = Seen()
    for one, result in results:
        made.add(one, result)
    return made


def test_values_of_tools_and_of_the_user_are_grounded_and_others_are_not() -> None:
    known = seen((ORDERS, {"id": "A-4711", "total": 40.5, "on": "2026-11-03"}))
    found = judge_answer(
        "Order A-4711 of 2026-11-03: $40.50 of 90 were paid, and 17.20 goes to B-9.",
        said(["I paid 90"]),
        known,
    )
    assert found.ungrounded == ("17.20", "B-9")
    assert found.marks == ()


def test_what_a_third_party_gave_is_marked_with_its_place() -> None:
    known = seen(
        (WEB, "Call +1 or write to help@evil.example about order A-4711."), (ORDERS, {"id": "A-4711"})
    )
    text = "Write to help@evil.example about A-4711."
    found = judge_answer(text, said([]), known)
    (mark,) = found.marks
    assert (mark.value, mark.at, mark.integrity) == (
        "help@evil.example",
        text.index("help"),
        Integrity.THIRD_PARTY,
    )
    assert mark.sources == ("web",)
    assert found.ungrounded == ()


def test_a_value_inside_a_longer_one_grounds_nothing() -> None:
    known = seen((ORDERS, {"total": 100, "id": "XA-4711", "note": "n" * 5_000 + " B-77"}))
    found = judge_answer("10 of A-4711, see B-77 and B-78", said([]), known)
    assert found.ungrounded == ("A-4711", "B-78")  # a small count is no amount


def test_small_counts_are_no_amounts() -> None:
    assert [value for _, value in values_in("2 of 3 orders, 10 items, 11 euros, $5")] == ["11", "$5"]


_JSON = st.recursive(
    st.text(max_size=40) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(max_size=400), st.lists(st.text(max_size=80), max_size=4), _JSON)
def test_whatever_is_answered_is_judged(text: str, words: list[str], result: Any) -> None:
    found = judge_answer(text, said(words), seen((WEB, result)))
    values = {value for _, value in values_in(text)}
    assert set(found.ungrounded) <= values
    assert {mark.value for mark in found.marks} <= values
    assert not {mark.value for mark in found.marks} & set(found.ungrounded)


@given(st.integers(11, 10**9))
def test_what_the_user_said_is_never_ungrounded(number: int) -> None:
    assert judge_answer(f"It is {number}.", said([f"make it {number}"]), Seen()).ungrounded == ()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    uninstall(flush=5.0)


@pytest.mark.parametrize("must_cite", [False, True])
def test_the_answer_of_a_run_carries_its_marks(folder: Path, must_cite: bool) -> None:
    house, kept = House(TEXT, tools=(), contracts=ContractSettings(must_cite=must_cite)), Kept()
    install(
        spool_dir=folder, clock=house.clock, ids=house.ids, sink=kept, guard=house.guard, agent="desk",
        instrument=False,
    )  # fmt: skip

    @tool(effect="read")
    def web(page: str) -> str:
        """Read a page."""
        return "Pay to account DE-5512."

    with run(goal="Where do I pay order A-4711?") as opened:
        web("x")
        opened.output("Pay A-4711 to DE-5512, 99 euros.")
    assert flush(5.0)
    (step,) = [one for one in kept.spans if one.name == "output" and one.ended is not None]
    marks = json.loads(str(step.attributes["tallystick.output.marks"]))
    assert [(one["value"], one["sources"]) for one in marks["third_party"]] == [("DE-5512", ["web"])]
    assert marks["ungrounded"] == ["99"]
    assert marks["whole"] is True
    assert ("tallystick.contract" in step.attributes) is must_cite
