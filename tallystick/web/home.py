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
    ("/", "search; in a run: all steps with their contents", "lists, a run, Cost"),
    ("g then h r c p j", "go to Home, Runs, Cost, approvals (p), Journal", "everywhere"),
    (
        "g then a t m d e o b s w",
        "go to Agents, Tools, Models, Data, prompts (e), policies (o), Budgets, Suites, Workflows",
        "everywhere",
    ),
    ("g then f x i u q", "go to Find, access (x), reach (i), Unused grants, Quarantine", "everywhere"),
    ("j k", "next, previous row", "lists and the tree"),
    ("Enter", "open the row", "lists and the tree"),
    ("↑ ↓ Home End PgUp PgDn", "move in the tree", "a run"),
    ("← →", "close and open a step's children, go to its parent", "a run"),
    (".", "next error, denied or held step; the first difference", "a run, two runs compared"),
    ("n N", "next, previous step that was found or row that differs", "a run, two runs compared"),
    ("c", "copy the link to this view", "everywhere"),
    ("a r", "choose Approve, choose Reject; Enter sends", "Approvals"),
    ("e n", "change the arguments, go to the reason", "Approvals"),
    ("v b", "go to what is said of later calls, to others of this kind", "Approvals"),
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
    catalog = site.registry.catalog
    agents, tools = catalog.objects("agent")["objects"], catalog.objects("tool")["objects"]
    money = reader.cost("model", limit=1_000)
    data = {
        "total_runs": recent["total"],
        "waiting": waiting,
        "bad": bad,
        "unpriced": _unpriced(money),
        "shadow": {"agents": _shadow(agents), "tools": _shadow(tools)},
        "drifted": _drifted(agents),
        "quarantined": [_waiting(one) for one in catalog.quarantine()["definitions"]],
        "declared": {"agents": _declared(agents), "tools": _declared(tools)},
        "recent": recent["runs"],
        "journal": _journal(site),
        "cost": {key: money[key] for key in ("total_nano_usd", "known_nano_usd", "gaps")},
    }
    troubles = (waiting, bad, data["unpriced"]["gaps"], *data["shadow"].values(), data["drifted"],
                data["quarantined"], data["journal"])  # fmt: skip
    calm = not any(troubles)
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


def _drifted(things: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Agents that do not do what is declared of them, those that differ most first."""
    found = [thing for thing in things if thing["standing"] == "drifted"]
    return [{"name": thing["name"], "differences": thing["differences"]} for thing in
            sorted(found, key=lambda thing: -(thing["differences"] or 0))]  # fmt: skip


def _waiting(shown: Mapping[str, Any]) -> dict[str, Any]:
    """A definition that waits for a person, in short."""
    return {key: shown[key] for key in ("tool", "channel", "why", "differs", "first")}


def _declared(things: Sequence[Mapping[str, Any]]) -> int:
    return sum(1 for thing in things if thing["declared"])
