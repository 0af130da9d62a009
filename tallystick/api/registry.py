"""The registry in the JSON API: lists, objects, and what is asked of them. Names travel in the query string."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, cast

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, QueryParameter

from tallystick.api import registry_shapes as shapes
from tallystick.api.people import caller_of
from tallystick.app.reading.questions import AsksRegistry, Registry
from tallystick.model.errors import UnknownThing

MOST: Final = 1000

Search = Annotated[
    str,
    QueryParameter(
        max_length=2000,
        description='A query: touches:customer_pii effect:irreversible owner:payments missing:budget "text"',
    ),
]
Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="Most objects in one answer.")]
After = Annotated[int, QueryParameter(ge=0, description="How many objects to pass over (paging).")]
Type = Annotated[
    Literal["agent", "tool", "model", "data", "prompt", "policy", "budget", "suite", "workflow"],
    QueryParameter(name="type", description="What it is."),
]
Name = Annotated[
    str,
    QueryParameter(
        name="name", max_length=2000, description="A name, or NAME@LABEL, NAME@ALIAS, NAME@DIGEST."
    ),
]
From = Annotated[
    str, QueryParameter(name="from", max_length=200, description="A label, an alias or a digest.")
]
To = Annotated[str, QueryParameter(name="to", max_length=200, description="A label, an alias or a digest.")]
What = Annotated[
    str,
    QueryParameter(name="what", max_length=2000, description="A class of data or the name of a data source."),
]
Since = Annotated[
    str,
    QueryParameter(
        name="since",
        pattern=r"^([0-9]{1,5}[smhdw]|[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))$",
        description="An age (30d) or a date (2026-11-22).",
    ),
]
Agent = Annotated[
    str, QueryParameter(name="agent", max_length=2000, description="An agent, or AGENT@VERSION.")
]
OneAgent = Annotated[
    str | None, QueryParameter(name="agent", max_length=2000, description="Only this agent.")
]


class AcceptBody(msgspec.Struct, forbid_unknown_fields=True):
    """A person accepts what a tool says of itself; ``definition`` is its digest or the beginning of it."""

    tool: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    definition: Annotated[str, msgspec.Meta(min_length=6, max_length=128)]
    because: Annotated[str, msgspec.Meta(max_length=2000)] | None = None


def registry_handlers(
    registry: Registry, read: dict[str, Any], find: dict[str, Any], busy: dict[str, Any]
) -> list[HTTPRouteHandler]:
    """All handlers of the registry; the three settings say which errors a handler documents."""
    catalog = registry.catalog
    return [
        *_acting(catalog, read),
        *_written(catalog, read),
        *_governing(catalog, read),
        *_questions(catalog, read, find),
        *_people(registry, find, busy),
    ]


def page(
    catalog: AsksRegistry, noun: str, type: str | None, query: str, limit: int, after: int
) -> dict[str, Any]:
    """One page of objects under the name of its list."""
    found = catalog.objects(type, query) if type is not None else catalog.find(query)
    rows = found["objects"]
    return {
        "total": len(rows),
        noun: rows[after : after + limit],
        "next": after + limit if len(rows) > after + limit else None,
        "warnings": list(found.get("warnings", ())),
    }


def _acting(catalog: AsksRegistry, read: dict[str, Any]) -> list[HTTPRouteHandler]:
    @get("/api/agents", summary="Agents, declared and observed", **read)
    def agents(q: Search = "", limit: Limit = MOST, after: After = 0) -> shapes.AgentsShape:
        """What was declared held against what was observed; an agent seen but not declared is listed as such."""
        return cast(shapes.AgentsShape, page(catalog, "agents", "agent", q, limit, after))

    @get("/api/tools", summary="Tools, declared and observed", **read)
    def tools(q: Search = "", limit: Limit = MOST, after: After = 0) -> shapes.ToolsShape:
        """What was declared held against what was observed; a tool seen but not declared is listed as such."""
        return cast(shapes.ToolsShape, page(catalog, "tools", "tool", q, limit, after))

    @get("/api/models", summary="Models, declared and observed", **read)
    def models(q: Search = "", limit: Limit = MOST, after: After = 0) -> shapes.ModelsShape:
        """What was declared held against what was observed."""
        return cast(shapes.ModelsShape, page(catalog, "models", "model", q, limit, after))

    return [agents, tools, models]


def _written(catalog: AsksRegistry, read: dict[str, Any]) -> list[HTTPRouteHandler]:
    @get("/api/data", summary="Data sources", **read)
    def data(q: Search = "", limit: Limit = MOST, after: After = 0) -> shapes.DataShape:
        """What tools reach, with the classes of data that are in it."""
        return cast(shapes.DataShape, page(catalog, "data", "data", q, limit, after))

    @get("/api/prompts", summary="Prompts", **read)
    def prompts(q: Search = "", limit: Limit = MOST, after: After = 0) -> shapes.PromptsShape:
        """Declared prompts and whether they run as they are declared."""
        return cast(shapes.PromptsShape, page(catalog, "prompts", "prompt", q, limit, after))

    @get("/api/workflows", summary="Workflows, declared and observed", **read)
    def workflows(q: Search = "", limit: Limit = MOST, after: After = 0) -> shapes.WorkflowsShape:
        """Named jobs that agents do together."""
        return cast(shapes.WorkflowsShape, page(catalog, "workflows", "workflow", q, limit, after))

    return [data, prompts, workflows]


def _governing(catalog: AsksRegistry, read: dict[str, Any]) -> list[HTTPRouteHandler]:
    @get("/api/policies", summary="Policies", **read)
    def policies(q: Search = "", limit: Limit = MOST, after: After = 0) -> shapes.PoliciesShape:
        """Policies of the registry; the body of each says for which agents it is in force."""
        return cast(shapes.PoliciesShape, page(catalog, "policies", "policy", q, limit, after))

    @get("/api/budgets", summary="Budgets", **read)
    def budgets(q: Search = "", limit: Limit = MOST, after: After = 0) -> shapes.BudgetsShape:
        """Declared budgets."""
        return cast(shapes.BudgetsShape, page(catalog, "budgets", "budget", q, limit, after))

    @get("/api/suites", summary="Eval suites", **read)
    def suites(q: Search = "", limit: Limit = MOST, after: After = 0) -> shapes.SuitesShape:
        """Declared eval suites."""
        return cast(shapes.SuitesShape, page(catalog, "suites", "suite", q, limit, after))

    @get("/api/find", summary="Objects of every type", **read)
    def find(q: Search = "", limit: Limit = MOST, after: After = 0) -> shapes.FoundShape:
        """Everything in the registry that matches a query."""
        return cast(shapes.FoundShape, page(catalog, "objects", None, q, limit, after))

    return [policies, budgets, suites, find]


def _questions(catalog: AsksRegistry, read: dict[str, Any], find: dict[str, Any]) -> list[HTTPRouteHandler]:
    @get("/api/object", summary="One object", **find)
    def one(kind: Type, name: Name) -> shapes.ObjectShape:
        """An object with its versions, aliases, uses, definitions and where it differs from what is declared."""
        return cast(shapes.ObjectShape, catalog.object(kind, name))

    @get("/api/diff", summary="What changed between two versions", **find)
    def diff(kind: Type, name: Name, a: From, b: To) -> shapes.DiffShape:
        """Fields that differ, and texts as the lines of a unified diff."""
        return cast(shapes.DiffShape, catalog.diff(kind, name, a, b))

    @get("/api/access", summary="Who can reach a class of data or a data source", **find)
    def access(what: What, since: Since = "30d") -> shapes.AccessShape:
        """Which agents, by which tool, under which policy, and whether they did since then."""
        return cast(shapes.AccessShape, catalog.access(what, since))

    @get("/api/unused", summary="What was granted and not used", **find)
    def unused(agent: OneAgent = None, since: Since = "30d") -> shapes.UnusedShape:
        """Tools that agents may call and did not since then."""
        return cast(shapes.UnusedShape, catalog.unused(agent, since))

    @get("/api/reach", summary="Who can reach what", **read)
    def reach(q: Search = "") -> shapes.ReachShape:
        """Agents that match with their tools and the data behind them, as a graph."""
        return cast(shapes.ReachShape, catalog.reach(q))

    return [one, diff, access, unused, reach]


def _people(registry: Registry, find: dict[str, Any], busy: dict[str, Any]) -> list[HTTPRouteHandler]:
    @get("/api/quarantine", summary="Definitions that wait for a person", **find)
    def quarantine() -> shapes.QuarantineShape:
        """What tools say of themselves that nobody accepted yet, with what it changes."""
        return cast(shapes.QuarantineShape, registry.catalog.quarantine())

    @post("/api/quarantine/accept", summary="Accept a definition", status_code=200, **busy)
    def accept(request: Request[Any, Any, Any], data: JSONBody[AcceptBody]) -> shapes.ShownShape:
        """Accept what a tool says of itself. Who accepted comes from the sign-in, never from the request."""
        if registry.accept is None:
            raise UnknownThing("definitions cannot be accepted on this server")
        by = caller_of(request).name
        found = registry.accept(data.tool, data.definition, by=by, because=data.because)
        return cast(shapes.ShownShape, found)

    @get("/api/ready", summary="What an agent needs before it is released", **find)
    def ready(agent: Agent) -> shapes.ReadyShape:
        """Which layers the agent needs, which it has, what is missing and what adds it."""
        if registry.ready is None:
            raise UnknownThing("readiness is not told on this server")
        return cast(shapes.ReadyShape, registry.ready(agent))

    return [quarantine, accept, ready]
