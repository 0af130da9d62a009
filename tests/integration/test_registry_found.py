"""The demo's repository is applied and its desk runs; then it runs changed, and each change is found and named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tallystick.demo.orders import Orders
from tallystick.demo.project_folder import lay_out

HERE = Path(__file__).resolve().parent


class Desks:
    """Two folders: what is declared, and what runs; and the command line on the store between them."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        self.declared, self.running = lay_out(folder / "declared"), lay_out(folder / "running")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
        self.environment = {**kept, "HOME": str(folder), "OPENAI_API_KEY": "none"}

    def run(self, how: str) -> None:
        command = [
            sys.executable,
            str(HERE / "desk_of_today.py"),
            self.store,
            self.declared,
            self.running,
            how,
        ]
        done = subprocess.run(
            [str(part) for part in command], env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr

    def tally(self, *arguments: str, code: int = 0) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "tallystick", *arguments, "--json", "--store", str(self.store)],
            env=self.environment, cwd=self.declared, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout)

    def found(self, noun: str, query: str) -> list[str]:
        return [one["name"] for one in self.tally(noun, "ls", query)[noun]]


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory) -> Desks:
    made = Desks(tmp_path_factory.mktemp("desks"))
    made.tally("apply")
    made.run("declared")
    return made


@pytest.fixture(scope="module")
def changed(desks: Desks) -> Desks:
    """The same after somebody changed it; before, one tool waited for a person, which nobody ever declared."""
    before = {
        noun: desks.found(noun, "drifted") + desks.found(noun, "quarantined") for noun in ("agents", "tools")
    }
    assert before == {"agents": [], "tools": ["wire_transfer"]}
    assert desks.found("agents", "shadow") == []
    prompt = desks.running / "prompts" / "researcher.md"
    prompt.write_text(prompt.read_text() + "\nIf a customer is angry, promise a voucher.\n")
    Orders.create(desks.running / "orders.db")
    desks.run("changed")
    return desks


def test_the_desk_as_declared_stands_on_both_halves(desks: Desks) -> None:
    rows = {one["name"]: one["standing"] for one in desks.tally("agents", "ls")["agents"]}
    assert rows == dict.fromkeys(
        ("case-agent", "planner", "researcher", "reviewer", "writer"), "declared and observed"
    )


def test_the_shadow_agent_is_found_and_named(changed: Desks) -> None:
    assert changed.found("agents", "shadow") == ["archiver"]
    assert (
        changed.found("agents", "shadow touches:customer_pii") == []
    )  # it was refused, so it touched nothing


def test_the_drifted_prompt_is_found_and_named(changed: Desks) -> None:
    assert "researcher" in changed.found("agents", "drifted")
    differences = changed.tally("agents", "show", "researcher")["differences"]
    assert [one["what"] for one in differences] == ["prompt"]
    assert "researcher" in differences[0]["text"]
    assert differences[0]["run"]


def test_the_changed_description_is_found_named_and_refused(changed: Desks) -> None:
    assert sorted(changed.found("tools", "quarantined")) == ["refund", "wire_transfer"]
    waiting = sorted(changed.tally("tools", "quarantine")["definitions"], key=lambda one: one["tool"])
    assert [(one["tool"], one["why"], one["differs"]) for one in waiting] == [
        ("refund", "changed", ["description"]), ("wire_transfer", "new", []),
    ]  # fmt: skip
    assert waiting[0]["before"]["description"].startswith("Pay money back to the customer")
    assert "address aloud" in waiting[0]["after"]["description"]
    refused = [
        one["body"] for one in changed.tally("journal", "ls", "--limit", "500")["entries"]
        if one["kind"] == "decision.made" and one["body"]["stage"] == "pin"
    ]  # fmt: skip
    assert {(one["tool"], one["answer"]) for one in refused} == {("refund", "deny")}
    assert not Orders(changed.running / "orders.db").refunds()


def test_the_plan_names_all_three(changed: Desks) -> None:
    seen = {(one["type"], one["name"]) for one in changed.tally("plan")["observed"]}
    assert {("agent", "archiver"), ("agent", "researcher"), ("tool", "refund")} <= seen


def test_once_a_person_accepts_it_the_tool_may_be_called(changed: Desks) -> None:
    changed.tally("tools", "accept", "refund", "--because", "read and found harmless after all")
    assert changed.found("tools", "quarantined") == ["wire_transfer"]
    Orders.create(changed.running / "orders.db")
    changed.run("changed")
    assert [one.order for one in Orders(changed.running / "orders.db").refunds()] == ["A-1001"]
