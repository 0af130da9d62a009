"""One run: its verdicts and the tree (drawn by the browser from columns), a plain table, and single steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from tallystick.model.blob import Blob, references
from tallystick.model.errors import UnknownThing
from tallystick.web import packing
from tallystick.web.proof import proof
from tallystick.web.site import JSON_SUFFIX, Site, View, asked
from tallystick.web.wording import term

PLAIN_ROWS: Final = 500
FILES: Final = 100  # large binaries of one step that get a link


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/runs/{run}`` (with ``?plain=1`` the table), ``/runs/{run}/steps/{step}``, both also ``.json``.

    ``/runs/{run}/outline`` and ``/runs/{run}/lines`` are what the tree is drawn from.
    """

    @get("/runs/{run:str}", sync_to_thread=True)
    def run_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """A run: the tree's page, the plain table, or everything as JSON."""
        run = request.path_params["run"]
        if run.endswith(JSON_SUFFIX):
            whole = View("", site.reader.run(run.removesuffix(JSON_SUFFIX)))
            return site.respond(request, whole, as_json=True)
        return site.respond(
            request, plain_view(site, run) if asked(request, "plain") else tree_view(site, run)
        )

    @get("/runs/{run:str}/outline", sync_to_thread=True)
    def run_outline(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The run's steps as the tree reads them."""
        body = site.reader.outline(request.path_params["run"])
        return packing.respond(request, body, site.headers)

    @get("/runs/{run:str}/lines", sync_to_thread=True)
    def run_lines(request: Request[Any, Any, Any]) -> Response[bytes]:
        """What happened in the steps that are in sight."""
        steps = [step for step in asked(request, "steps").split(",") if step]
        return site.respond(
            request, View("", site.reader.lines(request.path_params["run"], steps)), as_json=True
        )

    @get("/runs/{run:str}/steps/{step:str}", sync_to_thread=True)
    def step_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """A step with its contents; ``?part=1`` gives it without the page around it."""
        run, step = request.path_params["run"], request.path_params["step"]
        as_json = step.endswith(JSON_SUFFIX)
        found = step_view(site, run, step.removesuffix(JSON_SUFFIX))
        return site.respond(request, found, as_json=as_json)

    return [run_page, run_outline, run_lines, step_page]


def tree_view(site: Site, prefix: str) -> View:
    """The page around the tree: only the run's summary is read, the steps come with the skeleton."""
    run = summary(site, prefix)
    return View("run.html", {}, {"here": "runs", "run": run, "proof": proof(site, run)})


def plain_view(site: Site, prefix: str) -> View:
    """The first steps as a table, for readers without scripts; says how many there are in all."""
    skeleton = site.reader.skeleton(prefix)
    columns = skeleton["columns"]
    total = len(columns["step"])
    keys = ("step", "depth", "kind", "name", "agent", "status", "started_ns", "duration_ns", "cost_nano_usd",
            "tokens", "decision", "same_as")  # fmt: skip
    table = [{key: columns[key][index] for key in keys} for index in range(min(total, PLAIN_ROWS))]
    extra = {"here": "runs", "run": skeleton["run"], "table": table, "total": total,
             "proof": proof(site, skeleton["run"])}  # fmt: skip
    return View("plain.html", skeleton, extra)


def step_view(site: Site, prefix: str, step: str) -> View:
    """One step: what went in, what came out, and everything that was recorded about it."""
    found = site.reader.step(prefix, step)
    told = site.reader.lines(prefix, [found["step"]])["lines"].get(found["step"])
    tags = [
        tag for tag in (told["tags"] if told else ()) if tag["tone"] != "bad"
    ]  # an error is told beside it already
    extra = {"here": "runs", "run_id": prefix, "step": found, "tags": tags, "files": _files(found)}
    return View("step.html", found, extra)


def _files(step: Mapping[str, Any]) -> list[Blob]:
    """The large binaries that a step names, each once; they are links to be saved, nothing of them is shown."""
    told = (step["attributes"], [event["attributes"] for event in step["events"]])
    return list({one.sha256: one for one in references(told)}.values())[:FILES]


def summary(site: Site, prefix: str) -> Mapping[str, Any]:
    """A run's summary without its steps. Raises UnknownThing for no run or several."""
    found = site.reader.runs(term("run", prefix), limit=2)["runs"]
    same = [run for run in found if run["run"] == prefix]
    if same or len(found) == 1:
        only: Mapping[str, Any] = (same or found)[0]
        return only
    if len(found) > 1:
        raise UnknownThing(f"several runs start with {prefix!r}", hint="give more of the run's id")
    whole: Mapping[str, Any] = site.reader.run(prefix)["run"]
    return whole
