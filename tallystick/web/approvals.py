"""Approvals: what waits on the left, the evidence on the right, an answer by an ordinary form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.params import Body
from litestar.response import Redirect

from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.people import Caller
from tallystick.web.run import summary
from tallystick.web.site import JSON_SUFFIX, Site, View, asked, rows, same_origin
from tallystick.web.wording import path, pretty

STATES: Final = ("waiting", "approved", "rejected", "expired", "consumed", "edited")
ANSWERS: Final = {"approve": "approved", "reject": "rejected", "edit": "edited"}
NOTE_LIMIT: Final = 2_000


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/approvals`` and ``/approvals/{approval}``, both also ``.json``; a POST to the latter answers."""

    @get("/approvals", sync_to_thread=True)
    def approvals_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The list, with the first approval opened."""
        return site.respond(request, _view(site, request, None))

    @get("/approvals.json", sync_to_thread=True)
    def approvals_json(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The list as JSON."""
        return site.respond(request, _view(site, request, None), as_json=True)

    @get("/approvals/{approval:str}", sync_to_thread=True)
    def approval_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The list, with one approval opened."""
        approval = request.path_params["approval"]
        if approval.endswith(JSON_SUFFIX):
            one = approval.removesuffix(JSON_SUFFIX)
            found = View("", {**site.reader.approval(one), "held": site.reader.held(one)})
            return site.respond(request, found, as_json=True)
        return site.respond(request, _view(site, request, approval))

    @post("/approvals/{approval:str}", sync_to_thread=True)
    def answer_approval(
        request: Request[Any, Any, Any],
        data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Redirect:
        """Write the answer, then show the list again."""
        same_origin(request, "the approvals page")
        approval = request.path_params["approval"]
        answer = ANSWERS.get(str(data.get("answer", "")))
        if answer is None:
            raise BadInput("an approval is answered with approve, reject or edit")
        note = str(data.get("note") or "").strip()
        if len(note) > NOTE_LIMIT:
            raise BadInput(f"the note is longer than {NOTE_LIMIT} characters")
        more = _more(site, approval, answer, data)
        site.answer(approval, answer, by=site.settings.caller(request), note=note or None, **more)
        return Redirect(f"/approvals/{path(approval)}?state=waiting", status_code=303)

    return [approvals_page, approvals_json, approval_page, answer_approval]


def _more(site: Site, approval: str, answer: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """What a form says beside yes or no: values that are vouched for, or others that are proposed."""
    if answer == "approved":
        named = {"endorse": _several(data.get("endorse")), "release": _several(data.get("release"))}
        return {name: value for name, value in named.items() if value}
    if answer != "edited":
        return {}
    before = site.reader.approval(approval).get("arguments") or {}
    edits: dict[str, Any] = {}
    for name, value in before.items():
        given = data.get(f"argument.{name}")
        if not isinstance(given, str):
            continue
        changed = given if isinstance(value, str) else _json(name, given)
        if changed != value:
            edits[name] = changed
    return {"edits": edits}


def _several(given: Any) -> list[str]:
    return [str(one) for one in given] if isinstance(given, list) else [str(given)] if given else []


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"the new value of {name!r} is not JSON", hint="for example 20, true or [1, 2]"
        ) from error


def _view(site: Site, request: Request[Any, Any, Any], chosen: str | None) -> View:
    return view(site, asked(request, "state", "waiting"), chosen, site.settings.caller(request))


def view(site: Site, state: str, chosen: str | None, caller: Caller) -> View:
    """The approvals of one state and the evidence of one of them."""
    if state not in (*STATES, "all"):
        raise BadInput(f"no approval is ever {state!r}", hint="one of " + ", ".join((*STATES, "all")))
    listed = rows(site.reader.approvals(None if state == "all" else state), "approvals")
    opened: Mapping[str, Any] | None = None
    if chosen is not None:
        opened = site.reader.approval(chosen)
    elif listed:
        opened = listed[0]
    extra = {
        "here": "approvals",
        "state": state,
        "states": (*STATES, "all"),
        "listed": listed,
        "opened": opened,
        "asked_for": chosen is not None,
        "run": _run(site, opened),
        "held": _held(site, opened),
        "why_not": _why_not(site, caller, opened),
        "note_limit": NOTE_LIMIT,
    }
    return View("approvals.html", {"state": state, "approvals": listed}, extra)


def _why_not(site: Site, caller: Caller, opened: Mapping[str, Any] | None) -> str | None:
    """Why whoever looks may not answer; None: they may, or there is nothing to answer."""
    if opened is None or site.people is None or not site.people.people().exist:
        return None
    if caller.person is None:
        return "only people who are signed in answer approvals"
    why = [site.people.may_answer(caller.person, group) for group in opened["groups"]]
    return None if None in why else why[0]


def _held(site: Site, opened: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What is known of the call that is opened, its values as texts."""
    if opened is None:
        return None
    found = site.reader.held(opened["approval"])
    return {**found, "arguments": [{**one, "shown": pretty(one["value"])} for one in found["arguments"]]}


def _run(site: Site, opened: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The run that waits; None when none is opened or the run has not arrived in the store yet."""
    if opened is None:
        return None
    try:
        return summary(site, opened["run"])
    except UnknownThing:
        return None  # the page says so
