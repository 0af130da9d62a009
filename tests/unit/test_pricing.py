"""The journal names the rate card that prices were made with, once, and keeps its rows."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from control_double import Clock, Control
from guard_house import House, model_call, shipped_card

from tallystick.adapters.memory import MemoryTraces
from tallystick.app.recording.pricing import CardNotice, card_entry
from tallystick.app.recording.record import Recorder
from tallystick.cost.rates import load_card
from tallystick.model.canonical import canonical_json
from tallystick.model.errors import StoreFault
from tallystick.model.span import Source, Span
from tallystick.proof.merkle import leaf_hash, prove_inclusion, root_from_inclusion, root_of

ROWS: list[dict[str, Any]] = [
    {"card": "test", "made": "2026-11-22"},
    {"provider": "a", "models": {"contains": "m"}},
    {"provider": "a", "model": "m1", "match": {"equals": "m1"}, "prices": [{"in": 1, "out": 2}]},
    {
        "provider": "a",
        "model": "m2",
        "match": {"equals": "m2"},
        "prices": [{"in": [1, [10, 2]], "out": 2**60}],
    },
]


def test_the_rows_come_back_in_the_order_of_the_file() -> None:
    assert list(load_card(ROWS).rows()) == ROWS
    assert len(shipped_card().rows()) == len(shipped_card().models()) + sum(
        "model" not in row for row in shipped_card().rows()
    )


def test_the_entry_commits_to_every_row() -> None:
    entry = card_entry(load_card(ROWS))
    leaves = [leaf_hash(canonical_json(row)) for row in ROWS]
    assert entry.subject == entry.body["card"] == root_of(leaves).hex()
    assert (entry.body["rows"], entry.body["made"]) == (4, "2026-11-22")
    assert entry.texts[entry.body["text"]].encode() == canonical_json(ROWS)
    path = prove_inclusion(2, 4, lambda nodes: [root_of(leaves[i << n : (i + 1) << n]) for n, i in nodes])
    assert root_from_inclusion(2, 4, leaf_hash(canonical_json(ROWS[2])), path) == root_of(leaves)
    changed = [*ROWS[:3], {**ROWS[3], "prices": [{"in": 1, "out": 2}]}]
    assert card_entry(load_card(changed)).subject != entry.subject


def test_a_card_is_named_once_until_another_is() -> None:
    control = Control(Clock())
    one, other = load_card(ROWS), load_card(ROWS[:3])
    for card in (one, one, other, other, one):
        notice = CardNotice(control, card)
        for _ in range(3):
            notice.give()
    cards = [card_entry(card).subject for card in (one, other, one)]
    assert [entry.subject for entry in control.entries(kind="rates.loaded")] == cards


def test_threads_name_it_once() -> None:
    control = Control(Clock())
    notice = CardNotice(control, load_card(ROWS))
    threads = [threading.Thread(target=notice.give) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(control.journal) == 1


def test_a_journal_that_could_not_take_it_is_asked_again() -> None:
    control = Control(Clock())
    notice = CardNotice(control, load_card(ROWS))
    control.broken = StoreFault("gone")
    with pytest.raises(StoreFault):
        notice.give()
    control.broken = None
    notice.give()
    assert len(control.journal) == 1


def test_the_guard_names_its_card_before_it_holds_money() -> None:
    house = House(run_budget_nano=10**12)
    house.guard.before_model(model_call())
    house.guard.before_model(model_call())
    assert house.kinds() == ["budget.set", "rates.loaded", "hold.taken", "hold.taken"]
    assert house.body("rates.loaded")["card"] == card_entry(shipped_card()).subject


def test_the_recorder_names_its_card_before_it_keeps_a_price() -> None:
    clock, control = Clock(), Control(Clock())
    recorder = Recorder(MemoryTraces(), shipped_card(), clock, notice=CardNotice(control, shipped_card()))
    asked = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 10,
    }  # fmt: skip

    def span(number: int, **attributes: Any) -> Span:
        return Span("1" * 32, f"{number:016}", None, "chat", 1, 2, Source(), attributes=attributes)

    recorder.record([span(1), span(2, **{**asked, "gen_ai.request.model": "made-up"})])
    assert control.journal == []
    recorder.record([span(3, **asked)])
    recorder.record([span(4, **asked)])
    assert [entry.kind for entry in control.journal] == ["rates.loaded"]
