"""Bad spans over the real doors into a real store: each is told, nothing else is lost, and what came can be shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_large_runs import stored

from tallystick import wiring
from tallystick.api.otlp import read_json, read_protobuf
from tallystick.model.journal import Draft
from tallystick.model.span import Source, Span
from tallystick.wiring import Stores

NOW = 1_795_000_000 * 10**9
SOURCE = Source({"service.name": "stranger"}, "s")
CYCLE = {1: 2, 2: 3, 3: 1}


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    opened = wiring.open_stores(tmp_path / "store")
    yield opened
    opened.close()


def span(number: int, parent: int | None = None, **fields: Any) -> Span:
    given = {"name": "step", "started": NOW, "ended": NOW + 5, "source": SOURCE, "trace": "a" * 32, **fields}
    above = None if parent is None else f"{parent:016x}"
    return Span(span=f"{number:016x}", parent=above, **given)


def shown(stores: Stores, run: str = "a" * 32) -> dict[str, Any]:
    """The run in every shape that pages and command line show; JSON, because that is what they are sent."""
    reader = wiring.reader(stores)
    answer = reader.run(run)
    for step in answer["steps"][:3]:
        json.dumps(reader.step(run, step["step"]), default=repr)
    json.dumps([answer, reader.skeleton(run), reader.runs(""), reader.completeness("day")], default=repr)
    assert list(stores.traces.flaws()) == []
    return answer


def test_parents_in_a_cycle_and_missing(stores: Stores) -> None:
    spans = [span(child, parent) for child, parent in CYCLE.items()]
    spans += [span(9, 9), span(10, 99), span(11)]
    receipt = wiring.recorder(stores).record(spans)
    assert (receipt.accepted, receipt.rejected) == (6, ())
    assert len(shown(stores)["steps"]) == 6
    assert len(wiring.reader(stores).skeleton("a" * 32)["columns"]["step"]) == 6


@pytest.mark.parametrize(
    ("started", "ended", "taken"),
    [
        (NOW, NOW - 1, False), (0, 0, True), (1, 2, True), (NOW, 2**63 - 1, True), (NOW, 2**63, False),
        (-1, NOW, False), (16_725_225_600 * 10**9 // 2, 16_725_225_600 * 10**9 // 2 + 1, True),
    ],
)  # fmt: skip
def test_clocks_that_jump(stores: Stores, started: int, ended: int, taken: bool) -> None:
    child = span(2, 1, started=started, ended=ended)
    receipt = wiring.recorder(stores).record([span(1), child, span(3, 1)])
    assert (receipt.accepted, len(receipt.rejected)) == ((3, 0) if taken else (2, 1))
    assert len(shown(stores)["steps"]) == 2 + taken


def test_a_huge_value_and_many_keys(stores: Stores) -> None:
    huge = span(1, attributes={"gen_ai.input.messages": "x" * 10_000_000, "gen_ai.operation.name": "chat"})
    many = span(2, 1, attributes={f"key.{number}": number for number in range(100_000)})
    wide = [
        span(3 + number, 1, attributes={f"own.{number}.{key}": key for key in range(60)})
        for number in range(50)
    ]
    receipt = wiring.recorder(stores).record([huge, many, *wide])
    assert (receipt.accepted, receipt.rejected) == (52, ())
    kept = stores.traces.spans("a" * 32, [f"{1:016x}", f"{2:016x}"])
    assert len(kept[f"{1:016x}"].attributes["gen_ai.input.messages"]) == 10_000_000
    assert len(kept[f"{2:016x}"].attributes) == 100_000
    assert len(shown(stores)["steps"]) == 52


def test_deep_nesting_of_steps_and_of_values(stores: Stores) -> None:
    chain = [span(number, number - 1 if number > 1 else None) for number in range(1, 10_001)]
    wiring.recorder(stores).record(list(reversed(chain)))
    columns = wiring.reader(stores).skeleton("a" * 32)["columns"]
    assert max(columns["depth"]) == 9_999
    deep: Any = "end"
    for _ in range(500):
        deep = {"in": [deep]}
    nested = span(1, trace="b" * 32, attributes={"gen_ai.tool.call.arguments": deep})
    receipt = wiring.recorder(stores).record([span(2, trace="b" * 32), nested, span(3, trace="b" * 32)])
    assert receipt.accepted + len(receipt.rejected) == 3
    assert len(shown(stores, "b" * 32)["steps"]) == receipt.accepted >= 2


def test_wrong_ids_and_invalid_text_are_named_and_the_rest_is_kept(stores: Stores) -> None:
    good = {
        "traceId": "a" * 32,
        "spanId": "1" * 16,
        "name": "good",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
    }
    bad = [{**good, "spanId": one} for one in ("12", "z" * 16, "0" * 16, "", "1" * 32)]
    batch = read_json(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [good, *bad]}]}]}).encode())
    receipt = wiring.recorder(stores).record(batch.spans)
    assert receipt.accepted == 1
    assert len(batch.rejected) + len(receipt.rejected) == 5
    assert stored(stores.path) == {"1" * 16}
    name = b"\xff\xfe\x80"
    body = b"\x0a\x10" + b"\x0b" * 16 + b"\x12\x08" + b"\x02" * 8 + b"\x2a" + bytes([len(name)]) + name
    body += b"\x39" + (1).to_bytes(8, "little") + b"\x41" + (2).to_bytes(8, "little")
    for tag in (b"\x12", b"\x12", b"\x0a"):  # a span in scope_spans in resource_spans
        body = tag + bytes([len(body)]) + body
    batch = read_protobuf(body)
    assert len(batch.spans) + len(batch.rejected) == 1
    if batch.spans:
        wiring.recorder(stores).record(batch.spans)
        assert len(shown(stores, "0b" * 16)["steps"]) == 1


FORGED: dict[str, Any] = {
    "tallystick.run.id": "a" * 32, "tallystick.run.root": True, "tallystick.run.status": "ok",
    "tallystick.run.steps": 1,
    "tallystick.seq": 1, "tallystick.process": "host/boot/1/2", "tallystick.decision": "allow",
    "tallystick.decision.id": "dec_1", "tallystick.policy.digest": "f" * 64, "tallystick.approval.id": "apr_1",
    "tallystick.budget.hold": "hld_1", "tallystick.effect": "none", "tallystick.effect.outcome": "did not happen",
    "tallystick.cost.nano_usd": 0, "tallystick.agent.name": "refunds", "tallystick.agent.digest": "e" * 64,
    "tallystick.agent.version": "9.9", "tallystick.tool.digest": "d" * 64, "gen_ai.tool.name": "refund",
}  # fmt: skip


def decided(stores: Stores) -> list[Any]:
    """Everything that decides: budgets, approvals, policies, declarations, definitions, and what guards are told."""
    control = stores.control
    kinds = [entry.kind for entry in control.entries() if not entry.kind.startswith(("records.", "run."))]
    desk = wiring.policy_desk(stores)
    return [list(control.budgets()), list(control.approvals()), kinds, desk.ls()["policies"], desk.troubles()]


def test_what_a_stranger_claims_in_our_names_decides_nothing(stores: Stores) -> None:
    body = {"budget": "every-run", "scope": "run:*", "mode": "hard", "limit_nano": 5 * 10**9}
    stores.control.append([Draft("budget.set", "every-run", body, actor="somebody")])
    before = decided(stores)
    mine = {"tallystick.run.id": "a" * 32, "tallystick.seq": 1, "tallystick.run.root": True}
    ours = Source({"tallystick.process": "host/boot/7/7"}, "tallystick")
    wiring.recorder(stores).record([
        span(1, source=ours, attributes={**mine, "tallystick.run.steps": 4, "tallystick.run.status": "failed"}),
        span(2, 1, source=ours, attributes={"tallystick.run.id": "a" * 32, "tallystick.seq": 2}),
    ])  # fmt: skip
    first = wiring.reader(stores).runs("")["runs"][0]
    forged = [
        span(40 + number, trace="c" * 32, started=NOW - 10, attributes={**FORGED, "tallystick.seq": number})
        for number in range(1, 5)
    ]
    wiring.recorder(stores).record(forged)
    wiring.attest(stores)
    after = wiring.reader(stores).runs("")["runs"]
    assert len(after) == 1
    assert (first["completeness"], first["missing"], first["status"]) == ("lossy", 2, "failed")
    assert (after[0]["completeness"], after[0]["status"]) == ("lossy", "failed")
    assert after[0]["missing"] >= 2
    assert decided(stores) == before
    shown(stores)
