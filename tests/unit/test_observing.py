"""What a plan says of the other half."""

from __future__ import annotations

from pathlib import Path

from cli_parts import FakeParts
from registry_shop import declared

from tallystick.app.registry.observing import observed_rows
from tallystick.ports import Sighting
from tallystick.registry.drafts import retired_draft


def test_a_retired_agent_that_was_seen_is_not_called_undeclared(tmp_path: Path) -> None:
    parts = FakeParts(tmp_path)
    parts.stores.control.append([declared("agent", "old")])
    parts.stores.control.append([retired_draft("agent", "old", actor="ada", because="over")])
    parts.stores.traces.sighted = [
        Sighting("agent", "old", 1, 2_000_000_000, 2, 4, 0, 0, 0),
        Sighting("agent", "shade", 1, 2_000_000_000, 1, 4, 0, 0, 0),
    ]
    texts = {row["name"]: row["text"] for row in observed_rows(parts.catalog(parts.stores))}
    assert texts["old"].startswith("it is retired; seen in 2 runs, the last time 1970-01-01T00:00:02")
    assert texts["shade"] == "seen in 1 run, and nobody declares it"


def test_what_was_only_shown_is_not_seen_in_0_runs(tmp_path: Path) -> None:
    parts = FakeParts(tmp_path)
    parts.stores.traces.sighted = [Sighting("tool", "crm.lookup", 1, 2, 0, 0, 0, 0, 0)]
    (row,) = observed_rows(parts.catalog(parts.stores))
    assert row["text"] == "seen, and nobody declares it"
