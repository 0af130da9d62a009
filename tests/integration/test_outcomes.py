"""What became of an effect whose answer was lost, for each recovery: a real service commits and cuts the connection."""

from __future__ import annotations

import importlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from shop_double import Shop

import tallystick
from tallystick import wiring
from tallystick.cli.root import invoke
from tallystick.model.errors import Stopped

HERE = Path(__file__).resolve().parent
POLICY = "permit (principal, action, resource);\n"
LOST = (OSError, ConnectionError)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    made = Shop()
    monkeypatch.setenv("SHOP", made.address)
    yield made
    made.close()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.cedar").write_text(POLICY)
    (tmp_path / "tallystick.toml").write_text("policy_pack = []\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(HERE))
    yield tmp_path
    tallystick.shutdown()


def begin(project: Path) -> Any:
    agent = importlib.import_module("shop_agent")
    tallystick.init(agent="desk", project=project, store=project / "store", instrument=False)
    return agent


@dataclass(frozen=True)
class Ran:
    returncode: int
    stdout: str
    stderr: str


def tally(project: Path, *arguments: str) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = invoke([*arguments, "--store", str(project / "store")])
    return Ran(code, out.getvalue(), err.getvalue())


def effects(project: Path, *, in_doubt: bool = False) -> list[dict[str, Any]]:
    stores = wiring.open_stores(project / "store", create=False)
    try:
        found: list[dict[str, Any]] = wiring.deeds.effect_desk(stores).effects(in_doubt=in_doubt)["effects"]
        return found
    finally:
        stores.close()


def test_operator_what_nobody_can_tell_waits_for_a_person(project: Path, shop: Shop) -> None:
    agent, shop.cuts = begin(project), 1
    with pytest.raises(LOST), tallystick.run(goal="refund order 7", budget="5"):
        agent.refund_by_hand("7")
    tallystick.shutdown()
    assert shop.orders["7"]["refunds"] == 1
    (row,) = effects(project, in_doubt=True)
    assert (row["tool"], row["recovery"], row["state"]) == ("refund_by_hand", "operator", "in doubt")
    refused = tally(project, "effects", "reconcile", "--module", "shop_agent", "--json")
    assert refused.returncode == 6, refused.stderr
    done = tally(
        project, "effects", "settle", row["effect"], "landed", "--because", "the shop shows it", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "landed"
    again = tally(project, "effects", "settle", row["effect"], "landed", "--because", "again")
    assert again.returncode == 7
    assert effects(project, in_doubt=True) == []
    verified = tally(project, "journal", "verify")
    assert verified.returncode == 0, verified.stderr


@pytest.mark.parametrize(
    ("cut", "outcome", "refunds"), [("cuts", "landed", 1), ("before", "did not happen", 0)]
)
def test_reconcile_a_read_says_at_once_what_became_of_it(
    project: Path, shop: Shop, cut: str, outcome: str, refunds: int
) -> None:
    agent = begin(project)
    setattr(shop, cut, 1)
    with pytest.raises(LOST), tallystick.run(goal="refund order 7"):
        agent.refund_and_look("7")
    tallystick.shutdown()
    assert shop.orders["7"]["refunds"] == refunds
    assert [row["state"] for row in effects(project)] == [outcome]


def test_reconcile_later_what_could_not_be_read_at_once(project: Path, shop: Shop) -> None:
    agent, shop.cuts = begin(project), 1
    shop.orders["7"]["state"] = "frozen"  # what the shop shows fits neither answer
    real, shop.do = shop.do, lambda path, body: {}  # type: ignore[method-assign]
    with pytest.raises(LOST), tallystick.run(goal="refund order 7"):
        agent.refund_and_look("7")
    tallystick.shutdown()
    assert [row["state"] for row in effects(project)] == ["in doubt"]
    shop.do = real  # type: ignore[method-assign]
    shop.orders["7"]["state"] = "refunded"
    done = tally(project, "effects", "reconcile", "--module", "shop_agent", "--json")
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in json.loads(done.stdout)["effects"]] == ["landed"]


def test_idempotent_the_same_key_makes_one_refund_of_two_calls(project: Path, shop: Shop) -> None:
    agent, shop.cuts = begin(project), 1
    with tallystick.run(goal="refund order 7"):
        with pytest.raises(LOST):
            agent.refund_once("7")
        assert agent.refund_once("7")["refunds"] == 1
    tallystick.shutdown()
    assert shop.orders["7"]["refunds"] == 1
    assert [row["state"] for row in effects(project)] == ["landed", "landed"]
    assert len({row["key"] for row in effects(project)}) == 1


def test_idempotent_another_process_repeats_it_with_the_key_it_had(project: Path, shop: Shop) -> None:
    agent, shop.cuts = begin(project), 1
    with pytest.raises(LOST), tallystick.run(goal="refund order 7"):
        agent.refund_once("7")
    tallystick.shutdown()
    assert (
        tally(project, "effects", "reconcile", "--module", "shop_agent").returncode == 6
    )  # not asked to repeat
    done = tally(project, "effects", "reconcile", "--module", "shop_agent", "--repeat", "--json")
    assert done.returncode == 0, done.stderr
    assert shop.orders["7"]["refunds"] == 1
    assert effects(project, in_doubt=True) == []


def test_retry_the_same_call_that_lands_ends_the_doubt(project: Path, shop: Shop) -> None:
    agent, shop.cuts = begin(project), 1
    with tallystick.run(goal="mark order 7 as late"):
        with pytest.raises(LOST):
            agent.mark("7", "late")
        agent.mark("7", "late")
    tallystick.shutdown()
    assert shop.orders["7"]["note"] == "late"
    assert [row["state"] for row in effects(project)] == ["landed", "landed"]


def test_what_a_killed_process_had_started_is_in_doubt(project: Path, shop: Shop) -> None:
    program = (
        "import os, tallystick\n"
        "@tallystick.tool(effect='irreversible')\n"
        "def wire(account: str) -> str:\n"
        "    os._exit(9)\n"
        f"tallystick.init(agent='desk', project={str(project)!r}, store={str(project / 'store')!r}, instrument=False)\n"
        "with tallystick.run(goal='wire'):\n"
        "    wire('7')\n"
    )
    died = subprocess.run([sys.executable, "-c", program], cwd=project, timeout=60, check=False)
    assert died.returncode == 9
    listed = tally(project, "effects", "ls", "--in-doubt", "--json")
    assert [row["tool"] for row in json.loads(listed.stdout)["effects"]] == ["wire"]
    name = json.loads(listed.stdout)["effects"][0]["effect"]
    done = tally(project, "effects", "settle", name, "did-not-happen", "--because", "the bank has nothing")
    assert done.returncode == 0, done.stderr


def test_what_an_effect_did_is_taken_back_under_the_same_rules(project: Path, shop: Shop) -> None:
    agent, shop.wrong = begin(project), True
    with pytest.raises(Stopped), tallystick.run(goal="order a lamp") as run:
        agent.order("lamp")
    name = run.id
    assert name is not None
    tallystick.shutdown()
    (row,) = effects(project)
    shown = tally(project, "runs", "show", name)
    assert "can be taken back" in shown.stdout + shown.stderr
    proposed = tally(project, "runs", "undo", name, row["effect"], "--json")
    assert json.loads(proposed.stdout)["undo"] == {"tool": "cancel", "arguments": {"order_id": "2"}}
    done = tally(project, "runs", "undo", name, row["effect"], "--module", "shop_agent", "--json")
    assert done.returncode == 0, done.stderr
    assert shop.orders["2"]["state"] == "cancelled"
    answer = json.loads(done.stdout)
    assert answer["effect"]["undoes"] == row["effect"]
    assert tally(project, "runs", "undo", name, row["effect"], "--module", "shop_agent").returncode == 7
    evidence = tally(project, "evidence", name, "-o", str(project / "run.evidence"))
    assert evidence.returncode == 0, evidence.stderr
    checked = tally(project, "verify", str(project / "run.evidence"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
