"""What the doctor says of the registry: drift, quarantine, policies that do not load, a server that is not heard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_parts import FakeParts, call
from registry_shop import declared, drafts, sightings, uses

from tallystick.model.errors import StoreFault
from tallystick.wiring import open_stores

Rows = list[dict[str, str]]


@pytest.fixture
def parts(tmp_path: Path) -> FakeParts:
    made = FakeParts(tmp_path)
    (tmp_path / "store").mkdir()
    return made


def asked(parts: FakeParts) -> tuple[dict[str, Rows], int]:
    result = call(parts, "doctor", "--json")
    assert result.exception is None, result.exception
    by: dict[str, Rows] = {}
    for row in json.loads(result.stdout)["findings"]:
        by.setdefault(row["check"], []).append(row)
    return by, result.return_value


def test_a_quiet_registry_is_in_order(parts: FakeParts) -> None:
    rows, code = asked(parts)
    assert (rows["registry"][0]["state"], rows["pins"][0]["state"], code) == ("ok", "ok", 0)
    assert "feed" not in rows


def test_what_runs_undeclared_and_waits_is_named(parts: FakeParts) -> None:
    for draft in drafts():
        parts.stores.control.append([draft])
    parts.stores.traces.sighted, parts.stores.traces.used = sightings(), list(uses())
    rows, code = asked(parts)
    assert code == 0
    assert any("seen, not declared" in row["why"] and "agent shade" in row["why"] for row in rows["registry"])
    assert rows["pins"][0]["state"] == "warn"
    assert "refund" in rows["pins"][0]["why"]
    assert "\x1b" not in call(parts, "doctor").stdout


def test_a_policy_of_the_registry_that_cannot_be_loaded_fails(parts: FakeParts) -> None:
    broken = 'permit (principal, action == Action::"gone", resource);'
    parts.stores.control.append([declared("policy", "late", text=broken, scope="kind:agent")])
    rows, code = asked(parts)
    assert code == 3
    (said,) = [row for row in rows["policies"] if row["state"] == "fail"]
    assert "policy late of the registry cannot be loaded" in said["why"]
    assert "gone" in said["why"]


def test_policies_of_the_registry_count_where_no_folder_is(parts: FakeParts) -> None:
    text = "permit (principal, action, resource);"
    parts.stores.control.append([declared("policy", "base", text=text, scope=None)])
    rows, _ = asked(parts)
    assert rows["policies"][0]["state"] == "ok"
    assert "the registry's are in force: base" in rows["policies"][0]["why"]


def test_a_server_that_does_not_answer_is_said(tmp_path: Path) -> None:
    parts = FakeParts(tmp_path, {"TALLYSTICK_SERVER": "http://127.0.0.1:9"})
    rows, code = asked(parts)
    assert code == 3
    assert rows["feed"][0]["state"] == "fail"
    assert "http://127.0.0.1:9" in rows["feed"][0]["why"]


def test_a_store_that_cannot_be_made_is_said_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreFault, match="cannot be made") as caught:
        open_stores(tmp_path / "file" / "store")
    assert caught.value.hint
