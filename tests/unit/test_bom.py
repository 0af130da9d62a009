"""Bills of materials: what agents consist of, valid by the official schema, and the same every time."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tallystick.adapters.bom import render
from tallystick.app.registry.bill import gather
from tallystick.app.registry.catalog import Catalog
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.registry import Use, version_digest
from tallystick.registry.graph import Graph
from tallystick.testing.stores import MemoryStores, memory_stores

NOW = 1_800_000_000_000_000_000
HOSTILE = 'x\u202e<script>"'


def put(
    stores: MemoryStores,
    type: str,
    name: str,
    label: str | None = None,
    owner: str | None = None,
    **body: Any,
) -> str:
    digest = version_digest(type, name, label, body)
    card = {"owner": owner, "purpose": None, "lifecycle": "active", "origin": None,
            "links": {"repository": "https://git.example/x", "bad": "javascript:alert(1)"}}  # fmt: skip
    entry = {
        "type": type,
        "name": name,
        "digest": digest,
        "version": label,
        "body": body,
        "card": card,
        "because": None,
    }
    stores.control.append([Draft("object.declared", f"{type}:{name}", entry)])
    return digest


def shop() -> tuple[MemoryStores, Catalog, str]:
    stores = memory_stores()
    put(stores, "data", "orders", classes=["customer_pii"], location="postgres://orders")
    put(
        stores,
        "tool",
        "look",
        effect="read",
        sources=["orders"],
        data=["payment"],
        description="Finds an order.",
    )
    put(stores, "tool", HOSTILE, effect="write")
    put(stores, "model", "gpt-5")
    put(stores, "agent", "case", "1.0.0", tools=["look", HOSTILE], models=["gpt-5"])
    digest = put(stores, "agent", "desk", "2.0.0", "ann", tools=[], delegates=["case"], autonomy="acts")
    put(stores, "agent", "alone", tools=[])
    return stores, Catalog(stores.control, stores.traces, stores.clock), digest  # type: ignore[arg-type]


def document(catalog: Catalog, what: str) -> dict[str, Any]:
    text = render(gather(catalog, what, now=NOW))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert render(gather(catalog, what, now=NOW)) == text
    return dict(json.loads(text))


def test_an_agent_with_all_that_it_reaches() -> None:
    _, catalog, digest = shop()
    found = document(catalog, "desk")
    components = {one["bom-ref"]: one for one in found["components"]}
    assert set(components) == {"agent:desk", "agent:case", "model:gpt-5", "data:orders"}
    desk = components["agent:desk"]
    assert (desk["type"], desk["version"]) == ("application", "2.0.0")
    assert desk["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert [one["url"] for one in desk["externalReferences"]] == ["https://git.example/x"]
    assert components["model:gpt-5"]["type"] == "machine-learning-model"
    assert components["data:orders"]["type"] == "data"
    assert {"name": "tallystick:class", "value": "customer_pii"} in components["data:orders"]["properties"]
    services = {one["name"]: one for one in found["services"]}
    assert set(services) == {"look", HOSTILE}
    assert services["look"]["data"] == [
        {"classification": "customer_pii", "flow": "outbound"}, {"classification": "payment", "flow": "outbound"},
    ]  # fmt: skip
    needs = {one["ref"]: one.get("dependsOn", []) for one in found["dependencies"]}
    assert needs["agent:desk"] == ["agent:case"]
    assert needs["agent:case"] == ["model:gpt-5", "tool:look", f"tool:{HOSTILE}"]
    assert needs["tool:look"] == ["data:orders"]
    assert found["metadata"]["timestamp"] == "2027-01-15T08:00:00+00:00"


def test_all_agents_and_those_of_a_query() -> None:
    _, catalog, _ = shop()
    everything = {one["bom-ref"] for one in document(catalog, "")["components"]}
    assert {"agent:alone", "agent:case", "agent:desk"} <= everything
    touching = {one["bom-ref"] for one in document(catalog, "touches:payment")["components"]}
    assert {"agent:case", "agent:desk"} <= touching
    assert "agent:alone" not in touching
    with pytest.raises(UnknownThing, match="no agent is called"):
        gather(catalog, "nobody", now=NOW)
    with pytest.raises(UnknownThing):
        gather(catalog, "touches:nothing", now=NOW)
    with pytest.raises(UnknownThing):
        gather(catalog, "nofield:x", now=NOW)


def test_the_serial_number_is_made_of_what_is_listed() -> None:
    stores, catalog, _ = shop()
    before = document(catalog, "desk")
    assert (
        json.loads(render(gather(catalog, "desk", now=NOW + 10**10)))["serialNumber"]
        == before["serialNumber"]
    )
    put(stores, "agent", "desk", "3.0.0", tools=["look"])
    after = document(catalog, "desk")
    assert after["serialNumber"] != before["serialNumber"]
    old = {one["bom-ref"]: one for one in document(catalog, "desk@2.0.0")["components"]}
    assert old["agent:desk"]["version"] == "2.0.0"
    assert "agent:case" in old


def test_what_nobody_declared_is_listed_as_observed() -> None:
    _, catalog, _ = shop()
    uses = (Use("shadow", "tool", "look"), Use("shadow", "model", "gpt-x"))
    made = catalog.graph().snapshot
    graph = Graph(replace(made, uses=uses))
    catalog.graph = lambda: graph  # type: ignore[method-assign]
    found = document(catalog, "shadow")
    shadow = next(one for one in found["components"] if one["bom-ref"] == "agent:shadow")
    assert {"name": "tallystick:standing", "value": "observed"} in shadow["properties"]
    assert "hashes" not in shadow
    assert {"model:gpt-x"} <= {one["bom-ref"] for one in found["components"]}


def test_without_the_extra_the_way_to_get_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    _, catalog, _ = shop()
    monkeypatch.setitem(sys.modules, "cyclonedx.model.bom", None)
    with pytest.raises(BadInput) as caught:
        render(gather(catalog, "desk", now=NOW))
    assert caught.value.hint == "pip install 'tallystick[bom]'"
