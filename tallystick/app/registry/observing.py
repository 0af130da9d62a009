"""What a plan says of the other half: where what was observed differs from what is declared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from tallystick.app.registry.catalog import Catalog

MOST: Final = 100  # rows that a plan shows


def observed_rows(catalog: Catalog, declaring: Collection[tuple[str, str]] = ()) -> list[Mapping[str, Any]]:
    """``[{"type", "name", "standing", "text"}]``: what runs undeclared, what drifted, what waits for a person.

    ``declaring`` are things that are about to be declared (type, name): those run undeclared no longer. At most
    ``MOST`` rows; a last one says how many there are besides.
    """
    rows = list(_rows(catalog, frozenset(declaring)))
    if len(rows) <= MOST:
        return rows
    more = {
        "type": "",
        "name": "",
        "standing": "more",
        "text": f"{len(rows) - MOST} more: tally find drifted",
    }
    return [*rows[:MOST], more]


def _rows(catalog: Catalog, declaring: frozenset[tuple[str, str]]) -> Iterator[Mapping[str, Any]]:
    for thing in catalog.find("shadow")["objects"]:
        if (thing["type"], thing["name"]) not in declaring:
            text = _seen(thing, (thing["type"], thing["name"]) in catalog.graph().retired)
            yield {"type": thing["type"], "name": thing["name"], "standing": thing["standing"], "text": text}
    for thing in catalog.find("drifted")["objects"]:
        for one in catalog.object(thing["type"], thing["name"])["differences"]:
            yield {
                "type": thing["type"], "name": thing["name"], "standing": "drifted", "text": one["text"],
            }  # fmt: skip
    for one in catalog.quarantine()["definitions"]:
        what = ", ".join(one["differs"]) or one["why"]
        text = f"a definition waits for a person ({what}): tally tools accept"
        yield {"type": "tool", "name": one["tool"], "standing": "quarantined", "text": text}


def _seen(thing: Mapping[str, Any], retired: bool) -> str:
    """How a thing that is not declared was seen; one that is retired may have run before that, so its time is said."""
    runs = thing["runs"]
    where = f"seen in {runs} run{'s' if runs != 1 else ''}" if runs else "seen"
    if retired:
        return f"it is retired; {where}, the last time {thing['last'] or 'unknown'}"
    return f"{where}, and nobody declares it"
