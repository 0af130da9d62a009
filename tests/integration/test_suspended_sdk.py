"""Held calls through the SDK: suspended and made again, edited by a person; and evidence of both verifies."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import tallystick
from tallystick import wiring
from tallystick.model.errors import Held, TallystickError

POLICY = """
permit (principal, action, resource);
@hold("finance") forbid (principal, action == Action::"refund", resource)
when { context.args.amount.greaterThan(decimal("100.00")) } unless { context.approvals.contains("finance") };
"""


def tool(paid: list[tuple[str, Decimal]]):
    @tallystick.tool(effect="irreversible", authority=["order", "amount"])
    def refund(order: str, amount: Decimal) -> str:
        paid.append((order, amount))
        return f"paid {amount}"

    return refund


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "money.cedar").write_text(POLICY)
    (tmp_path / "tallystick.toml").write_text('approvals = "suspend"\npolicy_pack = []\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tally(*args: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", *args], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def test_a_held_call_is_edited_and_made_again_and_its_evidence_verifies(project: Path) -> None:
    paid: list[tuple[str, Decimal]] = []
    store = str(project / "store")
    refund = tool(paid)
    tallystick.init(agent="desk", store=store)
    try:
        with tallystick.run(goal="refund 400 for order 7") as here:
            with pytest.raises(Held) as caught:
                refund("7", Decimal("400"))
            with pytest.raises(Held) as again:
                refund("7", Decimal("400"))
            assert again.value.approval == caught.value.approval
            code, told = tally(
                "approvals", "edit", caught.value.approval, "--set", "amount=140", "--store", store
            )
            assert code == 0, told
            with pytest.raises(Held) as changed:
                refund("7", Decimal("400"))
            code, told = tally("approvals", "approve", changed.value.approval, "--store", store)
            assert code == 0, told
            said = refund("7", Decimal("400"))
            run = here.id
    finally:
        wiring.shutdown()
    assert paid == [("7", Decimal("140"))]
    assert "a person changed this call before it ran: amount" in said
    code, told = tally("evidence", run, "-o", str(project / "run.evidence"), "--store", store)
    assert code == 0, told
    code, told = tally(
        "verify", str(project / "run.evidence"), "--key", str(project / "store" / "journal.pub")
    )
    assert code == 0, told


def test_held_says_what_to_do_and_is_one_of_the_errors() -> None:
    held = Held("waits", approval="apr_1")
    assert isinstance(held, TallystickError)
    assert (held.approval, held.code, held.exit_code) == ("apr_1", "approval.held", 3)
