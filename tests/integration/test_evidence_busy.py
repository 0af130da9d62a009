"""No evidence file keeps its verifier busy for ever, and what was not worked on is said."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from time import process_time
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "unit"))

from evidence_forgeries import entry
from evidence_house import _PRIVATE, KEY, Lines, check, forged, lines_of, of_kind, told

from tallystick.app.prove.bounds import is_quick, steps_too_much
from tallystick.model.canonical import canonical_json
from tallystick.model.errors import TooLarge
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.proof.dsse import sign_envelope
from tallystick.proof.merkle import leaf_hash, root_of
from tallystick.proof.report import Checklist, Report, State
from tallystick.proof.statements import answer_statement
from tallystick.proof.verify import seen as kept
from tallystick.proof.verify.budgets import Budgets
from tallystick.proof.verify.seen import Seen, entry_of


def after(forge: Callable[[Lines], None]) -> Report:
    lines = deepcopy(lines_of(told()[1]))
    forge(lines)
    return check(forged(lines))


def passed(report: Report, check_: str) -> list[str]:
    return [one.text for part in report.checks if part.check == check_ for one in part.not_checked]


def _patterns(clause: Any) -> list[str]:
    if isinstance(clause, list):
        return [pattern for part in clause for pattern in _patterns(part)]
    if not isinstance(clause, dict):
        return []
    found = [clause["regex"]] if "regex" in clause else []
    return found + [pattern for part in clause.values() for pattern in _patterns(part)]


def test_every_expression_of_the_shipped_card_is_quick() -> None:
    rows = json.loads(files("tallystick.cost").joinpath("card.json").read_text("utf-8"))
    patterns = {one for row in rows for one in _patterns(row.get("match"))}
    assert len(patterns) > 20
    assert [one for one in patterns if not is_quick(one)] == []


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*$", "(a*)*", "a*a*a*$", "((a?)?){30}", "(a{1,9}){9}", "a{1,}", "(?i)a", "(", "[\\][](a+)+]",
     "[]](a+)+", "\\((a+)+", "x" * 257, 7, None],
)  # fmt: skip
def test_an_expression_that_may_take_for_ever_is_not_tried(pattern: Any) -> None:
    assert not is_quick(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+$", "("])
def test_a_price_row_with_such_an_expression_is_not_applied(pattern: str) -> None:
    def forge(lines: Lines) -> None:
        row = next(of_kind(lines, "price"))
        row["row"]["match"] = {"regex": pattern}
        row.update(size=1, index=0, path=[])
        card = root_of([leaf_hash(canonical_json(row["row"]))]).hex()
        row["card"] = entry(lines, "rates.loaded")["body"]["card"] = card
        entry(lines, "run.charged")["body"]["card"] = card
        for charge in of_kind(lines, "charge"):
            charge["price"] = None if charge["price"] is None else 0

    report = after(forge)
    assert report.ok, report.findings
    assert "the row of the rate card names models by an expression that may take for ever" in passed(
        report, "charges"
    )


def test_loop_rules_that_look_back_for_ever_are_not_applied() -> None:
    def forge(lines: Lines) -> None:
        next(
            line["leaf"]["body"]["loop"]["limits"]
            for line in of_kind(lines, "entry", "decision.made")
            if "limits" in (line["leaf"]["body"]["loop"] or {})
        )["longest_cycle"] = 10**9

    assert "the limits of the loop rules are too large" in passed(after(forge), "loops")


def test_many_holds_on_many_budgets_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_KEPT", 2**24)
    seen = Seen(run="r", runs=frozenset("r"))
    budgets = Budgets(Checklist(), seen)
    began = process_time()

    def write(seq: int, kind: str, body: dict[str, Any]) -> None:
        leaf = {
            "actor": "a", "at": "1", "body": body, "id": f"e{seq}", "kind": kind, "nth": seq, "run": "r", "seq": seq,
            "subject": "s", "v": 2,
        }  # fmt: skip
        budgets.entry(entry_of(leaf, ""))

    for one in range(1, 5_001):
        write(one, "budget.set", {"budget": f"b{one}", "scope": "run:r", "limit_nano": 1, "mode": "soft"})

    def hold() -> None:
        for one in range(5_001, 20_000):
            write(one, "hold.taken", {"hold": f"h{one}", "amount_nano": 1, "scopes": ["run:r"]})

    with pytest.raises(TooLarge):
        hold()
    assert process_time() - began < 20


def test_a_segment_that_is_claimed_again_is_not_hashed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from tallystick.proof.verify import records

    hashed: list[int] = []
    monkeypatch.setattr(records, "root_of", lambda hashes: hashed.append(len(hashes)) or b"")
    log = records._Log([b"h" * 32] * 10, {}, [(0, 10, "", n) for n in range(50)])
    records.Records._segments(_Told(), "r", log)  # type: ignore[arg-type]
    assert sum(hashed) == 10


class _Told:
    _told = Checklist()


def test_steps_that_are_nested_without_end_are_not_compared() -> None:
    def chain(length: int, ring: bool = False) -> list[Step]:
        return [
            Step("t", f"{one}", f"{(one - 1) % length}" if one or ring else None, None, Kind.MODEL, "", StepStatus.OK,
                 one, one + 1, "scope", "gen_ai")
            for one in range(length)
        ]  # fmt: skip

    assert not steps_too_much(chain(1_000))
    assert steps_too_much(chain(5_000))
    assert steps_too_much(chain(5_000, ring=True))
    flat = [replace(one, parent=None) for one in chain(100_000)]
    assert not steps_too_much(flat)
    assert steps_too_much([replace(one, dialect="mcp") for one in flat])


def test_one_opening_for_very_many_decisions_is_not_read_each_time() -> None:
    from tallystick.proof.verify.decisions import _MOST_USES, Decisions

    seen = Seen(values={"c": 1})
    decisions = Decisions(Checklist(), seen, None)
    answers = [decisions._opened("c") for _ in range(_MOST_USES + 1)]
    assert answers[-2] == (True, 1)
    assert answers[-1][0] is False


# ── what is not refuted is said ─────────────────────────────────────────────────────────────────────────────────


def test_several_detectors_are_said() -> None:
    def forge(lines: Lines) -> None:
        """The last two calls were heard by another detector, for which they are the first."""
        for line in of_kind(lines, "entry"):
            loop = line["leaf"]["body"].get("loop")
            if loop and loop["turn"] >= 16:
                loop["detector"] = "ldt_other"

    report = after(forge)
    assert any("several detectors" in text for text in passed(report, "loops"))
    assert report.state("loops") is State.FINDING  # and their turns do not begin at 1


def test_a_replaced_record_is_said_to_be_unknown() -> None:
    from evidence_lies import seal_says_fewer_steps

    def forge(lines: Lines) -> None:
        seal_says_fewer_steps(lines)
        entry(lines, "run.sealed")["body"].update(steps=12, denials=2, tool_calls=9)

    assert "what a record said before another took its place" in passed(after(forge), "readings")


def test_a_cost_that_nobody_knows_is_said() -> None:
    def forge(lines: Lines) -> None:
        from evidence_lies import recharged, rerecorded

        charge = next(line for line in of_kind(lines, "charge") if line["price"] is not None)
        lines.remove(next(of_kind(lines, "price")))
        for line in of_kind(lines, "record"):
            if line["leaf"]["span"] == charge["leaf"]["span"]:
                del line["leaf"]["step"]["cost_nano"]
                line["leaf"]["step"]["cost_gap"] = "no price"
        charge["leaf"].update(nano=None, gap="no price")
        charge.update(price=None, rates=None, buckets=None)
        recharged(lines)
        rerecorded(lines)

    report = after(forge)
    assert report.ok, report.findings
    assert "what the step cost is not known" in passed(report, "charges")


@pytest.mark.parametrize("hours", [-2, 2])
def test_an_answer_that_was_signed_at_another_time_is_found(hours: int) -> None:
    def forge(lines: Lines) -> None:
        leaf = entry(lines, "approval.answered")
        body = leaf["body"]
        given = {name: body[name] for name in ("approval", "binding", "answer", "by")}
        at = str(int(leaf["at"]) + hours * 3_600_000_000_000)
        signed = canonical_json(answer_statement({**given, "at": at}))
        body["envelope"] = sign_envelope(signed, KEY, _PRIVATE.sign)

    assert after(forge).state("signature") is State.FINDING
