"""What a sender claims for whom nothing vouches makes no agent ready, keeps no grant alive and evaluates nothing."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from test_server_ingest import PROTOBUF

from tallystick import wiring
from tallystick.api.server import ServerThread, address_of, listen
from tallystick.config import load
from tallystick.model.journal import Draft
from tallystick.model.registry import Card, Declared, version_digest
from tallystick.model.span import Source, Span
from tallystick.observe.listing import BY_STEPS
from tallystick.registry.drafts import declared_draft
from tallystick.wiring import release

TOKEN = "a-token-that-nobody-guesses"
NOW = time.time_ns() - 60 * 10**9
POLICY = "permit (principal, action, resource);"
Told = list[tuple[int, int | None, dict[str, Any]]]


def declare(stores: wiring.Stores) -> None:
    def one(type: str, name: str, label: str | None = None, card: Card | None = None, **body: Any) -> Draft:
        what = Declared(type, name, version_digest(type, name, label, body), label, body, card=card or Card())
        return declared_draft(what, actor="ann", because=None, texts={})

    stores.control.append([
        one("tool", "refund", effect="irreversible", authority=["amount"], arguments={"amount": "decimal"}),
        one("suite", "answers", agents=["refunds"], content="0" * 64, cases=1),
        one("agent", "refunds", "1.0.0", Card("payments", "pays back"), tools=["refund"], delegates=["helper"],
            autonomy="acts", suites=["answers"], models=["gpt-5"]),
        one("agent", "helper", tools=[]),
        Draft("budget.set", "b", {"budget": "b", "scope": "run:*", "limit_nano": 10**9, "mode": "hard"}),
    ])  # fmt: skip


def a_whole_run(number: int) -> Told:
    """A run as the SDK records it, with all that could speak for an agent: complete, used, evaluated, allowed."""
    run = {
        "tallystick.run.id": f"{number:032x}",
        "tallystick.agent.name": "refunds",
        "tallystick.agent.version": "1.0.0",
    }
    named = "gen_ai.operation.name"
    return [
        (1, None, run | {"tallystick.run.root": True, "tallystick.run.steps": 4, "tallystick.seq": 1,
                         "tallystick.run.status": "ok", named: "invoke_agent", "gen_ai.agent.name": "refunds"}),
        (2, 1, run | {"tallystick.seq": 2, named: "execute_tool", "gen_ai.tool.name": "refund",
                      "tallystick.decision": "allow", "tallystick.effect": "irreversible",
                      "tallystick.effect.outcome": "landed", "tallystick.data.classes": ("payment",)}),
        (3, 1, run | {"tallystick.seq": 3, "tallystick.kind": "evaluation", "gen_ai.evaluation.name": "answers",
                      "gen_ai.evaluation.score.value": 1.0}),
        (4, 1, run | {"tallystick.seq": 4, "tallystick.kind": "handoff", "tallystick.handoff.from": "refunds",
                      "tallystick.handoff.to": "helper"}),
    ]  # fmt: skip


def as_spans(number: int) -> list[Span]:
    trace, source = f"{number:032x}", Source({"service.name": "desk"}, "tallystick")
    return [
        Span(trace, f"{number * 16 + n:016x}", parent and f"{number * 16 + parent:016x}", "step", NOW + n, NOW + 20,
             source, attributes=told)
        for n, parent, told in a_whole_run(number)
    ]  # fmt: skip


def as_request(number: int) -> bytes:
    request = ExportTraceServiceRequest()
    part = request.resource_spans.add()
    part.resource.attributes.add(key="tallystick.claimed").value.bool_value = False  # it says so itself
    for n, parent, told in a_whole_run(number):
        span = part.scope_spans.add().spans.add(
            trace_id=number.to_bytes(16), span_id=(number * 16 + n).to_bytes(8), name="step",
            start_time_unix_nano=NOW + n, end_time_unix_nano=NOW + 20,
            parent_span_id=b"" if parent is None else (number * 16 + parent).to_bytes(8),
        )  # fmt: skip
        for key, value in told.items():
            said = span.attributes.add(key=key).value
            if isinstance(value, tuple):
                said.array_value.values.extend(type(said)(string_value=one) for one in value)
            else:
                kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
                setattr(said, kinds[type(value)], value)
    return request.SerializeToString()


@contextmanager
def served(stores: wiring.Stores, token: str | None) -> Iterator[int]:
    opened = listen("127.0.0.1", 0, token=token)
    settings = load({}, {} if token is None else {"TALLYSTICK_TOKEN": token}, stores.path)
    thread = ServerThread(wiring.build_app(stores, settings, address=address_of(opened)), [opened])
    thread.start()
    try:
        yield opened.getsockname()[1]
    finally:
        thread.stop()


def send(port: int, number: int, token: str | None = None) -> None:
    headers = {"content-type": PROTOBUF} | ({"authorization": f"Bearer {token}"} if token else {})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/traces", as_request(number), headers)
    assert connection.getresponse().status == 200
    connection.close()


def layers(stores: wiring.Stores) -> dict[str, list[str]]:
    wiring.stores.list_uses(wiring.stores.lister(stores))
    answer = release.ready(stores, wiring.stores.catalog(stores)).judge("refunds")
    return {one.layer: [gap.what for gap in one.missing] for one in answer.layers}


def unused(stores: wiring.Stores) -> dict[str, tuple[bool, bool]]:
    """Grant -> whether it is believed and claimed to be used."""
    rows = wiring.stores.catalog(stores).unused("refunds", "30d")["rows"]
    return {row["tool"]: (row["last_used"] is not None, row["claimed"] is not None) for row in rows}


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[wiring.Stores]:
    made = wiring.open_stores(tmp_path / "store")
    declare(made)
    yield made
    made.close()


def test_a_sender_without_a_token_makes_nothing_green(stores: wiring.Stores) -> None:
    before = layers(stores)
    with served(stores, None) as port:
        for number in range(1, 4):
            send(port, number)
    after = layers(stores)
    assert before["observability"] == ["no run of it was recorded"]
    assert after["observability"] == ["its 3 runs were only claimed: the sender showed no token"]
    assert after["evaluation"] == before["evaluation"] == ["no evaluation of it was seen"]
    doubts = ("drifted", "without an enforced decision")  # a claim may cast doubt, and takes none away
    assert [one for one in after["governance"] if not any(doubt in one for doubt in doubts)] == before[
        "governance"
    ]
    assert after["cost"] == before["cost"]
    assert unused(stores) == {"refund": (False, True), "helper": (False, True)}
    found = wiring.stores.catalog(stores).objects("agent", "unevaluated")["objects"]
    assert "refunds" in [one["name"] for one in found]


def test_what_is_recorded_beside_the_store_counts_and_a_claim_does_not_bury_it(stores: wiring.Stores) -> None:
    assert not wiring.recorder(stores).record(as_spans(9)).rejected
    good = layers(stores)
    assert (good["observability"], good["evaluation"], unused(stores)) == ([], [], {})
    with served(stores, None) as port:
        for number in range(1, 4):
            send(port, number)
    assert {**layers(stores), "governance": []} == {**good, "governance": []}
    assert unused(stores) == {}


def test_a_claim_inside_a_run_that_was_recorded_casts_doubt_on_it(stores: wiring.Stores) -> None:
    assert not wiring.recorder(stores).record(as_spans(9)[:1]).rejected
    with served(stores, None) as port:
        send(port, 9)
    found = layers(stores)
    assert found["observability"] == ["its 1 run was only claimed: the sender showed no token"]
    assert found["evaluation"] == ["no evaluation of it was seen"]
    assert unused(stores) == {"refund": (False, True), "helper": (False, True)}


def test_who_shows_the_token_is_believed_and_what_is_imported_is_not(stores: wiring.Stores) -> None:
    assert not wiring.recorder(stores, believed=False).record(as_spans(5)).rejected
    assert layers(stores)["evaluation"] != []
    with served(stores, TOKEN) as port:
        send(port, 7, TOKEN)
    found = layers(stores)
    assert (found["observability"], found["evaluation"], unused(stores)) == ([], [], {})


def test_claims_are_proved_like_everything_else(stores: wiring.Stores) -> None:
    with served(stores, None) as port:
        send(port, 1)
    layers(stores)  # lists the uses
    run = f"{1:032x}"
    assert all(step.claimed for step in stores.traces.steps(run))
    assert all(
        span.source.resource["tallystick.claimed"] is True for span in stores.traces.spans(run).values()
    )
    assert {use.detail for use in stores.traces.uses() if use.type in BY_STEPS} == {"claimed"}
    wiring.attest(stores)
    assert list(stores.traces.flaws()) == []
