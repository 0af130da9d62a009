"""Plan and apply over random projects, on both control stores: what is planned is what happens, and once is enough."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.sqlite import SqliteControl
from tallystick.app.registry import registrar
from tallystick.model.errors import Conflict
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.registry import Autonomy, Card, Lifecycle
from tallystick.model.step import Effect
from tallystick.ports import ControlStore
from tallystick.registry.agent_files import AgentDeclaration, agent_from
from tallystick.registry.data_files import DataFile
from tallystick.registry.declarations import Declarations
from tallystick.registry.fields import DeclarationFile
from tallystick.registry.plan import Action
from tallystick.registry.text_files import policy_from, prompt_from, suite_from
from tallystick.registry.toml_text import toml_key, toml_value
from tallystick.registry.tool_files import ToolFile, tool_from
from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds

NAMES = ("a", "b", "c")
OWNERS = st.sampled_from([None, "payments", "support"])
LABELS = st.sampled_from([None, None, "1", "2"])
LISTS = st.one_of(st.none(), st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple))


@st.composite
def cards(draw: st.DrawFn, origin: str) -> Card:
    life = draw(st.sampled_from([Lifecycle.ACTIVE] * 4 + [Lifecycle.DRAFT, Lifecycle.RETIRED]))
    links = draw(st.sampled_from([{}, {"repository": "https://git.example/x"}]))
    return Card(draw(OWNERS), draw(st.sampled_from([None, "To help."])), life, links, origin)


@st.composite
def projects(draw: st.DrawFn) -> Declarations:
    """A project of a few objects with names that others have too."""
    origin = draw(st.sampled_from(["apply:one", "apply:two"]))
    some = st.sets(st.sampled_from(NAMES))
    agents = [
        AgentDeclaration(
            name, draw(LABELS), draw(cards(origin)), draw(st.sampled_from([None, *Autonomy])), draw(LISTS), draw(LISTS),
            draw(LISTS), draw(LISTS), draw(LISTS), draw(st.sampled_from([None, "desk"])),
            draw(st.sampled_from([None, 5, 7])),
        )
        for name in sorted(draw(some))
    ]  # fmt: skip
    tools = [
        ToolFile(
            ToolDeclaration(name, draw(st.sampled_from(list(Effect))), draw(st.sampled_from(["", "x"]))),
            draw(LABELS), draw(cards(origin)), draw(LISTS),
        )
        for name in sorted(draw(some))
    ]  # fmt: skip
    data = [DataFile(name, ("pii",), draw(LABELS), draw(cards(origin))) for name in sorted(draw(some))]
    texts = [
        prompt_from(n, f"prompts/{n}.md", draw(st.sampled_from("xyz")), origin) for n in sorted(draw(some))
    ]
    texts += [
        policy_from(n, f"policies/{n}.cedar", draw(st.sampled_from("xyz")), origin)
        for n in sorted(draw(some))
    ]
    texts += [
        suite_from(n, f"evals/{n}.jsonl", draw(st.sampled_from(["{}", "{}\n{}"])), origin)
        for n in sorted(draw(some))
    ]
    return Declarations(tuple(agents), tuple(tools), tuple(data), tuple(texts), origin)


def stores(folder: str) -> list[ControlStore]:
    return [
        MemoryControl(clock=FakeClock(), ids=CountingIds()),
        SqliteControl(Path(folder) / "control.db", clock=FakeClock(), ids=CountingIds()),
    ]


def views(control: ControlStore) -> dict[tuple[str, str], Any]:
    """What people see of every object, but for whose it is and when it came."""
    return {
        (one.type, one.name): (
            one.digest,
            one.version,
            dict(one.body),
            one.retired,
            replace(one.card, origin=None),
        )
        for one in control.declared(retired=True)
    }


def wanted(found: Declarations, before: Mapping[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """What must be seen afterwards: what was there, with what the project says in its place."""
    made = dict(before)
    for each in found.wanted():
        one = each.declared
        made[one.type, one.name] = (
            one.digest, one.version, dict(one.body), one.retired, replace(one.card, origin=None)
        )  # fmt: skip
    return made


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(projects(), st.booleans()), min_size=1, max_size=5))
def test_what_is_planned_is_what_happens_and_twice_is_nothing(steps: list[tuple[Declarations, bool]]) -> None:
    with TemporaryDirectory() as folder:
        both = stores(folder)
        for found, prune in steps:
            told = [_apply(control, found, prune=prune) for control in both]
            assert told[0] == told[1]
            assert views(both[0]) == views(both[1])
        for control in both:
            control.verify()
            assert control.rebuild()["changed"] == 0
            control.close()


def _apply(control: ControlStore, found: Declarations, *, prune: bool) -> Any:
    before, size = views(control), control.head()[0]
    made = registrar.plan(control, found, prune=prune)
    assert control.head()[0] == size  # to plan changes nothing
    if made.refused:
        with pytest.raises(Conflict) as caught:
            registrar.carry_out(control, made, actor="ada")
        assert len(caught.value.detail["problems"]) == len(made.refused)
        assert views(control) == before
        return made.as_json()
    drafts = made.drafts(actor="ada", because="a test")
    entries = registrar.carry_out(control, made, actor="ada", because="a test")
    assert [(one.kind, one.subject) for one in entries] == [(one.kind, one.subject) for one in drafts]
    pruned = [one for one in made.of(Action.RETIRE) if one.wanted is None]
    expected = wanted(found, before)
    for one in pruned:
        digest, version, body, _, card = expected[one.type, one.name]
        expected[one.type, one.name] = (digest, version, body, True, card)
        assert one.known is not None
        assert one.known.card.origin == found.origin
    assert views(control) == expected
    again = registrar.plan(control, found, prune=prune)
    assert again.changing == []
    assert again.refused == []
    assert registrar.carry_out(control, again, actor="ada") == ()
    return made.as_json()


TABLES = st.fixed_dictionaries(
    {"name": st.sampled_from(["x", "tool/ä"]), "effect": st.sampled_from(["read", "write"])},
    optional={
        "version": st.just("1.0"), "description": st.text(st.characters(categories=["L", "N", "P", "Zs"])),
        "data": st.lists(st.sampled_from(["pii", "payment"]), max_size=2), "sources": st.just([]),
        "price_usd": st.just("0.10"), "recovery": st.just("retry"),
        "arguments": st.dictionaries(st.sampled_from(["a", "b", "ä"]), st.sampled_from(["string", "long?"])),
        "input": st.dictionaries(st.text(max_size=3), st.recursive(st.integers() | st.booleans() | st.text(max_size=3),
                                 lambda x: st.lists(x) | st.dictionaries(st.text(max_size=3), x), max_leaves=4)),
        "links": st.just({"repository": "https://git.example/x"}), "owner": st.just("payments"),
    },
)  # fmt: skip


@given(TABLES, st.randoms())
def test_a_version_has_one_digest_however_its_file_is_written(table: dict[str, Any], random: Any) -> None:
    first = tool_from(DeclarationFile("tools/x.toml", table)).declared()
    keys = list(table)
    random.shuffle(keys)
    shuffled = {key: _shuffled(table[key], random) for key in keys}
    flat = "\n".join(f"{toml_key(key)} = {toml_value(shuffled[key])}" for key in keys)
    again = tool_from(DeclarationFile("tools/other.toml", tomllib.loads(flat))).declared()
    assert again.digest == first.digest
    assert again == first


def _shuffled(value: Any, random: Any) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: _shuffled(value[key], random) for key in keys}
    return value


def test_a_list_left_out_says_nothing_and_an_empty_one_says_none() -> None:
    bare = agent_from(DeclarationFile("agents/a.toml", {"name": "a"})).declared()
    none = agent_from(DeclarationFile("agents/a.toml", {"name": "a", "tools": []})).declared()
    assert bare.body == {}
    assert none.body == {"tools": []}
    assert bare.digest != none.digest


def test_what_another_project_retires_is_retired_once() -> None:
    control = MemoryControl(clock=FakeClock(), ids=CountingIds())
    living = DataFile("orders", ("pii",), None, Card(origin="apply:one"))
    gone = DataFile("orders", ("pii",), None, Card(lifecycle=Lifecycle.RETIRED, origin="apply:two"))
    for one in (living, gone):
        found = Declarations((), (), (one,), (), one.card.origin)
        registrar.carry_out(control, registrar.plan(control, found), actor="ada")
    assert registrar.plan(control, found).changing == []
