"""What ``tally doctor`` says of the places that people are told by of approvals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tallystick.cli.doctor_registry import Finding


def notice_findings(places: Mapping[str, Any]) -> Iterator[Finding]:
    """One line for each place that was tried: ``places`` is what the server kept of it."""
    for name, place in sorted(places.items()):
        said = f"{name}: {place['sent']} sent, {place['failed']} not"
        if place["failing"] is None:
            yield Finding("notices", "ok", said)
        else:
            yield Finding(
                "notices", "warn", f"{said}; the last: {place['failing']}", "it is tried again; see notify"
            )
