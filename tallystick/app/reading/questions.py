"""What the doors ask of the registry, as Protocols: API and pages show the same answers and may not import each other.

Every answer is JSON-ready; docs/reference/json.md has the fields. Questions raise BadInput (a query that cannot be
read) and UnknownThing (nothing has this name).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Answer = Mapping[str, Any]


class AsksRegistry(Protocol):
    """The read model of the registry (``app.registry.catalog.Catalog``)."""

    def objects(self, type: str, query: str = "", /) -> Answer:
        """``{"total", "objects": [thing]}`` of one type, by name."""
        ...

    def object(self, type: str, ref: str, /) -> Answer:
        """One thing with its versions, aliases, uses, definitions and differences. A ref is NAME or NAME@VERSION."""
        ...

    def find(self, query: str, /) -> Answer:
        """``{"total", "query", "objects": [thing]}`` over all types."""
        ...

    def signals_over(self, agent: str, by: str, since: str | None = None) -> Answer:
        """The four signals of an agent by version, day or week."""
        ...

    def grades(self, agent: str, since: str = "30d") -> Answer:
        """What is really done at an agent's calls of each tool."""
        ...

    def access(self, what: str, since: str = "30d", /) -> Answer:
        """Who can reach a class or a data source, by which tool, under which policy, and whether they did."""
        ...

    def unused(self, agent: str | None = None, since: str = "30d", /) -> Answer:
        """``{"since", "rows"}``: what was granted and never used since then."""
        ...

    def reach(self, query: str = "", /) -> Answer:
        """``{"nodes", "edges", "more"}``: the agents that match, with what they reach."""
        ...

    def diff(self, type: str, name: str, a: str, b: str, /) -> Answer:
        """``{"type", "name", "from", "to", "changes", "texts"}`` between two versions."""
        ...

    def quarantine(self) -> Answer:
        """``{"definitions": [shown]}``: those that wait for a person."""
        ...


class AcceptsDefinitions(Protocol):
    """Writes that a person accepted what a tool says of itself. Raises UnknownThing and Conflict."""

    def __call__(self, tool: str, definition: str, /, *, by: str, because: str | None) -> Answer:
        """``definition`` is a digest or the beginning of one; gives the definition as it stands afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class Registry:
    """The registry as a door shows it: its answers, and what people may do there.

    ``ready`` answers for NAME or NAME@VERSION what an agent needs before it is released. None: not offered here.
    """

    catalog: AsksRegistry
    ready: Callable[[str], Answer] | None = None
    accept: AcceptsDefinitions | None = None
