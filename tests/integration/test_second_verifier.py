"""A verifier written from the format page alone agrees with Tallystick's: what holds for one holds for the other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "unit"))

import evidence_house
from audit_shop import Shop, work
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from evidence_forgeries import FORGERIES, entry, statement_dropped
from evidence_house import (
    KEY,
    SIGNER,
    TRUST,
    Lines,
    World,
    check,
    envelope,
    forged,
    lines_of,
    of_kind,
    resealed,
    told,
)
from second_verifier import CHECKS, verify

from tallystick.app.prove.checkpoints import Signed
from tallystick.app.prove.notary import Notary
from tallystick.model.journal import Draft
from tallystick.model.query import Query
from tallystick.proof.keys import VerifierKey
from tallystick.proof.notes import format_note, parse_checkpoint, parse_note, sign_note
from tallystick.proof.verify import Trust

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "evidence-1"
_NEW = Ed25519PrivateKey.from_private_bytes(b"the key that follows".ljust(32, b"."))
NEW = VerifierKey.of("log.example/new", 1, _NEW.public_key().public_bytes_raw())
MINE = [(forge, check) for forge, check in FORGERIES if check in CHECKS]


def test_the_old_file_holds() -> None:
    key, earlier = ((GOLDEN / name).read_text("utf-8") for name in ("journal.pub", "earlier.checkpoint"))
    data = (GOLDEN / "run.evidence.jsonl").read_bytes()
    assert verify(data, [key], [earlier]) == {}
    assert "consistency" in verify(data, [key], [earlier.replace("\n3\n", "\n4\n")])
    assert "signature" in verify(data, [])


@pytest.mark.parametrize("redacted", [False, True])
def test_a_new_run_holds(redacted: bool) -> None:
    world, data = told()
    assert verify(world.evidence(redact=True) if redacted else data, [KEY.text]) == {}


def test_a_run_without_policy_holds() -> None:
    world = World(None)
    world.play(lambda desk: desk.refund("1", Decimal("4")))
    assert verify(world.evidence(), [KEY.text]) == {}


@pytest.mark.parametrize(("forge", "check"), MINE, ids=[forge.__name__ for forge, _ in MINE])
def test_a_forgery_is_found_by_the_same_check(forge: Callable[[Lines], None], check: str) -> None:
    lines = deepcopy(lines_of(told()[1]))
    forge(lines)
    assert check in verify(forged(lines), [KEY.text])


def test_a_forger_who_changes_nothing_is_not_found() -> None:
    assert verify(forged(lines_of(told()[1])), [KEY.text]) == {}


def test_a_dropped_statement_is_found() -> None:
    lines = lines_of(told()[1])
    statement_dropped(lines)
    assert "format" in verify(resealed(lines), [KEY.text])


# ── where the two did not agree, or the page had not said enough ────────────────────────────────────────────────


def both_find(data: bytes, what: str, trust: Trust = TRUST) -> bool:
    mine, theirs = verify(data, [key.text for key in trust.keys]), check(data, trust).findings
    return what in mine and what in {one.check for one in theirs}


def test_statements_stand_in_the_order_of_entries() -> None:
    lines = lines_of(told()[1])
    one, two = list(of_kind(lines, "statement"))[3:5]
    one["envelope"], two["envelope"] = two["envelope"], one["envelope"]
    assert both_find(resealed(lines), "format")


def test_an_answer_is_signed_before_it_is_written() -> None:
    lines = deepcopy(lines_of(told()[1]))
    leaf = entry(lines, "approval.answered")
    said = {key: leaf["body"][key] for key in ("approval", "binding", "answer", "by")}
    leaf["body"]["envelope"] = envelope({**said, "at": str(int(leaf["at"]) + 2 * 3600 * 10**9)})
    assert both_find(forged(lines), "signature")
    leaf["body"]["envelope"] = envelope({**said, "at": ["whenever"]})
    assert both_find(forged(lines), "signature")


def test_a_leaf_has_an_end() -> None:
    lines = deepcopy(lines_of(told()[1]))
    entry(lines, "effect.ended")["actor"] = "x" * 65_536
    assert both_find(forged(lines), "format")


def test_a_given_key_signs_only_for_the_log_that_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who trusts two logs does not let one of them speak for the other."""
    lines = lines_of(told()[1])
    head = next(of_kind(lines, "checkpoint"))
    head["note"] = format_note(sign_note(parse_note(head["note"]).text, NEW, _NEW.sign))
    assert both_find(resealed(lines), "signature", Trust((KEY, NEW)))
    monkeypatch.setattr(evidence_house, "KEY", NEW)
    monkeypatch.setattr(evidence_house, "_PRIVATE", _NEW)
    assert both_find(resealed(lines_of(told()[1])), "signature", Trust((KEY, NEW)))


def test_evidence_made_after_the_log_has_a_key_of_another_name_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.play(lambda desk: desk.look("1"))
    world.keep()
    monkeypatch.setattr(evidence_house, "KEY", NEW)
    monkeypatch.setattr(evidence_house, "_PRIVATE", _NEW)
    monkeypatch.setattr(SIGNER, "verifier_key", NEW.text)
    monkeypatch.setattr(SIGNER, "sign", _NEW.sign)
    retired = {"key": KEY.text, "because": "another one"}
    world.control.append([Draft("key.retired", "journal", retired)])
    world.control.append([Draft("object.retired", "tool:look", {"type": "tool", "name": "look"})])
    world.play(lambda desk: desk.look("2"))
    data = world.evidence()
    entries = [line["leaf"] for line in of_kind(lines_of(data), "entry")]
    assert {"key.retired", "object.retired"} <= {leaf["kind"] for leaf in entries}
    assert verify(data, [NEW.text]) == {}
    assert check(data, Trust((NEW,))).findings == ()


def test_a_cost_that_is_not_charged_is_said() -> None:
    charges = next(one for one in check(told()[1]).checks if one.check == "charges")
    assert any("is not charged" in one.text for one in charges.not_checked)


def test_runs_of_every_shape_hold(tmp_path: Path) -> None:
    """Replaced records, merged runs, repeats, costs that the sender named, values that JSON does not have."""
    shop = Shop(tmp_path)
    for spans in work():
        shop.record(spans)
    world = World()
    desk = replace(
        world.desk, traces=shop.traces, control=shop.control, notary=Notary(shop.traces, shop.control, shop.clock),
        keep=lambda: keep(shop), clock=shop.clock,
    )  # fmt: skip
    runs = [run.run for run in shop.traces.runs(Query(), now=shop.clock.now()).runs]
    seen: set[str] = set()
    for run in runs:
        for redact in (False, True):
            data = b"".join(desk.evidence(run, redact=redact))
            assert verify(data, [KEY.text]) == {}, run
            assert check(data).findings == (), run
            seen |= {"hash" for line in of_kind(lines_of(data), "record") if "hash" in line}
            seen |= {"merged" for line in of_kind(lines_of(data), "header") if len(line["runs"]) > 1}
    shop.close()
    assert seen == {"hash", "merged"}


def keep(shop: Shop) -> Signed:
    size, root = shop.control.head()
    text = evidence_house.note(size, root)
    return Signed(parse_checkpoint(parse_note(text).text), text)
