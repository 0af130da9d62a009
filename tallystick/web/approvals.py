"""Approvals: what waits on the left, the evidence on the right, an answer by an ordinary form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.params import Body
from litestar.response import Redirect

from tallystick.app.acting.approvals import MOST_AT_ONCE
from tallystick.model.errors import BadInput, TallystickError, UnknownThing
from tallystick.model.people import Caller
from tallystick.web.answer_form import ANSWERS, NOTE_LIMIT, fields_of, note_of, read_form, several
from tallystick.web.run import summary
from tallystick.web.site import JSON_SUFFIX, Site, View, asked, rows, same_origin
from tallystick.web.voters import standing
from tallystick.web.wording import path, pretty

STATES: Final = ("waiting", "approved", "rejected", "expired", "consumed", "edited")
_AT_ONCE: Final = ("approve", "reject")
_KIND: Final = ("agent", "tool", "group", "groups", "because", "asks", "rules", "quorum", "apart")


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/approvals`` and ``/approvals/{approval}``, both also ``.json``; a POST answers several, or one."""

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
        said = read_form(data, site.reader.approval(approval))
        site.answer(approval, said.answer, by=site.settings.caller(request), note=said.note, **said.more)
        return Redirect(f"/approvals/{path(approval)}?state=waiting", status_code=303)

    @post("/approvals", status_code=200, sync_to_thread=True)
    def answer_several(
        request: Request[Any, Any, Any],
        data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Response[bytes]:
        """Answer several of one kind, and say of each what became of it."""
        same_origin(request, "the approvals page")
        return site.respond(request, _several(site, data, site.settings.caller(request)))

    return [approvals_page, approvals_json, approval_page, answer_approval, answer_several]


def kind_of(approval: Mapping[str, Any]) -> str:
    """What two approvals have in common that may be answered together: all but the values and the run."""
    facts = approval["facts"] or {}
    kind = [approval[name] for name in _KIND]
    kind += [sorted(approval["arguments"] or {}), facts.get("untrusted"), facts.get("leaks")]
    return json.dumps(kind, sort_keys=True, default=str)


def alike(listed: Sequence[Mapping[str, Any]], opened: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The approvals that may be answered together with the one that is opened, itself first; none without others."""
    if opened is None or opened["state"] != "waiting":
        return []
    kind = kind_of(opened)
    others = [
        one
        for one in listed
        if one["state"] == "waiting" and one["approval"] != opened["approval"] and kind_of(one) == kind
    ]
    return [opened, *others][:MOST_AT_ONCE] if others else []


def _several(site: Site, data: Mapping[str, Any], by: Caller) -> View:
    answer, chosen = str(data.get("answer", "")), list(dict.fromkeys(several(data.get("chosen"))))
    if answer not in _AT_ONCE:
        raise BadInput("several approvals are approved or rejected together")
    if not chosen:
        raise BadInput("no approval is chosen", hint="go back and choose those that you looked at")
    if len(chosen) > MOST_AT_ONCE:
        raise BadInput(f"at most {MOST_AT_ONCE} approvals are answered at once", hint="look at each of them")
    note = note_of(data)
    found = [site.reader.approval(one) for one in chosen]
    if len({kind_of(one) for one in found}) != 1:
        raise BadInput("these approvals are not of one kind", hint="answer them one by one")
    done: list[dict[str, Any]] = []
    for one in found:
        try:
            given = site.answer(one["approval"], ANSWERS[answer], by=by, note=note)
            done.append({"approval": one, "state": given["state"], "why": None})
        except TallystickError as error:  # one that cannot be answered keeps none of the others from it
            done.append({"approval": one, "state": None, "why": error.message})
    data_ = {"answers": [{**one, "approval": one["approval"]["approval"]} for one in done]}
    return View("answered.html", data_, {"here": "approvals", "answer": ANSWERS[answer], "done": done})


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
    held = None if opened is None else site.reader.held(opened["approval"])
    extra = {
        "here": "approvals",
        "state": state,
        "states": (*STATES, "all"),
        "listed": listed,
        "opened": opened,
        "asked_for": chosen is not None,
        "run": _run(site, opened),
        "held": held,
        "shown": [] if held is None else [{**one, "text": pretty(one["value"])} for one in held["arguments"]],
        "note_limit": NOTE_LIMIT,
        **_answering(site, caller, opened, held),
        "alike": alike(listed, opened),
    }
    return View("approvals.html", {"state": state, "approvals": listed}, extra)


def _answering(
    site: Site, caller: Caller, opened: Mapping[str, Any] | None, held: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What the form offers to whoever looks."""
    if opened is None or held is None:
        return {"standing": None, "fields": [], "endorse": [], "release": []}
    facts = opened["facts"] or {}
    kept = {one["name"] for one in held["arguments"] if one["kept"]}
    alone = opened["quorum"] == 1  # one of several cannot vouch for later calls
    return {
        "standing": standing(site.people, caller, opened),
        "fields": fields_of(opened, held),
        "endorse": [name for name in facts.get("untrusted", ()) if alone and name in kept],
        "release": list(facts.get("leaks", ())) if alone else [],
    }


def _run(site: Site, opened: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The run that waits; None when none is opened or the run has not arrived in the store yet."""
    if opened is None:
        return None
    try:
        return summary(site, opened["run"])
    except UnknownThing:
        return None  # the page says so
