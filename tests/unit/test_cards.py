"""A2A agent cards: both shapes, strictly read, kept as claims, and written so that others read them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallystick.app.registry.cards import export_card, import_card
from tallystick.app.registry.catalog import Catalog
from tallystick.model.errors import BadInput, Conflict, TooLarge, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.registry import version_digest
from tallystick.registry.cards import LARGEST, Told, read_card, write_card
from tallystick.testing.stores import MemoryStores, memory_stores

SKILL = {
    "id": "search",
    "name": "Search",
    "description": "Finds recipes.",
    "tags": ["food"],
    "examples": ["pasta"],
}
NEW: dict[str, Any] = {
    "name": "Recipe Agent", "description": "Helps with recipes.", "version": "1.2.0",
    "supportedInterfaces": [
        {"url": "https://recipes.example/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
        {"url": "grpc.recipes.example:443", "protocolBinding": "GRPC", "protocolVersion": "1.0", "tenant": "t"},
    ],
    "provider": {"organization": "Example", "url": "https://example.org"},
    "capabilities": {"streaming": True, "extensions": [{"uri": "urn:x", "required": False, "params": {"a": [1]}}]},
    "securitySchemes": {"bearer": {"httpAuthSecurityScheme": {"scheme": "Bearer"}}},
    "securityRequirements": [{"schemes": {"bearer": {"list": ["read"]}}}],
    "defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"], "skills": [SKILL],
    "documentationUrl": "https://recipes.example/docs", "iconUrl": "https://recipes.example/i.png",
    "signatures": [{"protected": "e30", "signature": "AA"}],
}  # fmt: skip
OLD: dict[str, Any] = {
    "protocolVersion": "0.3.0", "name": "Recipe Agent", "description": "Helps with recipes.", "version": "1.2.0",
    "url": "https://recipes.example/a2a", "preferredTransport": "JSONRPC",
    "additionalInterfaces": [
        {"url": "https://recipes.example/a2a", "transport": "JSONRPC"},
        {"url": "https://recipes.example/rest", "transport": "HTTP+JSON"},
    ],
    "capabilities": {"pushNotifications": False, "stateTransitionHistory": True},
    "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}, "security": [{"key": []}],
    "defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"],
    "skills": [{**SKILL, "security": [{"key": ["a"]}]}], "supportsAuthenticatedExtendedCard": True,
}  # fmt: skip


def text(card: Any) -> bytes:
    return json.dumps(card).encode()


def take(stores: MemoryStores, card: Any, **more: Any) -> dict[str, Any]:
    return import_card(stores.control, text(card), by="ann", **more)


def test_the_current_shape_is_read() -> None:
    card = read_card(text(NEW))
    assert (card.protocol, card.agent, card.label, card.ignored) == ("1.0", "recipe-agent", "1.2.0", ())
    assert card.links() == {
        "a2a": "https://recipes.example/a2a", "documentation": "https://recipes.example/docs",
        "provider": "https://example.org",
    }  # fmt: skip
    assert card.body()["card"]["signed"] is True
    assert [one["binding"] for one in card.interfaces()] == ["JSONRPC", "GRPC"]


def test_the_older_shape_is_read() -> None:
    card = read_card(text(OLD))
    assert (card.protocol, card.agent, card.ignored) == ("0.3", "recipe-agent", ())
    assert [one["url"].rsplit("/", 1)[1] for one in card.interfaces()] == ["a2a", "rest"]
    assert card.body()["card"]["signed"] is False


def test_an_import_declares_an_agent_and_grants_it_nothing() -> None:
    stores = memory_stores()
    answer = take(stores, NEW, because="we buy from them")
    assert (answer["agent"], answer["version"], answer["changed"], answer["skills"]) == (
        "recipe-agent", "1.2.0", True, ["Search"],
    )  # fmt: skip
    one = stores.control.declared("agent")[0]
    assert set(one.body) == {"text", "card"}
    assert (one.card.owner, one.card.purpose, one.card.origin) == (None, "Helps with recipes.", "import")
    assert json.loads(stores.control.text(one.body["text"])) == NEW
    assert take(stores, NEW)["changed"] is False  # again, and in another order of keys
    assert take(stores, dict(reversed(NEW.items())))["entry"] is None
    assert take(stores, {**NEW, "version": "1.3.0"}, dry_run=True)["changed"]
    assert stores.control.head()[0] == 1


def test_a_card_that_changed_and_kept_its_version_is_a_conflict() -> None:
    stores = memory_stores()
    take(stores, NEW)
    other = {**NEW, "description": "Helps with payments."}
    with pytest.raises(Conflict):
        take(stores, other)
    assert take(stores, other, label="1.2.0-b")["changed"]
    assert [one.label for one in stores.control.versions("agent", "recipe-agent")] == ["1.2.0-b", "1.2.0"]


def test_a_card_never_takes_the_place_of_an_agent_of_ours() -> None:
    stores = memory_stores()
    ours(stores, "recipe-agent")
    with pytest.raises(Conflict) as caught:
        take(stores, NEW)
    assert caught.value.hint == "give it another name: --as NAME"
    assert take(stores, NEW, name="their-recipes")["changed"]


def ours(stores: MemoryStores, name: str, label: str | None = "1.0.0", **card: Any) -> None:
    body = {"tools": ["secret_tool"], "models": ["gpt-5"], "workflow": "desk"}
    held = {
        "owner": "ann",
        "purpose": "Pays money back.",
        "lifecycle": "active",
        "links": {},
        "origin": None,
    } | card
    entry = {"type": "agent", "name": name, "digest": version_digest("agent", name, label, body), "version": label,
             "body": body, "card": held, "because": None}  # fmt: skip
    stores.control.append([Draft("object.declared", f"agent:{name}", entry)])


@pytest.mark.parametrize("protocol", ["1.0", "0.3"])
def test_a_declaration_is_written_as_a_card_and_tells_nothing_of_the_inside(protocol: str) -> None:
    stores = memory_stores()
    ours(stores, "refunds", links={"a2a": "https://a.example/refunds", "provider": "https://a.example"})
    catalog = Catalog(stores.control, stores.traces, stores.clock)  # type: ignore[arg-type]
    card = export_card(catalog, stores.control, "refunds", protocol=protocol)
    again = read_card(text(card))
    assert (again.protocol, again.agent, again.label, again.ignored) == (protocol, "refunds", "1.0.0", ())
    assert again.links() == {"a2a": "https://a.example/refunds", "provider": "https://a.example"}
    assert card["provider"] == {"organization": "ann", "url": "https://a.example"}
    assert "secret_tool" not in json.dumps(card)
    assert "gpt-5" not in json.dumps(card)
    moved = export_card(catalog, stores.control, "refunds", url="https://b.example", binding="GRPC")
    assert moved["supportedInterfaces"][0] == {
        "url": "https://b.example", "protocolBinding": "GRPC", "protocolVersion": "1.0",
    }  # fmt: skip


def test_what_was_imported_is_exported_as_it_came() -> None:
    stores = memory_stores()
    take(stores, NEW)
    catalog = Catalog(stores.control, stores.traces, stores.clock)  # type: ignore[arg-type]
    assert export_card(catalog, stores.control, "recipe-agent") == NEW
    assert (
        export_card(catalog, stores.control, "recipe-agent", protocol="0.3")["url"]
        == "https://recipes.example/a2a"
    )


def test_what_an_export_needs_is_said() -> None:
    stores = memory_stores()
    ours(stores, "refunds", purpose=None)
    catalog = Catalog(stores.control, stores.traces, stores.clock)  # type: ignore[arg-type]
    for url, words in (
        (None, "address"), ("javascript:alert(1)", "address"), ("http://u:p@x", "address"), ("https://x", "purpose"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=words):
            export_card(catalog, stores.control, "refunds", url=url)
    with pytest.raises(UnknownThing):
        export_card(catalog, stores.control, "refund")
    with pytest.raises(BadInput, match="protocol"):
        export_card(catalog, stores.control, "refunds", url="https://x", protocol="2.0")


def without(card: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in card.items() if name != key}


@pytest.mark.parametrize(
    ("card", "place"),
    [
        *((without(NEW, key), key) for key in ("name", "description", "version", "capabilities", "skills")),
        *((without(OLD, key), key) for key in ("url", "protocolVersion", "defaultInputModes")),
        ({**NEW, "name": ""}, "name"),
        ({**NEW, "name": None}, "name"),
        ({**NEW, "version": 1}, "version"),
        ({**NEW, "skills": []}, "skills"),
        ({**NEW, "skills": [{**SKILL, "tags": "food"}]}, r"skills\[0\].tags"),
        ({**NEW, "skills": [without(SKILL, "tags")]}, r"skills\[0\].tags"),
        ({**NEW, "capabilities": {"streaming": "yes"}}, "capabilities.streaming"),
        ({**NEW, "capabilities": {"extensions": [{}]}}, r"capabilities.extensions\[0\].uri"),
        ({**NEW, "supportedInterfaces": []}, "supportedInterfaces"),
        ({**NEW, "supportedInterfaces": [{"url": "https://x"}]}, r"supportedInterfaces\[0\].protocolBinding"),
        ({**NEW, "provider": {"organization": "x"}}, "provider.url"),
        ({**NEW, "signatures": [{"protected": "x"}]}, r"signatures\[0\].signature"),
        ({**NEW, "description": "x" * 20_001}, "description"),
        ({**OLD, "additionalInterfaces": [{"url": "x"}]}, "additionalInterfaces"),
    ],
)
def test_the_first_wrong_place_is_named(card: dict[str, Any], place: str) -> None:
    with pytest.raises(BadInput, match=f"wrong at {place}|no agent card"):
        read_card(text(card))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"name": 1, "name": 2}',
        b"[" * 100_000,
        b'{"name": "x"}',
    ],
)
def test_what_is_no_card_is_said(document: bytes) -> None:
    with pytest.raises(BadInput):
        read_card(document)


def test_a_card_is_bounded() -> None:
    with pytest.raises(TooLarge):
        read_card(text({**NEW, "x": "y" * LARGEST}))
    with pytest.raises(TooLarge, match="200 skills"):
        read_card(text({**NEW, "skills": [SKILL] * 201}))
    deep: Any = {}
    for _ in range(40):
        deep = {"a": deep}
    with pytest.raises(BadInput, match="too deep"):
        read_card(text({**NEW, "securitySchemes": {"x": deep}}))
    full = {**NEW, "skills": [{**SKILL, "name": "é" * 400, "tags": ["t" * 99] * 30}] * 40}
    stores = memory_stores()
    take(stores, full)  # what the entry holds stays below the longest leaf


def test_what_no_protocol_knows_is_reported_and_kept() -> None:
    stores = memory_stores()
    answer = take(stores, {**NEW, "skillQuery": True, "skills": [{**SKILL, "price": 1}]})
    assert answer["ignored"] == ["skills[0].price", "skillQuery"]
    assert "skillQuery" in stores.control.text(stores.control.declared("agent")[0].body["text"])


def test_hostile_names_and_addresses_stay_data() -> None:
    card = read_card(
        text({**NEW, "name": "Pay\u202e\x1b[31m Agent", "documentationUrl": "javascript:alert(1)"})
    )
    assert card.agent == "pay-31m-agent"
    assert "documentation" not in card.links()
    assert read_card(text({**NEW, "name": "支払い"})).agent == ""
    with pytest.raises(BadInput, match="no name for the registry"):
        take(memory_stores(), {**NEW, "name": "支払い"})
    with pytest.raises(BadInput, match="credential"):
        read_card(text({**NEW, "description": "key sk-abcdefghijklmnopqrstuvwx"}))


def test_told_makes_a_card_without_a_workflow_too() -> None:
    card = write_card(Told("a", "1", "p", "https://x"))
    assert card["skills"][0]["tags"] == ["agent"]
