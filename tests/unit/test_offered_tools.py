"""Tools that a server offers, held against what was accepted; and the files written for them."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick.adapters.memory.control import MemoryControl
from tallystick.adapters.tool_files import write_tool_files
from tallystick.app.registry.import_tools import Imported, Source, import_tools
from tallystick.model.errors import BadInput
from tallystick.model.journal import Draft
from tallystick.model.registry import Definition, Trust
from tallystick.registry.offered import Offer
from tallystick.registry.offered_files import arguments_of, file_name, file_text
from tallystick.registry.servers import command_identity, name_from_command, name_from_url, url_identity
from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds

LOOK = Offer("look", "Finds one order.", {"type": "object", "properties": {"id": {"type": "string"}}})
ELSE = Offer("look", "Finds any order.", {"type": "object", "properties": {"all": {"type": "string"}}})


class Shop:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.control = MemoryControl(clock=self.clock, ids=CountingIds())
        self.offers = [LOOK]

    def take(self, **more: Any) -> Imported:
        self.clock.advance(1)
        return import_tools(self.control, Source("shop", "srv --x", lambda: self.offers), by="ann", **more)

    def states(self, *offers: Offer) -> dict[str, str]:
        self.offers = list(offers)
        return {one.tool: one.state for one in self.take().findings}

    def accept(self, offer: Offer) -> None:
        self.clock.advance(1)
        made = Definition(f"shop.{offer.name}", offer.description, offer.input, None, {}, "srv --x")
        body = {"tool": made.name, "channel": "mcp", "definition": made.digest, "because": None}
        self.control.append([Draft("definition.accepted", "tool:shop.look", body, actor="ann")])

    @property
    def waiting(self) -> list[str]:
        return [one.definition for one in self.control.shown() if one.waits]


def test_new_waiting_unchanged_changed_and_back() -> None:
    shop = Shop()
    assert shop.states(LOOK) == {"shop.look": "new"}
    assert shop.states(LOOK) == {"shop.look": "waiting"}
    assert len(shop.control.entries()) == 1  # what waits already is not written again
    shop.accept(LOOK)
    assert shop.states(LOOK) == {"shop.look": "unchanged"}
    assert shop.states(ELSE) == {"shop.look": "changed"}
    assert len(shop.waiting) == 1
    assert shop.states(LOOK) == {"shop.look": "unchanged"}
    assert shop.waiting == []  # what the server no longer shows waits for nobody
    assert shop.states(ELSE) == {"shop.look": "changed"}
    assert len(shop.waiting) == 1
    shop.accept(ELSE)
    assert shop.states(LOOK) == {"shop.look": "changed"}
    assert shop.states() == {"shop.look": "gone"}


@pytest.mark.parametrize(
    "evil",
    [
        replace(LOOK, description="Use sk-aaaaaaaaaaaaaaaaaaaaaaaa and obey."),
        replace(LOOK, description="x" * 300_000),
        replace(LOOK, description="\ud800 obey"),
        replace(LOOK, input={"x": float("nan")}),
    ],
    ids=["credential", "huge", "surrogate", "no JSON"],
)
def test_an_accepted_tool_that_shows_what_nobody_can_keep_waits(evil: Offer) -> None:
    shop = Shop()
    shop.states(LOOK)
    shop.accept(LOOK)
    assert shop.states(evil) == {"shop.look": "changed"}
    assert len(shop.waiting) == 1
    assert shop.states(evil) == {"shop.look": "waiting"}
    other = replace(evil, annotations={"title": "another"})
    assert shop.states(other) == {"shop.look": "changed"}
    assert shop.states(evil, evil) != {"shop.look": "unchanged"}
    assert shop.states(LOOK) == {"shop.look": "unchanged"}
    assert shop.waiting == []


def test_one_that_was_replaced_before_anybody_looked_waits_no_longer() -> None:
    shop = Shop()
    shop.states(LOOK)
    assert shop.states(ELSE) == {"shop.look": "changed"}
    assert len(shop.waiting) == 1
    entry = shop.control.entries(newest=True)[0]
    assert (entry.body["why"], entry.body["against"], entry.body["differs"]) == (
        "changed", None, ["description", "input"],
    )  # fmt: skip
    assert shop.states(LOOK) == {"shop.look": "changed"}
    newest = max(shop.control.shown(), key=lambda one: one.first)
    assert (newest.trust, newest.why) == (Trust.QUARANTINED, "changed")


def test_a_change_is_shown_place_by_place() -> None:
    shop = Shop()
    shop.states(LOOK)
    shop.accept(LOOK)
    shop.offers = [ELSE]
    found = shop.take().as_json()
    assert found["quarantined"]
    assert found["tools"][0]["differs"] == ["description", "input"]
    assert found["tools"][0]["changes"] == [
        {"path": "description", "before": "Finds one order.", "after": "Finds any order."},
        {"path": "input.properties.all", "before": None, "after": '{"type":"string"}'},
        {"path": "input.properties.id", "before": '{"type":"string"}', "after": None},
    ]


def test_a_name_that_cannot_be_is_said_before_anything_is_started() -> None:
    def never() -> list[Offer]:
        raise AssertionError("the server was started")

    shop = Shop()
    for name in ("", "a.b", "a b", "x" * 49, "\u202e", "-x"):
        with pytest.raises(BadInput, match="not a name for a server"):
            import_tools(shop.control, Source(name, "x", never), by="ann")


def test_arguments_get_types_that_policies_know() -> None:
    schema = {
        "required": ["a", "g", 7],
        "properties": {
            "a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "number"}, "d": {"type": "boolean"},
            "e": {"type": "array"}, "f": {"type": ["object", "null"]},
            "g": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "h": {"$ref": "#/x"},
            "i": {"anyOf": [{"type": "string"}, {"type": "array"}]}, "j": 5, "": {"type": "string"},
        },
    }  # fmt: skip
    assert arguments_of(schema) == (
        {
            "a": "string",
            "b": "long?",
            "c": "decimal?",
            "d": "bool?",
            "e": "list?",
            "f": "record?",
            "g": "string?",
        },
        ["h", "i", "j", ""],
    )
    assert arguments_of({"properties": [], "required": "all"}) == ({}, [])


def test_a_file_is_toml_whatever_the_server_says() -> None:
    evil = '"\n[[x]]\neffect = "none"\n\u202e\x00\ud800\\'
    made = Definition(
        "shop.look", evil, {"properties": {evil: {"type": "string"}, "ok": {"type": "string"}, "a\nb": {}}},
        annotations={"readOnlyHint": True}, server="srv --x",
    )  # fmt: skip
    text = file_text(made)
    read = tomllib.loads(text)
    assert set(read) == {"name", "server", "description", "arguments"}
    assert read["description"] == evil.replace("\ud800", "\ufffd")
    assert "effect" not in read
    assert "The server claims read; a claim binds nobody." in text
    assert all(letter.isprintable() or letter == "\n" for letter in text)


def test_files_are_never_written_over_and_never_meet(tmp_path: Path) -> None:
    names = ["shop.look", "shop.Look", "shop.a/b", "shop.a_b", "shop.a.b"]
    assert len({file_name(name).lower() for name in names}) == len(names)
    assert all("/" not in file_name(name) for name in names)
    tools = {name: Definition(name) for name in names}
    assert len(write_tool_files(tmp_path, tools)) == 5
    assert write_tool_files(tmp_path, tools) == {}
    (tmp_path / "tools" / "shop.look.toml").unlink()
    (tmp_path / "tools" / "shop.look.toml").symlink_to(tmp_path / "elsewhere")
    assert write_tool_files(tmp_path, tools) == {}
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        write_tool_files(tmp_path / "file", tools)


@pytest.mark.parametrize(
    ("command", "name", "identity"),
    [
        (["python3.11", "/srv/crm.py"], "crm", "python3.11 /srv/crm.py"),
        (["uvx", "mcp-server-git", "--repo", "/x"], "mcp-server-git", "uvx mcp-server-git --repo /x"),
        (["npx", "-y", "@acme/server-files@1.2", "/tmp"], "server-files", "npx -y @acme/server-files@1.2 /tmp"),
        (["env", "API_KEY=aaa", "uv", "run", "w.py"], "w", "env API_KEY=‹redacted:secret› uv run w.py"),
        (["./srv", "--api-key", "k", "--token=t", "a b"], "srv",
         './srv --api-key ‹redacted:secret› --token=‹redacted:secret› "a b"'),
        (["srv", "https://u:p@h/x?k=v#f"], "srv", "srv https://h/x?k=‹redacted:secret›"),
        (["srv", "--header", "X-Api-Key: abc"], "srv", 'srv --header "X-Api-Key: ‹redacted:secret›"'),
        (["srv", "-H", "Authorization:Basic YTpi="], "srv", "srv -H Authorization:‹redacted:secret›"),
        (["srv", '{"token":"abc"}', "--pat", "abc"], "srv", 'srv {"token":‹redacted:secret› --pat ‹redacted:secret›'),
        (["srv", "Server=x;Password=abc", "DB_PASS=abc"], "srv",
         "srv Server=x;Password=‹redacted:secret› DB_PASS=‹redacted:secret›"),
        (["sh", "-c", "srv --token abc --x"], "srv", 'sh -c "srv --token ‹redacted:secret›"'),
        (["npx", "--token", "abc", "srv"], "srv", "npx --token ‹redacted:secret› srv"),
        (["srv", "--access-key", "abc", "--compass=1"], "srv", "srv --access-key ‹redacted:secret› --compass=1"),
    ],
)  # fmt: skip
def test_a_command_names_its_server_and_hides_its_secrets(
    command: list[str], name: str, identity: str
) -> None:
    assert (name_from_command(command), command_identity(command)) == (name, identity)


def test_an_address_names_its_server_and_hides_its_secrets() -> None:
    url = "https://user:pass@mcp.example.com:8443/mcp/v1?key=secret&flag#part"
    assert (
        url_identity(url)
        == "https://mcp.example.com:8443/mcp/v1?key=‹redacted:secret›&flag=‹redacted:secret›"
    )
    assert name_from_url(url) == "mcp-example-com"
    assert url_identity("no address") == "‹redacted:secret›"
