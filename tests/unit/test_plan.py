"""What a plan does with each object, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from control_double import Clock, Control

from tallystick.adapters.project import read_project
from tallystick.app.registry import registrar
from tallystick.model.canonical import digest_bytes
from tallystick.model.errors import Conflict
from tallystick.model.journal import Draft
from tallystick.model.registry import Card, Declared, version_digest
from tallystick.registry.declarations import Declarations
from tallystick.registry.drafts import declared_draft
from tallystick.registry.plan import Action, Plan


class Shop:
    """A project on disk and a registry in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shop"
        self.control = Control(Clock())

    def write(self, **files: str | None) -> Shop:
        """Keyword ``agents_desk`` is agents/desk.toml; None takes the file away."""
        for key, text in files.items():
            kind, _, name = key.partition("_")
            suffix = {"prompts": ".md", "policies": ".cedar", "evals": ".jsonl"}.get(kind, ".toml")
            path = self.folder / kind / (name + suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text) if text is not None else path.unlink()
        return self

    def found(self) -> Declarations:
        return read_project(self.folder, known=self.control.declared()).found

    def plan(self, **options: Any) -> Plan:
        return registrar.plan(self.control, self.found(), **options)

    def apply(self, because: str | None = None, **options: Any) -> dict[str, str]:
        """Apply; what was done by name."""
        made = self.plan(**options)
        registrar.carry_out(self.control, made, actor="ada", because=because)
        return did(made)

    def put(self, type: str, name: str, origin: str | None, label: str | None = None, **body: Any) -> None:
        """An object that somebody else declares."""
        texts = {body["text"]: "x"} if "text" in body else {}
        one = Declared(
            type, name, version_digest(type, name, label, body), label, body, card=Card(origin=origin)
        )
        self.control.append([declared_draft(one, actor="bob", texts=texts)])


def did(made: Plan) -> dict[str, str]:
    return {f"{one.type} {one.name}": one.action.value for one in made.items if one.action != "unchanged"}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path).write(
        agents_desk='name = "desk"\nversion = "1"\nowner = "ada"\nmodels = ["m"]\ntools = ["refund"]\n'
        'budget_usd = "1"\n',
        tools_refund='name = "refund"\neffect = "write"\nsources = ["orders"]\n',
        data_orders='name = "orders"\nclasses = ["customer_pii"]\n',
        prompts_desk="Be kind.\n",
    )


def test_first_everything_is_added_in_one_transaction_and_then_nothing(shop: Shop) -> None:
    assert shop.apply(because="the first time") == {
        "agent desk": "add", "tool refund": "add", "data orders": "add", "prompt desk": "add", "model m": "add",
        "budget agent:desk": "add",
    }  # fmt: skip
    assert shop.control.transactions == [["object.declared"] * 5 + ["budget.set"]]
    assert {one.actor for one in shop.control.journal} == {"ada"}
    assert shop.control.journal[0].body["because"] == "the first time"
    assert shop.control.text(shop.control.declared("prompt")[0].body["text"]) == "Be kind.\n"
    assert shop.apply() == {}
    assert len(shop.control.transactions) == 1
    assert [one.data for one in registrar.known_tools(shop.control)] == [("customer_pii",)]


def test_a_changed_card_is_no_new_version(shop: Shop) -> None:
    shop.apply()
    text = (shop.folder / "agents/desk.toml").read_text()
    shop.write(agents_desk=text.replace('"ada"', '"bob"') + '[links]\nrepository = "https://g.example"\n')
    made = shop.plan()
    assert did(made) == {"agent desk": "changed card"}
    assert [one.path for one in made.changing[0].diff.changes] == ["card.links.repository", "card.owner"]
    shop.apply()
    one = shop.control.declared("agent")[0]
    assert (one.card.owner, len(shop.control.versions("agent", "desk"))) == ("bob", 1)


def test_a_version_is_never_overwritten(shop: Shop) -> None:
    shop.apply()
    text = (shop.folder / "agents/desk.toml").read_text()
    shop.write(agents_desk=text.replace('["m"]', '["n"]'), prompts_desk="Be short.\n")
    made = shop.plan()
    assert did(made) == {"agent desk": "refused", "prompt desk": "new version", "model n": "add"}
    refused = made.refused[0]
    old, new = (
        shop.control.declared("agent")[0].digest[:12],
        refused.wanted.digest[:12] if refused.wanted else "",
    )
    assert f"version 1 of agent desk is {old} already, and this would be {new}; what differs: models" in (
        refused.why or ""
    )
    size = len(shop.control.journal)
    with pytest.raises(Conflict) as caught:
        registrar.carry_out(shop.control, made, actor="ada")
    assert caught.value.exit_code == 7
    assert (caught.value.detail["file"], caught.value.detail["line"]) == ("agents/desk.toml", 2)
    assert len(shop.control.journal) == size
    registrar.carry_out(shop.control, made, actor="tallystick.init", partly=True)
    assert [one.name for one in shop.control.declared("model")] == ["m", "n"]
    shop.write(agents_desk=text.replace('["m"]', '["n"]').replace('"1"\nowner', '"2"\nowner'))
    assert shop.apply() == {"agent desk": "new version"}
    shop.write(agents_desk=text)  # and back: that version is there
    assert shop.apply() == {"agent desk": "new version"}
    assert shop.control.declared("agent")[0].version == "1"


def test_a_label_of_an_old_journal_binds_nobody(shop: Shop) -> None:
    body = {
        "owner": None,
        "purpose": None,
        "models": [],
        "tools": [],
        "workflow": None,
        "budget_nano_usd": None,
    }
    entry = {
        "type": "agent",
        "name": "desk",
        "digest": version_digest("agent", "desk", "1", body),
        "version": "1",
    }
    shop.control.append([Draft("object.declared", "agent:desk", {**entry, "body": body})])
    assert shop.apply()["agent desk"] == "new version"


def test_prune_retires_what_this_project_declared_and_nothing_else(shop: Shop) -> None:
    shop.apply()
    shop.put("tool", "pushed", "push", effect="read")
    shop.put("tool", "theirs", "apply:other", effect="read", sources=["orders"])
    shop.put("tool", "nobodys", None, effect="read")
    shop.write(
        agents_desk='name = "desk"\nversion = "2"\n', tools_refund=None, data_orders=None, prompts_desk=None
    )
    assert did(shop.plan()) == {"agent desk": "new version"}
    made = shop.plan(prune=True)
    assert did(made) == {
        "agent desk": "new version", "model m": "retire", "prompt desk": "retire", "tool refund": "retire"
    }  # fmt: skip
    kept = next(one for one in made.items if one.type == "data")
    assert "tool theirs names it" in (kept.why or "")
    assert {"data orders"} <= {f"{one['type']} {one['name']}" for one in made.as_json()["items"]}
    shop.apply(prune=True)
    assert shop.apply(prune=True) == {}
    assert {one.name for one in shop.control.declared("tool")} == {"nobodys", "pushed", "theirs"}


def test_what_is_retired_comes_back_when_a_person_applies_it_and_not_when_a_process_starts(
    shop: Shop,
) -> None:
    shop.apply()
    shop.control.append(
        [Draft("object.retired", "tool:refund", {"type": "tool", "name": "refund", "because": "x"})]
    )
    made = registrar.plan(shop.control, read_project(shop.folder).found, revive=False)
    assert did(made) == {"tool refund": "refused"}
    assert "tally apply brings it back" in (made.refused[0].hint or "")
    made = registrar.plan(shop.control, read_project(shop.folder).found)
    assert did(made) == {"tool refund": "back"}
    registrar.carry_out(shop.control, made, actor="ada")
    assert [one.name for one in shop.control.declared("tool")] == ["refund"]


def test_a_file_can_retire(shop: Shop) -> None:
    text = 'name = "old"\neffect = "read"\nlifecycle = "{}"\n'
    shop.write(tools_old=text.format("retired"))
    assert shop.apply()["tool old"] == "retire"  # declared and retired: then the guard knows
    assert [(one.name, one.retired) for one in shop.control.declared("tool", retired=True)] == [
        ("old", True), ("refund", False)
    ]  # fmt: skip
    assert shop.apply() == {}
    shop.write(tools_old=text.format("deprecated"))
    assert shop.apply() == {"tool old": "back"}
    shop.write(tools_old=text.format("retired"))
    assert shop.apply() == {"tool old": "retire"}
    assert shop.apply() == {}


def test_two_projects_do_not_take_things_from_each_other_by_turns(shop: Shop, tmp_path: Path) -> None:
    shop.apply()
    other = Shop(tmp_path / "x")
    other.folder, other.control = tmp_path / "x" / "other", shop.control
    other.write(agents_helper='name = "helper"\nmodels = ["m"]\ntools = ["refund"]\n')
    assert other.apply() == {"agent helper": "add"}
    assert shop.apply() == {}
    shop.write(agents_desk=None)
    assert shop.apply(prune=True) == {
        "agent desk": "retire"
    }  # the model and the tool are still named by the other


def test_a_pushed_policy_is_not_replaced_by_a_file_of_its_name(shop: Shop) -> None:
    shop.put("policy", "money", "push", text=digest_bytes(b"x"), scope="touches:payment")
    shop.write(policies_money="// nothing")
    made = shop.plan()
    assert did(made)["policy money"] == "refused"
    assert "'touches:payment'" in (made.refused[0].why or "")


def test_somebody_else_was_first(shop: Shop) -> None:
    made = shop.plan()
    shop.put("tool", "other", None, effect="read")
    with pytest.raises(Conflict, match="since this was planned"):
        registrar.carry_out(shop.control, made, actor="ada")
    assert len(shop.control.journal) == 1


def test_somebody_else_was_first_while_the_entries_were_written(shop: Shop) -> None:
    """Between the last look at the registry and the transaction nothing may slip in."""
    made, write = shop.plan(), shop.control.append

    def after_another(drafts: Any, **more: Any) -> Any:
        shop.control.append = write  # type: ignore[method-assign]
        shop.put("tool", "other", None, effect="read")
        return write(drafts, **more)

    shop.control.append = after_another  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="since this was planned"):
        registrar.carry_out(shop.control, made, actor="ada")
    assert len(shop.control.journal) == 1


def test_a_budget_that_changed_is_set_again(shop: Shop) -> None:
    shop.apply()
    text = (shop.folder / "agents/desk.toml").read_text().replace('budget_usd = "1"', 'budget_usd = "2"')
    shop.write(agents_desk=text.replace('version = "1"', 'version = "1.1"'))
    made = shop.plan()
    assert did(made) == {"agent desk": "new version", "budget agent:desk": "new limit"}
    budget = made.changing[-1]
    assert [(one.path, one.before, one.after) for one in budget.diff.changes] == [
        ("limit_nano_usd", 10**9, 2 * 10**9)
    ]
    shop.apply()
    assert shop.control.budgets("agent:desk")[0].limit_nano == 2 * 10**9


def test_a_text_that_was_erased_is_not_compared(shop: Shop) -> None:
    shop.apply()
    known = shop.control.declared("prompt")[0]
    broken = replace(known, body={**known.body, "text": "0" * 64})
    standing = registrar.Standing([broken])
    shop.write(prompts_desk="Be short.\n")
    made = registrar.make_plan(shop.found(), standing)
    item = next(one for one in made.items if one.type == "prompt")
    assert (item.action, item.diff.texts) == (Action.VERSION, ())
