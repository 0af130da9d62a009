"""Credentials that people write where the journal would keep them for ever."""

from __future__ import annotations

import json

import pytest
from guard_house import House
from test_guard_groups import FREEZE, desk, house_of, planned, put
from test_guard_pins import OTHER, SEE, later

from tallystick.app.registry.accept import accept
from tallystick.app.registry.cards import import_card
from tallystick.model.errors import BadInput, ConfigError

KEY = "sk-" + "a" * 24
WHY = f"an incident, see {KEY}"
CARD = {
    "name": "other", "description": "Answers.", "version": "1", "url": "https://a.test/", "protocolVersion": "0.3.0",
    "capabilities": {}, "defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"],
    "skills": [{"id": "a", "name": "a", "description": "a", "tags": ["a"]}],
}  # fmt: skip


def journal(house: House) -> str:
    return json.dumps([dict(entry.body) for entry in house.control.entries(limit=1_000)], default=str)


def test_a_policy_with_a_credential_is_not_pushed() -> None:
    house = house_of()
    put(house, "tool", "care", {"effect": "read", "data": ["customer_pii"]})
    with pytest.raises(ConfigError, match=r"freeze\.cedar:3: a policy holds what looks like a credential"):
        planned(house, FREEZE + f"// {KEY}\n")
    with pytest.raises(BadInput, match="the scope holds what looks like a credential"):
        planned(house, scope=f"tool:{KEY}")


def test_no_reason_keeps_a_credential() -> None:
    house = house_of()
    put(house, "tool", "care", {"effect": "read", "data": ["customer_pii"]})
    desk(house).push(planned(house), by="ada", because=WHY)
    desk(house).withdraw("freeze", by="ada", because=WHY)
    import_card(house.control, json.dumps(CARD).encode(), by="ada", because=WHY)
    assert house.use(SEE, id="1").allowed
    later(house)
    house.use(OTHER, id="2")
    accept(house.control, "look", by="ada", because=WHY)
    kept = journal(house)
    assert KEY not in kept
    assert kept.count("an incident, see \\u2039redacted:secret\\u203a") == 4
