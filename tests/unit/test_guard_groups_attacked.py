"""Policies by group under attack: ways in which an agent could get out of a group, or a group's rules out of force."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from control_double import Clock, Control
from guard_house import LOOK, House
from test_guard_groups import ALL, CARE, FREEZE, answer, house_of, push, put

from tallystick.adapters.server_feed import FEED_FILE, ServerFeed
from tallystick.app.acting.feed import Heard, Known, StoreFeed
from tallystick.app.acting.groups import Groups
from tallystick.model.errors import StoreFault
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.registry import Use
from tallystick.model.step import Effect

QUIET = ToolDeclaration("care", Effect.NONE, arguments={"id": "string"})


def test_many_tools_or_many_names_do_not_make_a_guard_forget() -> None:
    house = house_of()
    push(house, FREEZE, "touches:customer_pii")
    heard = house.feed.heard() if house.feed else Heard()
    groups = Groups(house.clock.now)
    groups.heed(heard)
    assert groups.covering("desk", CARE)
    for number in range(1_100):
        groups.covering("desk", ToolDeclaration(f"junk{number}", Effect.READ))
    assert groups.covering("desk", LOOK)
    groups.heed(heard)
    assert groups.covering("desk", LOOK)
    for number in range(12_000):
        groups.covering(f"name{number}", LOOK)
    assert groups.covering("desk", LOOK)


def test_junk_before_the_call_does_not_hide_it() -> None:
    house = house_of()
    push(house, FREEZE, "touches:customer_pii")
    heard = house.feed.heard() if house.feed else Heard()
    groups = Groups(house.clock.now)
    groups.heed(heard)
    for number in range(1_100):
        groups.covering("desk", ToolDeclaration(f"junk{number}", Effect.READ))
    assert groups.covering("desk", CARE)
    groups.heed(heard)
    assert groups.covering("desk", LOOK)


def test_a_file_in_a_project_makes_nothing_laxer_than_the_registry() -> None:
    """Whoever writes tools/care.toml in a checkout must not get its calls out of a rule about effects or classes."""
    freeze = 'forbid (principal, action in Action::"effect:irreversible", resource);'
    house = House(ALL, asks=True, tools=(LOOK, QUIET))
    put(house, "tool", "care", {"effect": "irreversible", "data": ["payment"], "arguments": {"id": "string"}})
    push(house, freeze, "kind:agent")
    push(
        house,
        'forbid (principal, action, resource) when { context.data.contains("payment") };',
        "kind:agent",
        "pay",
    )
    assert answer(house, QUIET, "desk") == "deny"
    body = house.body("decision.made")
    assert body["reasons"] == ["pushed/freeze.cedar:1", "pushed/pay.cedar:1"]


def test_an_own_store_makes_nothing_laxer_than_the_server() -> None:
    strict = replace(QUIET, effect=Effect.WRITE, data=("payment",))
    heard = Heard((Known(1, tools=(QUIET,)), Known(2, tools=(strict,))))
    assert (heard.tools["care"].effect, heard.tools["care"].data) == (Effect.WRITE, ("payment",))


@pytest.mark.parametrize(
    "kept",
    [b"[" * 100_000, b'{"server":' + b"[" * 100_000, b"\xff\xfe", b"{", b'{"known":{}}', b"null", b"7"],
)
def test_a_kept_answer_that_is_broken_leaves_a_trouble(tmp_path: Path, kept: bytes) -> None:
    (tmp_path / FEED_FILE).write_bytes(kept)
    feed = ServerFeed("http://127.0.0.1:9", token=None, folder=tmp_path, say=lambda text: None)
    feed.wait(20)
    feed.close()
    assert feed.heard().trouble is not None


def test_uses_that_cannot_be_read_do_not_keep_a_policy_away() -> None:
    """Who can spoil the traces must not be able to stop what a person pushes; what is not known refuses effects."""
    clock = Clock()
    control = Control(clock)
    broken = [False]

    def uses() -> tuple[Use, ...]:
        if broken[0]:
            raise StoreFault("traces.db is no database")
        return ()

    feed = StoreFeed(control, clock, uses)
    house = house_of(control=control)
    push(house, FREEZE, "touches:customer_pii", name="first")
    assert feed.heard().trouble is None
    broken[0] = True
    push(house, ALL, "kind:agent", name="second")
    heard = feed.heard()
    assert [one.name for one in heard.parts[0].policies] == ["first", "second"]
    assert "traces.db is no database" in (heard.trouble or "")
    broken[0] = False
    clock.at += 1_000_000_000
    assert feed.heard().trouble is None  # it is looked at again
