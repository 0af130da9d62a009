"""Drafts of tools' files: whatever a tool says of itself, the draft can be read, and errs on the safe side."""

from __future__ import annotations

import json
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.model.errors import BadInput
from tallystick.model.labels import Role
from tallystick.model.step import Effect
from tallystick.registry.drafting.described import described
from tallystick.registry.drafting.draft import drafts
from tallystick.registry.drafting.words import effect_of, role_of
from tallystick.registry.fields import DeclarationFile
from tallystick.registry.tool_files import ToolFile, tool_from
from tests.unit.cli_parts import FakeParts, call

STRING = {"type": "string"}
CONTACTS = {
    "name": "find_contacts",
    "description": "Finds people in the address book.",
    "parameters": {"type": "object", "properties": {"query": STRING}, "required": ["query"]},
    "returns": {"type": "array", "items": {"$ref": "#/$defs/Contact"},
                "$defs": {"Contact": {"type": "object", "properties": {"email": STRING, "name": STRING}}}},
}  # fmt: skip
SHARE = {
    "name": "share_document",
    "description": "Share a document with somebody.",
    "inputSchema": {
        "properties": {
            "document_id": STRING,
            "email": STRING,
            "mode": {"$ref": "#/$defs/Mode"},
            "note": STRING,
        },
        "required": ["document_id", "email", "mode"],
        "$defs": {"Mode": {"enum": ["r", "rw"], "type": "string"}},
    },
    "outputSchema": {
        "type": "object",
        "properties": {"document_id": STRING, "title": STRING, "size": STRING},
    },
}


def read(text: str) -> ToolFile:
    """A draft as the project's reader reads it."""
    return tool_from(DeclarationFile("tools/x.toml", tomllib.loads(text)))


def test_a_draft_says_what_the_words_of_a_tool_make_likely() -> None:
    files = drafts(described([CONTACTS, {"type": "function", "function": SHARE}]))
    assert sorted(files) == ["tools/find_contacts.toml", "tools/share_document.toml"]
    share = read(files["tools/share_document.toml"]).tool
    assert share.effect is Effect.IRREVERSIBLE
    assert share.arguments == {
        "document_id": "string",
        "email": "string",
        "mode": "string",
        "note": "string?",
    }
    assert [name for name in share.arguments if share.role(name) is Role.CONTENT] == ["note"]
    assert share.origins == {"email": ("tool:find_contacts.email",)}
    assert share.returns["document_id"].names == ("title",)
    assert "size" not in share.returns
    contacts = read(files["tools/find_contacts.toml"]).tool
    assert contacts.effect is Effect.READ
    assert contacts.returns["email"].integrity.trusted


def test_an_object_that_was_found_will_do_for_what_can_be_put_back() -> None:
    told = {"properties": {"file_id": STRING}, "required": ["file_id"]}
    find = {
        "name": "search_files",
        "outputSchema": {"items": {"properties": {"id_": STRING, "filename": STRING}}},
    }
    other = {"name": "list_events", "outputSchema": {"items": {"properties": {"id": STRING}}}}
    tools = [{"name": name, "inputSchema": told} for name in ("rename_file", "delete_file")]
    rename, delete, *_ = (read(text).tool for text in drafts(described([*tools, find, other])).values())
    assert rename.origins == {"file_id": ("tool:search_files.id_",)}
    assert delete.origins == {}


@pytest.mark.parametrize(
    ("name", "description", "effect"),
    [
        ("get_balance", "", Effect.READ),
        ("crm.findOrders", "", Effect.READ),
        ("create_note", "Creates a note.", Effect.WRITE),
        ("create_event", "Creates an event and sends an email to everybody.", Effect.IRREVERSIBLE),
        ("delete_note", "", Effect.IRREVERSIBLE),
        ("balance", "Returns the balance.", Effect.READ),
        ("frobnicate", "Frobnicates it.", Effect.IRREVERSIBLE),
        ("", "", Effect.IRREVERSIBLE),
    ],
)  # fmt: skip
def test_the_effect_is_told_by_the_verb(name: str, description: str, effect: Effect) -> None:
    assert effect_of(name, description)[0] is effect


@pytest.mark.parametrize(
    ("tool", "effect", "argument", "role"),
    [
        ("send_mail", Effect.IRREVERSIBLE, "recipients", Role.AUTHORITY),
        ("send_mail", Effect.IRREVERSIBLE, "body", Role.CONTENT),
        ("send_mail", Effect.IRREVERSIBLE, "email_id", Role.AUTHORITY),
        ("create_file", Effect.WRITE, "filename", Role.CONTENT),
        ("overwrite_file", Effect.WRITE, "filename", Role.AUTHORITY),
        ("book_room", Effect.IRREVERSIBLE, "start_time", Role.CONTENT),
        ("pay", Effect.IRREVERSIBLE, "amount", Role.AUTHORITY),
        ("search", Effect.READ, "query", Role.SELECTOR),
        ("read_page", Effect.READ, "url", Role.AUTHORITY),  # a stranger's server hears what it is asked for
        ("anything", Effect.WRITE, "flux", Role.AUTHORITY),
    ],
)  # fmt: skip
def test_what_is_not_known_to_be_harmless_has_authority(
    tool: str, effect: Effect, argument: str, role: Role
) -> None:
    assert role_of(tool, effect, argument) is role


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)
_schema = (
    st.fixed_dictionaries({"properties": st.dictionaries(st.text(max_size=12), _json, max_size=4)}) | _json
)
_tool = st.fixed_dictionaries(
    {"name": st.text(min_size=1, max_size=30), "description": st.text(max_size=80)},
    optional={"parameters": _schema, "outputSchema": _schema},
)


@given(st.lists(_tool, max_size=3))
def test_every_draft_can_be_read(tools: list[dict[str, Any]]) -> None:
    try:
        files = drafts(described(tools))
    except BadInput:
        return
    for text in files.values():
        tool = read(text).tool
        assert tool.effect is not None
        assert set(tool.roles) == set(tool.arguments)


@given(_json)
def test_what_describes_no_tool_is_refused_or_read(value: Any) -> None:
    with suppress(BadInput):
        assert all(one.name for one in described(value))


def test_references_that_go_in_circles_end() -> None:
    schema = {
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"properties": {"a": {"$ref": "#/$defs/A"}}}},
    }
    (text,) = drafts(described({"name": "send", "parameters": schema})).values()
    assert read(text).tool.arguments == {"a": "record?"}


def test_the_command_writes_what_is_not_there(tmp_path: Path) -> None:
    parts = FakeParts(tmp_path)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tallystick.toml").write_text("")
    (tmp_path / "tools" / "find_contacts.toml").write_text("mine")
    told = tmp_path / "told.json"
    told.write_text(json.dumps([CONTACTS, SHARE]))
    answer = json.loads(call(parts, "tools", "draft", str(told), "--json").stdout)
    assert answer["written"] == ["tools/share_document.toml"]
    assert answer["kept"] == ["tools/find_contacts.toml"]
    assert (tmp_path / "tools" / "find_contacts.toml").read_text() == "mine"
    assert tool_from(
        DeclarationFile("x", tomllib.loads((tmp_path / "tools" / "share_document.toml").read_text()))
    )
    for text in ("not JSON", '{"tools": [{"description": "no name"}]}'):
        told.write_text(text)
        with pytest.raises(BadInput):
            raise call(parts, "tools", "draft", str(told)).exception or AssertionError("nothing was refused")
