"""Comparing: two runs step by step at ``/diff?a=&b=``, two sets of runs at ``/contrast?a=&b=``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from tallystick.model.errors import BadInput
from tallystick.model.query import RUNS
from tallystick.web import svg
from tallystick.web.runs import known_words
from tallystick.web.site import Site, View, asked
from tallystick.web.wording import cost, count, duration, term

PLAIN_ROWS: Final = 200  # rows of a comparison in the page for readers without scripts
ATTRIBUTES: Final = 100  # rows of a contrast
_MONEY: Final = ("cost_nano_usd",)
_TIME: Final = ("duration_ns",)
# attributes of a contrast that are fields of the query by another name
_FIELDS: Final = {"stopped_by": "stopped", "tool used": "tool", "error_type": "error", "class": "label"}


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/contrast``, also ``.json``; ``/diff`` answers for runs and for versions (see thing.py)."""
    made: list[HTTPRouteHandler] = []
    for suffix in ("", ".json"):
        made.append(_contrast_handler(site, suffix))
    return made


def _contrast_handler(site: Site, suffix: str) -> HTTPRouteHandler:
    @get(f"/contrast{suffix}", name=f"web.contrast{suffix}", sync_to_thread=True)
    def contrast_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """What separates two sets of runs."""
        found = contrast_view(site, asked(request, "a"), asked(request, "b"))
        if suffix and found.extra["error"]:
            raise found.extra["error"]
        return site.respond(request, found, as_json=bool(suffix))

    return contrast_page


def diff_view(site: Site, a: str, b: str, *, every: bool) -> View:
    """Two runs, row by row. Raises UnknownThing, and BadInput where only one run is named."""
    if not a or not b:
        raise BadInput(
            "two runs are compared: one is missing", hint="/diff?a=RUN&b=RUN; mark two in the list of runs"
        )
    found = site.reader.diff(a, b, every=every)
    extra = {
        "here": "runs", "every": every, "asked": {"a": a, "b": b}, "most": PLAIN_ROWS,
        "totals": [_total(row) for row in found["totals"] if row["a"] != row["b"]],
    }  # fmt: skip
    return View("compare.html", found, extra)


def _total(row: Mapping[str, Any]) -> dict[str, Any]:
    """A fact of both runs in words, with how they differ where it is a number."""
    field, a, b = row["field"], row["a"], row["b"]
    ratio = None
    if isinstance(a, int | float) and isinstance(b, int | float) and a and b:
        ratio = f"× {b / a:.2f}"
    name = field.removesuffix("_nano_usd").removesuffix("_ns").replace("_", " ")
    return {"field": name, "a": _worded(field, a), "b": _worded(field, b), "ratio": ratio}


def _worded(field: str, value: Any) -> str:
    if value is None:
        return "not known"
    if field in _MONEY:
        return cost(value)
    if field in _TIME:
        return duration(value)
    return count(value) if isinstance(value, int) else str(value)


def contrast_view(site: Site, a: str, b: str) -> View:
    """What separates the runs of one query from those of another. A query that cannot be read gives its error."""
    a, b = " ".join(a.split()), " ".join(b.split())
    error: BadInput | None = None
    found: Mapping[str, Any] = {"a": None, "b": None, "attributes": [], "tested": 0, "notes": []}
    if a:
        try:
            found = site.reader.contrast(a, b or None)
        except BadInput as problem:
            error = problem
    rows = [
        _attribute(row, found["a"]["query"], found["b"]["query"]) for row in found["attributes"][:ATTRIBUTES]
    ]
    extra = {
        "here": "runs",
        "error": error,
        "asked": {"a": a, "b": b},
        "table": rows,
        "known": known_words(site, ()),
    }
    return View("contrast.html", found, extra, 400 if error else 200)


def _attribute(row: Mapping[str, Any], a: str, b: str) -> dict[str, Any]:
    """One separating attribute: both shares as bars, the difference with its interval, links to the runs behind it."""
    told = _term_of(row["attribute"], row["value"])
    return {
        **row,
        "interval": svg.interval(row["difference"], row["low"], row["high"]),
        "a_query": f"{a} {told}".strip() if told else None,
        "b_query": f"{b} {told}".strip() if told else None,
    }


def _term_of(attribute: str, value: object) -> str | None:
    """The term of a query that asks for this, where the grammar has one."""
    field = _FIELDS.get(attribute, attribute)
    if field in RUNS.fields and value is not None:
        return term(field, value)
    if field.startswith("attr.") and value is not None and not any(sign in field for sign in ' \t:"'):
        return term(field, value)
    return None
