"""Home: what needs a person now, then what ran last. Also the page of keys and the icon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from tallystick.model.errors import TallystickError
from tallystick.web import lamps
from tallystick.web.site import Site, View, rows

SHOWN: Final = 5
_BAD: Final = (
    ("crashed", "crashed", "in seven days: the process died before the run ended"),
    ("stopped", "stopped", "in seven days: by a budget, a loop, or too many denials"),
    ("failed", "failed", "in seven days"),
)

KEYS: Final = (
    ("?", "show these keys", "everywhere"),
    ("/", "search", "Runs, a run, Cost"),
    (
        "g then h r a t m c p j",
        "go to Home, Runs, Agents, Tools, Models, Cost, approvals (p), Journal",
        "everywhere",
    ),
    ("j k", "next, previous row", "lists and the tree"),
    ("Enter", "open the row", "lists and the tree"),
    ("↑ ↓ Home End PgUp PgDn", "move in the tree", "a run"),
    ("← →", "close and open a step's children, go to its parent", "a run"),
    (".", "next error, denied or held step", "a run"),
    ("n", "next step that the search found", "a run"),
    ("c", "copy the link to this view", "everywhere"),
    ("a r", "choose Approve, choose Reject", "Approvals"),
    ("Esc", "close the panel, leave the search", "everywhere"),
)


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/``, ``/home.json``, ``/keys`` and its JSON, ``/favicon.ico``."""

    @get("/", sync_to_thread=True)
    def home_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The home page."""
        return site.respond(request, view(site))

    @get("/home.json", sync_to_thread=True)
    def home_json(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The home page's data."""
        return site.respond(request, view(site), as_json=True)

    named = [dict(zip(("keys", "does", "where"), row, strict=True)) for row in KEYS]
    keys = View("keys.html", {"keys": named}, {"here": "keys"})

    @get("/keys", sync_to_thread=False)
    def keys_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Every key the pages know."""
        return site.respond(request, keys)

    @get("/keys.json", sync_to_thread=False)
    def keys_json(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Every key as JSON."""
        return site.respond(request, keys, as_json=True)

    @get("/favicon.ico", sync_to_thread=False)
    def favicon() -> Redirect:
        """Browsers ask here when they do not read the page's icon link."""
        return Redirect(site.assets.url("logo.svg"))

    return [home_page, home_json, keys_page, keys_json, favicon]


def view(site: Site) -> View:
    """What stands out, worst first, and the newest runs."""
    reader = site.reader
    recent = reader.runs("", limit=8)
    waiting = rows(reader.approvals("waiting"), "approvals")
    bad = []
    for status, name, title in _BAD:
        page = reader.runs(f"status:{status} since:7d", limit=SHOWN)
        if page["total"]:
            bad.append({"status": name, "title": title, "total": page["total"], "runs": page["runs"]})
    agents = rows(reader.agents(), "agents")
    tools = rows(reader.tools(), "tools")
    money = reader.cost("model")
    data = {
        "total_runs": recent["total"],
        "waiting": waiting,
        "bad": bad,
        "unpriced": _unpriced(money),
        "shadow": {"agents": _shadow(agents), "tools": _shadow(tools)},
        "declared": {"agents": _declared(agents), "tools": _declared(tools)},
        "recent": recent["runs"],
        "journal": _journal(site),
        "cost": {key: money[key] for key in ("total_nano_usd", "known_nano_usd", "gaps")},
    }
    calm = not (waiting or bad or data["unpriced"]["gaps"] or any(data["shadow"].values()) or data["journal"])
    longest = max((run["duration_ns"] or 0 for run in recent["runs"]), default=0)
    return View("home.html", data, {"here": "home", "calm": calm, "longest": longest})


def _journal(site: Site) -> list[dict[str, str]]:
    """What is wrong with the journal: lamps that are broken, witnesses and exports that failed."""
    try:
        state = site.journal.state()
    except TallystickError as error:
        return [{"what": "the journal", "why": error.message}]
    wrong = [
        {"what": one["name"], "why": one["why"]} for one in lamps.of_journal(state) if one["light"] == "bad"
    ]
    for one in state["witnesses"]:
        if one["state"] in ("failed", "fork"):
            wrong.append({"what": f"witness {one['name']}", "why": one["error"] or one["state"]})
    for one in state["exports"]:
        if one["state"] == "failed":
            wrong.append({"what": one["target"], "why": one["error"] or "failed"})
    return wrong


def _unpriced(money: Mapping[str, Any]) -> dict[str, Any]:
    models = [row["key"] for row in money["rows"] if row["gaps"]]
    return {"gaps": money["gaps"], "models": models}


def _shadow(things: Sequence[Mapping[str, Any]]) -> list[str]:
    shadow = [thing for thing in things if thing["observed"] and not thing["declared"]]
    return [thing["name"] for thing in sorted(shadow, key=lambda thing: -thing["runs"])]


def _declared(things: Sequence[Mapping[str, Any]]) -> int:
    return sum(1 for thing in things if thing["declared"])
