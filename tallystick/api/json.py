"""The JSON API: handlers over the read model, documented by their types as OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter, QueryParameter

from tallystick.api import shapes, standing_shapes
from tallystick.api.access import access_handlers
from tallystick.api.access_shapes import OutcomeBody
from tallystick.api.blobs import blob_handlers
from tallystick.api.compare import compare_handlers
from tallystick.api.effects import KnowsEffects
from tallystick.api.effects import handlers as effect_handlers
from tallystick.api.feed import feed_handlers
from tallystick.api.journal import journal_handlers
from tallystick.api.people import BODIES, caller_of, people_handlers
from tallystick.api.registry import AcceptBody, registry_handlers
from tallystick.api.settings import AnswersApprovals, ReadsJournal, ReadsRuns
from tallystick.app.acting.access import Access
from tallystick.app.acting.feed import Feed
from tallystick.app.people.desk import PeopleDesk
from tallystick.app.reading.questions import Registry
from tallystick.model.errors import UnknownThing

Facts = Callable[[], standing_shapes.DoctorShape]
_Request = Request[Any, Any, Any]


def _errors(*statuses: int) -> dict[int, ResponseSpec]:
    """The error answers of a handler, for its documentation."""
    told = {
        400: "What was asked cannot be read.",
        404: "Nothing has this id, or several things start with it.",
    }
    told |= {409: "Somebody was first.", 401: "A token is needed.", 403: "The answer is no."}
    told |= {500: "Something of ours went wrong.", 503: "Try again later."}
    always = (401, 403, 500, 503)
    return {
        status: ResponseSpec(
            data_container=shapes.ErrorShape, description=told[status], generate_examples=False
        )
        for status in (*statuses, *always)
    }


_READ: Final[dict[str, Any]] = {"sync_to_thread": True, "responses": _errors(400)}
_BUSY: Final[dict[str, Any]] = {"sync_to_thread": True, "responses": _errors(400, 409)}
_FIND: Final[dict[str, Any]] = {"sync_to_thread": True, "responses": _errors(400, 404)}

RunPath = Annotated[
    str, PathParameter(description="A run's id, or the beginning of it.", min_length=1, max_length=128)
]
StepPath = Annotated[
    str, PathParameter(description="A step's id, or the beginning of it.", min_length=1, max_length=64)
]
ApprovalPath = Annotated[
    str, PathParameter(description="An approval's id, or the beginning of it.", min_length=1, max_length=128)
]
Search = Annotated[
    str,
    QueryParameter(
        max_length=2000,
        description='A query: agent:refunds status:failed cost:>0.50 attr.KEY:value since:7d "text"',
    ),
]
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="Most runs in one answer.")]
Before = Annotated[
    str | None, QueryParameter(max_length=128, description="Only runs listed after this run id (paging).")
]
Needle = Annotated[
    str, QueryParameter(min_length=1, max_length=1000, description="A text; upper and lower case are alike.")
]
After = Annotated[
    str | None, QueryParameter(max_length=32, description="Only matches behind this cursor (paging).")
]
By = Annotated[
    Literal["agent", "tool", "workflow", "run", "model", "version", "subject", "conversation"],
    QueryParameter(description="What to sum the cost by."),
]
Rows = Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="Most rows in one answer.")]
Behind = Annotated[
    int,
    QueryParameter(name="after", ge=0, le=2**53 - 1, description="Leave out that many first rows (paging)."),
]
WholeBy = Annotated[Literal["agent", "day"], QueryParameter(name="by", description="What to count by.")]
State = Annotated[
    Literal["waiting", "approved", "rejected", "expired", "consumed", "edited"] | None,
    QueryParameter(name="state", description="Only approvals in this state."),
]


class AnswerBody(msgspec.Struct, forbid_unknown_fields=True):
    """A person's answer to one held action: yes, no, or other values of its arguments (``edits``).

    With a yes: ``endorse`` names arguments whose values are right in later calls too, ``release`` classes of data that
    may flow to this tool; in this run, or for the agent ``until`` a time (nanoseconds since the epoch, as text).
    """

    answer: Literal["approved", "rejected", "edited"]
    note: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    endorse: Annotated[list[str], msgspec.Meta(max_length=100)] = []
    release: Annotated[list[str], msgspec.Meta(max_length=100)] = []
    until: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,19}$")] | None = None
    edits: dict[str, Any] | None = None

    def more(self) -> dict[str, Any]:
        """What there is beside answer and note."""
        given = {"endorse": self.endorse, "release": self.release, "edits": self.edits}
        found: dict[str, Any] = {name: value for name, value in given.items() if value}
        return found | ({} if self.until is None else {"until": int(self.until)})


def handlers(
    reader: ReadsRuns,
    answer: AnswersApprovals | None,
    journal: ReadsJournal,
    registry: Registry,
    facts: Facts,
    feed: Feed | None = None,
    people: PeopleDesk | None = None,
    effects: KnowsEffects | None = None,
    access: Access | None = None,
) -> list[HTTPRouteHandler]:
    """All handlers of the API. ``answer`` is None on a server that may only show approvals, ``feed`` on one that tells
    guards nothing, ``access`` on one that decides nothing.
    """
    found = [
        *_run_handlers(reader),
        *blob_handlers(reader, _FIND),
        *compare_handlers(reader, registry.catalog, _READ, _FIND),
        *_summary_handlers(reader),
        *_approval_handlers(reader, answer),
    ]
    if feed is not None:
        found += feed_handlers(feed, _READ)
    told: dict[str, Any] = {"sync_to_thread": True, "responses": _errors(400, 404, 409)}
    if effects is not None:
        found += effect_handlers(effects, read=_READ, find=_FIND, told=told)
    found += [
        *journal_handlers(journal, _READ, _FIND, _BUSY),
        *registry_handlers(registry, _READ, _FIND, told),
    ]
    if people is not None:
        found += people_handlers(people, _READ, _FIND, told)
    if access is not None:
        found += access_handlers(access, told)
    return [*found, *_server_handlers(facts)]


def _run_handlers(reader: ReadsRuns) -> list[HTTPRouteHandler]:
    @get("/api/runs", summary="Runs, newest first", **_READ)
    def runs(q: Search = "", limit: Limit = 50, before: Before = None) -> shapes.RunsShape:
        """One page of the runs that match a query; pass the last run's id as ``before`` for the next page."""
        return cast(shapes.RunsShape, reader.runs(q, limit=limit, before=before))

    @get("/api/runs/{run:str}", summary="One run with its steps and totals", **_FIND)
    def run(run: RunPath) -> shapes.RunDetailShape:
        """The whole run: each step with its arguments, result and output."""
        return cast(shapes.RunDetailShape, reader.run(run))

    @get("/api/runs/{run:str}/skeleton", summary="One run's steps as columns, without contents", **_FIND)
    def skeleton(run: RunPath) -> shapes.SkeletonShape:
        """The run as columns, root first and depth first, for runs of many thousand steps."""
        return cast(shapes.SkeletonShape, reader.skeleton(run))

    @get("/api/runs/{run:str}/find", summary="Where in a run a text was said", **_FIND)
    def find(run: RunPath, q: Needle, limit: Limit = 50, after: After = None) -> shapes.MatchesShape:
        """One match a step and field, in order of arrival; pass ``more`` as ``after`` for the next ones. An answer
        looks through at most 4,000 steps: in a longer run it may be empty and have ``more``."""
        return cast(shapes.MatchesShape, reader.find(run, q, limit=limit, after=after))

    @get("/api/runs/{run:str}/steps/{step:str}", summary="One step with its contents", **_FIND)
    def step(run: RunPath, step: StepPath) -> shapes.StepDetailShape:
        """The step's messages, documents, attributes and events as they were recorded."""
        return cast(shapes.StepDetailShape, reader.step(run, step))

    return [runs, run, skeleton, find, step]


def _summary_handlers(reader: ReadsRuns) -> list[HTTPRouteHandler]:
    @get(
        "/api/cost",
        summary="Cost by agent, tool, workflow, run, model, version, subject or conversation",
        **_READ,
    )
    def cost(q: Search = "", by: By = "agent", most: Rows = 100, behind: Behind = 0) -> shapes.CostShape:
        """Spend in nano-dollars, dearest first; a sum with an unknown part is null. Sums are over all rows; pass
        ``more`` as ``after`` for the next ones."""
        return cast(shapes.CostShape, reader.cost(by, q, limit=most, after=behind))

    @get("/api/completeness", summary="How many runs were recorded whole, by agent or by day", **_READ)
    def completeness(by: WholeBy = "agent", q: Search = "") -> standing_shapes.WholenessShape:
        """Runs by how they stand, with the steps known to be missing."""
        return cast(standing_shapes.WholenessShape, reader.completeness(by, q))

    return [cost, completeness]


def _approval_handlers(reader: ReadsRuns, answer: AnswersApprovals | None) -> list[HTTPRouteHandler]:
    @get("/api/approvals", summary="Approvals, newest first", **_READ)
    def approvals(in_state: State = None) -> shapes.ApprovalsShape:
        """Held actions and what was answered."""
        return cast(shapes.ApprovalsShape, reader.approvals(in_state))

    @get("/api/approvals/{approval:str}", summary="One approval", **_FIND)
    def approval(approval: ApprovalPath) -> shapes.ApprovalShape:
        """One held action with exactly what was asked."""
        return cast(shapes.ApprovalShape, reader.approval(approval))

    @post(
        "/api/approvals/{approval:str}",
        summary="Answer an approval",
        status_code=200,
        sync_to_thread=True,
        responses=_errors(400, 404, 409),
    )
    def answer_approval(
        request: _Request, approval: ApprovalPath, data: JSONBody[AnswerBody]
    ) -> shapes.ApprovalShape:
        """Approve, reject or propose other values, once. Who answers comes from the sign-in, never from the request."""
        if answer is None:
            raise UnknownThing("approvals cannot be answered on this server")
        by = caller_of(request)
        return cast(shapes.ApprovalShape, answer(approval, data.answer, by=by, note=data.note, **data.more()))

    return [approvals, approval, answer_approval]


def _server_handlers(facts: Facts) -> list[HTTPRouteHandler]:
    @get("/api/doctor", summary="How the server stands", **_READ)
    def doctor() -> standing_shapes.DoctorShape:
        """What was accepted, rejected and dropped since the start, and how far the store has come."""
        return facts()

    @get("/api/health", summary="The server answers", sync_to_thread=False)
    def health() -> shapes.HealthShape:
        """For load balancers; asks nothing of the stores and needs no token."""
        return {"status": "ok"}

    @get("/api/openapi.json", include_in_schema=False, sync_to_thread=False)
    def openapi(request: _Request) -> Response[dict[str, Any]]:
        """This API as OpenAPI 3.1."""
        return Response(_document(request), media_type="application/json")

    return [doctor, health, openapi]


def _document(request: _Request) -> dict[str, Any]:
    """The OpenAPI document; what litestar leaves out is added: an answer's body takes no unknown fields."""
    document = request.app.openapi_schema.to_schema()
    for body in (AnswerBody, AcceptBody, OutcomeBody, *BODIES):
        if body.__name__ in document["components"]["schemas"]:
            document["components"]["schemas"][body.__name__]["additionalProperties"] = False
    return document
