"""The recorded dumps held against their README alone, through a store and what people are shown of it.

Two tools ran: ``get_weather("Paris")`` gave "Paris: 21C sunny" and ``to_fahrenheit(21)`` gave "69.8F". Nothing of
``truth.json`` and no dialect is asked what a dump should say: a call that is shown must be one of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_framework_spans import DATA, MISSING, TRUTH, pytestmark

from tallystick import wiring
from tallystick.api.otlp import read_protobuf
from tallystick.wiring import Stores

assert pytestmark  # the folder of recorded runs may not be here
CALLS = {
    "get_weather": ({"city": "Paris"}, "Paris: 21C sunny"),
    "to_fahrenheit": ({"celsius": 21}, "69.8F"),
}


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    opened = wiring.open_stores(tmp_path / "store")
    yield opened
    opened.close()


def shown(stores: Stores) -> list[dict[str, Any]]:
    """Every counted tool call that did not fail, as the API answers for it."""
    reader = wiring.reader(stores)
    found = []
    for run in reader.runs("")["runs"]:
        for step in reader.run(run["run"])["steps"]:
            if step["kind"] == "tool" and not step["same_as"] and step["status"] != "error":
                found.append(reader.step(run["run"], step["step"]))
    return found


@pytest.mark.parametrize(
    "name", sorted(name for name in TRUTH if not {"args", "tools"} & set(MISSING.get(name, ())))
)
def test_each_call_is_shown_once_with_what_it_was_given_and_gave(stores: Stores, name: str) -> None:
    batch = read_protobuf((DATA / f"{name}.pb").read_bytes())
    assert not batch.rejected
    for _ in range(2):  # what comes again changes nothing
        wiring.recorder(stores).record(batch.spans)
    calls: dict[str, list[Any]] = {}
    for step in shown(stores):
        tool = step["tool"].rpartition("__")[2]
        if tool in CALLS:
            calls.setdefault(tool, []).append((step["arguments"], step["result"]))
    ran = {call["tool"] for call in TRUTH[name]["tool_calls"] if call["status"] == "executed"}
    for tool in ran:  # of a refused call the result is what its model was told instead
        assert calls.get(tool) == [CALLS[tool]], tool
