"""The registry over the real stores, in the API's promised shapes and on the pages, as ``tally up`` serves it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from registry_shop import HOSTILE, declared, drafts
from test_server_ingest import PROTOBUF, request_of
from test_server_wired import Wired

from tallystick.api import registry_shapes as shapes
from tallystick.model.registry import Card, Use

MARKUP = '"><img src=x onerror=alert(1)>'
KINDS = ("agents", "tools", "models", "data", "prompts", "policies", "budgets", "suites", "workflows")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Wired]:
    started = Wired(tmp_path)
    hostile = Card(MARKUP, MARKUP, links={"page": "javascript:alert(1)"})
    for draft in (*drafts(), declared("agent", MARKUP, card=hostile, tools=[MARKUP], workflow=MARKUP)):
        started.stores.control.append([draft])
    assert started.call("POST", "/v1/traces", request_of(1, 5, trace=7), PROTOBUF) == (200, b"")
    seen = [
        Use(HOSTILE, kind, HOSTILE, first=1, last=2, run=f"{7:032x}")
        for kind in ("tool", "model", "data", "delegate")
    ]
    started.stores.traces.list_uses(f"{7:032x}", 1, seen)
    yield started
    started.close()


def test_every_question_is_answered_in_the_shape_that_was_promised(shop: Wired) -> None:
    for kind in KINDS:
        found = shop.ask(f"/api/{kind}", getattr(shapes, f"{kind.title()}Shape"))
        for thing in found[kind]:
            place = f"/api/object?type={thing['type']}&name={quote(thing['name'], safe='')}"
            shop.ask(place, shapes.ObjectShape)
    assert shop.ask("/api/find?q=kind:agent", shapes.FoundShape)["total"] >= 3
    assert shop.ask("/api/access?what=payment", shapes.AccessShape)["rows"]
    assert shop.ask("/api/unused", shapes.UnusedShape)["rows"]
    assert shop.ask("/api/reach", shapes.ReachShape)["edges"]
    shop.ask("/api/diff?type=agent&name=refunds&from=1.0.0&to=1.1.0", shapes.DiffShape)
    assert shop.ask("/api/ready?agent=refunds", shapes.ReadyShape)["needed"]


def test_a_page_of_a_list_leads_to_the_next(shop: Wired) -> None:
    whole = shop.ask("/api/agents", shapes.AgentsShape)
    first = shop.ask("/api/agents?limit=2", shapes.AgentsShape)
    second = shop.ask(f"/api/agents?limit=1000&after={first['next']}", shapes.AgentsShape)
    assert first["agents"] + second["agents"] == whole["agents"]
    assert (first["total"], second["next"]) == (whole["total"], None)


def test_a_definition_that_waits_is_accepted_over_http(shop: Wired) -> None:
    (waiting,) = shop.ask("/api/quarantine", shapes.QuarantineShape)["definitions"]
    body = {"tool": waiting["tool"], "definition": waiting["definition"][:12], "because": "read"}
    status, answer = shop.call("POST", "/api/quarantine/accept", json.dumps(body).encode())
    accepted = json.loads(answer)
    assert (status, accepted["trust"], accepted["why"]) == (200, "accepted", "read")
    assert set(accepted) == set(shapes.ShownShape.__required_keys__)
    assert shop.ask("/api/quarantine", shapes.QuarantineShape)["definitions"] == []
    (entry,) = shop.stores.control.entries(kind="definition.accepted")
    assert entry.actor == accepted["by"]
    assert shop.call("POST", "/api/quarantine/accept", b'{"tool":"nobody","definition":"abcdef"}')[0] == 404


def test_a_definition_is_accepted_on_its_page(shop: Wired) -> None:
    (waiting,) = shop.ask("/api/quarantine", shapes.QuarantineShape)["definitions"]
    form = f"tool={quote(waiting['tool'])}&definition={waiting['definition']}&because=read"
    status, _ = shop.call("POST", "/quarantine", form.encode(), "application/x-www-form-urlencoded")
    assert status == 303
    assert b"Nothing waits" in shop.call("GET", "/quarantine")[1]


def test_every_page_of_every_object_opens(shop: Wired) -> None:
    for kind in KINDS:
        status, page = shop.call("GET", f"/{kind}")
        assert status == 200, kind
        for thing in json.loads(shop.call("GET", f"/{kind}.json")[1])[kind]:
            place = f"/object?type={thing['type']}&name={quote(thing['name'], safe='')}"
            status, page = shop.call("GET", place)
            assert status == 200, place
            for hidden in ("\x1b", "\u202e", "\x9b", "<img src=x"):
                assert hidden not in page.decode(), place
    for place in ("/", "/find?q=kind:tool", "/access?what=payment", "/access", "/reach", "/unused",
                  "/diff?type=prompt&name=refunds&from=x&to=y", "/object?type=agent&name=refunds@1.0.0",
                  f"/access?what={quote(HOSTILE)}", f"/reach?q=name:{quote(HOSTILE)}",
                  f"/agent?name={quote(HOSTILE)}", f"/agent?name={quote(MARKUP)}"):  # fmt: skip
        assert shop.call("GET", place)[0] == (404 if "from=x" in place else 200), place
