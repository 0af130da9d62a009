"""The registry's lists: one for each type of object, and one over all types, with the query box of the command line.

A name is free text, so it travels in the query string: browsers would eat a path segment such as ``..``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from tallystick.model.errors import BadInput
from tallystick.model.query import REGISTRY
from tallystick.web.facets import holds, switched
from tallystick.web.site import UNSEEN, Site, View, asked
from tallystick.web.wording import term

PAGE: Final = 200
CLASSES_SHOWN: Final = 5
LISTS: Final = {
    "agents": "agent", "tools": "tool", "models": "model", "data": "data", "prompts": "prompt",
    "policies": "policy", "budgets": "budget", "suites": "suite", "workflows": "workflow",
}  # fmt: skip
TITLES: Final = {"data": "Data sources", "suites": "Eval suites"}
NOUNS: Final = {kind: noun for noun, kind in LISTS.items()}
# what people ask of each list: (label, term); an empty list of its own gets none
CHIPS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "agents": (
        ("shadow", "shadow"), ("drifted", "drifted"), ("without an owner", "missing:owner"),
        ("without a budget", "missing:budget"), ("without a policy", "missing:policy"), ("unevaluated", "unevaluated"),
        ("with a quarantined tool", "quarantined"), ("can do what cannot be undone", "effect:irreversible"),
    ),
    "tools": (
        ("shadow", "shadow"), ("quarantined", "quarantined"), ("without an owner", "missing:owner"),
        ("irreversible", "effect:irreversible"), ("writes", "effect:write"),
    ),
    "models": (("shadow", "shadow"), ("without an owner", "missing:owner")),
    "data": (("without an owner", "missing:owner"),),
    "prompts": (("without an owner", "missing:owner"),),
    "workflows": (("shadow", "shadow"), ("without an owner", "missing:owner")),
}  # fmt: skip
# columns beside name, standing, version, owner, runs, errors, cost and last seen
HAVE: Final = {
    "effect": ("tools", "find"),
    "classes": ("agents", "tools", "data"),
    "scope": ("policies",),
    "seen": (*(noun for noun, kind in LISTS.items() if kind not in UNSEEN), "find"),
    "money": ("agents", "tools", "models", "workflows", "find"),
}


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/agents``, ``/tools``, … and ``/find``, each also ``.json``."""
    made: list[HTTPRouteHandler] = []
    for noun in (*LISTS, "find"):
        made.extend((_list_handler(site, noun, ""), _list_handler(site, noun, ".json")))
    return made


def _list_handler(site: Site, noun: str, suffix: str) -> HTTPRouteHandler:
    @get(f"/{noun}{suffix}", name=f"web.{noun}{suffix}", sync_to_thread=True)
    def list_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """One of the lists."""
        found = list_view(site, noun, asked(request, "q"), whole_number(asked(request, "after", "0")))
        if suffix and found.extra["error"]:
            raise found.extra["error"]
        return site.respond(request, found, as_json=bool(suffix))

    return list_page


def whole_number(text: str) -> int:
    """How many rows are passed over. Raises BadInput for what is no whole number."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadInput(f"after={text[:40]!r} is not a number of rows", hint="for example after=200")
    return int(text)


def list_view(site: Site, noun: str, query: str, after: int) -> View:
    """A page of a list. A query that cannot be read gives the page with its error instead of rows."""
    query = " ".join(query.split())
    error: BadInput | None = None
    found: Mapping[str, Any] = {"total": 0, "objects": []}
    catalog = site.registry.catalog
    if noun != "find" or query:
        try:
            found = catalog.find(query) if noun == "find" else catalog.objects(LISTS[noun], query)
        except BadInput as problem:
            error = problem
    things = found["objects"]
    shown = things[after : after + PAGE]
    following = after + PAGE if len(things) > after + PAGE else None
    key = "objects" if noun == "find" else noun
    data = {"total": len(things), "query": query, key: shown, "next": following,
            "warnings": list(found.get("warnings", ()))}  # fmt: skip
    extra = {
        "here": noun, "noun": noun, "title": TITLES.get(noun, noun.capitalize()), "query": query, "error": error,
        "things": shown, "after": after, "dearest": max((row["cost_known_nano_usd"] or 0 for row in shown), default=0),
        "counts": Counter(row["standing"] for row in things), "chips": _chips(noun, query, things),
        "fields": REGISTRY.fields, "flags": REGISTRY.flags, "have": {name for name, at in HAVE.items() if noun in at},
    }  # fmt: skip
    return View("registry_list.html", data, extra, 400 if error else 200)


def _chips(noun: str, query: str, things: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Links that put a question into the query or take it out, with the classes that stand in most rows."""
    asked_for = list(CHIPS.get(noun, ()))
    if noun in HAVE["classes"]:
        seen = Counter(name for thing in things for name in thing.get("classes") or ())
        for name, _ in seen.most_common(CLASSES_SHOWN):
            asked_for.append((f"touches {name}", term("touches", name)))
    return [
        {"label": label, "on": holds(query, words), "query": switched(query, words)}
        for label, words in asked_for
    ]
