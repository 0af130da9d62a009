"""``tally plan``, ``tally apply`` and ``tally init`` as people and programs read them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cli_parts import HOSTILE, FakeParts, call

from tallystick.cli.person import this_person
from tallystick.model.errors import Conflict
from tallystick.registry.declarations import Declarations
from tallystick.registry.plan import Plan, Standing, make_plan
from tallystick.registry.text_files import prompt_from, secret_line

AGENT = 'name = "desk"\nversion = "1"\nprompts = ["desk"]\n'


class RealParts(FakeParts):
    """Plans and applies for real, in memory."""

    def plan(self, stores: Any, settings: Any, *, prune: bool) -> Plan:
        from tallystick.adapters.project import read_project
        from tallystick.app.registry import registrar

        found = read_project(self.folder, known=stores.control.declared()).found
        return registrar.plan(stores.control, found, prune=prune)

    def declare(self, stores: Any, settings: Any, *, by: str, prune: bool, because: str | None) -> Any:
        from tallystick.app.registry import registrar

        made = self.plan(stores, settings, prune=prune)
        entries = registrar.carry_out(stores.control, made, actor=by, because=because)
        return {**registrar.applied(made), "entries": len(entries)}


@pytest.fixture
def parts(tmp_path: Path) -> RealParts:
    for name, text in {
        "tallystick.toml": "",
        "agents/desk.toml": AGENT,
        "prompts/desk.md": "Be kind.\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return RealParts(tmp_path)


def test_plan_says_what_apply_does_and_apply_says_who_and_why(parts: RealParts) -> None:
    planned = json.loads(call(parts, "plan", "--json").stdout)
    assert [(one["action"], one["type"], one["name"]) for one in planned["items"]] == [
        ("add", "agent", "desk"), ("add", "prompt", "desk"),
    ]  # fmt: skip
    assert json.loads(call(parts, "apply", "--dry-run", "--json").stdout) == planned
    assert parts.stores.control.head()[0] == 0
    done = json.loads(call(parts, "apply", "--because", "first", "--json").stdout)
    assert (len(done["declared"]), done["entries"], done["unchanged"]) == (2, 2, 0)
    entry = parts.stores.control.entries()[0]
    assert (entry.actor, entry.body["because"]) == (this_person(), "first")
    assert json.loads(call(parts, "apply", "--json").stdout)["entries"] == 0


def test_a_plan_shows_what_differs_and_nothing_that_acts(parts: RealParts) -> None:
    call(parts, "apply")
    (parts.folder / "prompts" / "desk.md").write_text("Be kind\x1b[2J and \u202eshort.\n")
    (parts.folder / "agents" / "desk.toml").write_text(AGENT + 'owner = "ada"\nworkflow = "x"\n')
    shown = call(parts, "plan").stdout
    assert "! refused: agent desk 1  (agents/desk.toml)" in shown
    assert "hint: give it another version" in shown
    assert "~ new version: prompt desk  (prompts/desk.md)" in shown
    assert "      -Be kind." in shown
    assert "      +Be kind␛[2J and \\u202eshort." in shown
    assert not set(shown) & set("\x1b\u202e\x07")
    with pytest.raises(Conflict):
        raise call(parts, "apply").exception or AssertionError


def test_the_shape_is_the_documented_one(parts: RealParts) -> None:
    documented = tomllib.loads((Path(__file__).parents[2] / "docs" / "fields.toml").read_text("utf-8"))[
        "planned"
    ]
    for item in json.loads(call(parts, "plan", "--json").stdout)["items"]:
        assert list(item) == list(documented)


def test_what_was_observed_stands_below_the_plan(parts: RealParts, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"type": "tool", "name": HOSTILE, "standing": "observed only", "text": f"seen {HOSTILE}"}
    monkeypatch.setattr(RealParts, "plan", lambda *_, **__: Plan(observed=(row,)))
    shown = call(parts, "plan")
    assert shown.stdout.startswith("? tool ")
    assert not set(shown.stdout) & set("\x1b\u202e\x07\x9b")
    assert "declares nothing" in shown.stderr
    assert json.loads(call(parts, "plan", "--json").stdout)["observed"][0]["standing"] == "observed only"


def test_init_writes_what_was_observed_and_no_sample(parts: RealParts, tmp_path: Path) -> None:
    parts.sketched = {"agents/seen.toml": 'name = "seen"\n'}
    folder = tmp_path / "new"
    dry = json.loads(call(parts, "init", str(folder), "--dry-run", "--json").stdout)
    assert not folder.exists()
    assert dry["written"] == ["tallystick.toml", "agents/seen.toml", "policies/read.cedar", ".gitignore"]
    done = call(parts, "init", str(folder))
    assert (folder / "agents" / "seen.toml").read_text() == 'name = "seen"\n'
    assert "is not declared" in done.stderr
    assert not set(done.stderr) & set("\x1b\u202e\x07\x9b")
    again = json.loads(call(parts, "init", str(folder), "--json").stdout)
    assert again["written"] == []
    assert "agents/seen.toml" in again["kept"]


def test_init_adds_no_rule_where_rules_are(parts: RealParts, tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "own.cedar").write_text("// mine")
    assert (
        "policies/read.cedar"
        not in json.loads(call(parts, "init", str(tmp_path), "--json").stdout)["written"]
    )


def test_a_new_prompt_is_shown_without_its_text_and_secrets_are_found_by_line() -> None:
    found = Declarations(texts=(prompt_from("p", "prompts/p.md", "x" * 1000),))
    made = make_plan(found, Standing())
    assert "x" * 100 not in json.dumps(made.as_json())
    assert secret_line("a\nb\nsk-" + "c" * 30) == 3
    assert secret_line("nothing") is None
