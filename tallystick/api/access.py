"""The access API: OpenID AuthZEN's Authorization API 1.0 over the guard, for enforcement points in any language.

``POST /access/v1/evaluation`` and ``/access/v1/evaluations`` decide, ``POST /access/v1/outcome`` hears what became of
what was let through. A hold is ``"decision": false``, so that who knows no holds refuses the call; its context says how
to go on. Specification: https://openid.net/specs/authorization-api-1_0.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from tallystick.api import access_shapes as shapes
from tallystick.api.doors import AUTHZEN
from tallystick.api.people import caller_of
from tallystick.api.problems import Message, Scope, Send
from tallystick.app.acting.access import Access, Question
from tallystick.model.errors import BadInput, TallystickError
from tallystick.model.labels import Integrity

_EVALUATION: Final = "/access/v1/evaluation"
_EVALUATIONS: Final = "/access/v1/evaluations"
_OUTCOME: Final = "/access/v1/outcome"
_LARGEST: Final = 1_048_576  # bytes of one request
_DEEPEST: Final = 64
_MOST_VALUES: Final = 10_000
_EXACT: Final = 2**53 - 1  # beyond, not every reader of JSON reads the same number
_LONGEST_ID: Final = 256  # of X-Request-ID
_DEFAULTED: Final = ("subject", "action", "resource", "context")
_Request = Request[Any, Any, Any]


def access_handlers(access: Access, told: dict[str, Any]) -> list[HTTPRouteHandler]:
    """All handlers of the access API; ``told`` says which errors a handler documents."""
    asking = {**told, "status_code": 200, "request_max_body_size": _LARGEST}

    @post(_EVALUATION, summary="May this tool be called?", **asking)
    def evaluation(request: _Request, data: JSONBody[shapes.EvaluationBody]) -> shapes.DecisionShape:
        """One decision, journalled like every other. ``context.effect`` is allow, deny, hold or not evaluated."""
        answer = access.evaluate(question_of(data, token_of(request)), caller_of(request))
        return cast(shapes.DecisionShape, answer)

    @post(_EVALUATIONS, summary="May these tools be called?", **asking)
    def evaluations(request: _Request, data: JSONBody[shapes.EvaluationsBody]) -> shapes.DecisionsShape:
        """Decisions in order. Without ``evaluations`` it is one question, and one answer."""
        by, shown, rows = caller_of(request), token_of(request), data.evaluations
        defaults = {name: value for name in _DEFAULTED if (value := getattr(data, name)) is not None}
        if not rows:
            return cast(shapes.DecisionsShape, access.evaluate(_read(defaults, shown), by))
        semantic = data.options.evaluations_semantic
        found = access.evaluate_all([_tried({**defaults, **row}, shown) for row in rows], by, semantic)
        return cast(shapes.DecisionsShape, {"evaluations": found})

    @post(_OUTCOME, summary="What became of a call that was let through", **asking)
    def outcome(request: _Request, data: JSONBody[shapes.OutcomeBody]) -> shapes.ToldShape:
        """Told once for each decision that allowed. Who does not tell leaves its effect in doubt, and its run
        distrusted."""
        sent = data.result is not msgspec.UNSET
        result = data.result if sent else None
        check_value(result, "result", exact=False)
        done = access.outcome(
            data.decision, data.outcome, caller_of(request), result=result, told=sent, error=data.error
        )
        return cast(shapes.ToldShape, done)

    @get(AUTHZEN, summary="Where decisions are made", sync_to_thread=False)
    def configuration(request: _Request) -> shapes.MetadataShape:
        """AuthZEN's metadata of this decision point."""
        base = str(request.base_url).rstrip("/")
        return {
            "policy_decision_point": base, "access_evaluation_endpoint": base + _EVALUATION,
            "access_evaluations_endpoint": base + _EVALUATIONS,
        }  # fmt: skip

    return [evaluation, evaluations, outcome, configuration]


def token_of(request: _Request) -> str | None:
    """The token of an agent that calls; None for people and programs."""
    if caller_of(request).grant is None:
        return None
    return str(request.headers.get("authorization", "")).partition(" ")[2].strip()


def question_of(body: shapes.EvaluationBody, token: str | None = None) -> Question:
    """What is asked, with the agent's own ``token``. Raises BadInput for what cannot be decided here."""
    subject, action, resource, context = body.subject, body.action, body.resource, body.context
    if resource.id != action.name:
        raise BadInput(
            "resource is not the tool that action names",
            hint='send {"type": "tool", "id": the action\'s name}; what the tool acts on stands in context.args',
        )
    check_value(context.args, "context.args")
    labels = context.labels or shapes.LabelsBody()
    return Question(
        subject.properties.run, subject.id, action.name, context.args, subject.properties.workflow, context.step,
        (action.properties.definition if action.properties else None) or "", context.approval, context.words,
        None if labels.watermark is None else Integrity(labels.watermark), tuple(labels.classes), tuple(labels.signs),
        token,
    )  # fmt: skip


def check_value(value: Any, place: str, *, exact: bool = True) -> None:
    """Refuse what is nested too deep or has too many values; ``exact``: also numbers that are not read alike by all.

    Raises BadInput naming the place.
    """
    waiting, seen = [(value, place, 0)], 0
    while waiting:
        one, where, depth = waiting.pop()
        seen += 1
        if depth > _DEEPEST:
            raise BadInput(f"{place} is nested deeper than {_DEEPEST} levels")
        if seen > _MOST_VALUES:
            raise BadInput(f"{place} has more than {_MOST_VALUES:,} values")
        if isinstance(one, dict):
            waiting += [(item, f"{where}.{str(key)[:40]}", depth + 1) for key, item in one.items()]
        elif isinstance(one, list):
            waiting += [(item, f"{where}[{at}]", depth + 1) for at, item in enumerate(one)]
        elif exact and isinstance(one, float):
            raise BadInput(f"{where[:200]} is a floating-point number", hint='send amounts as text: "40.00"')
        elif exact and isinstance(one, int) and not -_EXACT <= one <= _EXACT:
            raise BadInput(f"{where[:200]} is larger than JSON numbers are exact", hint="send it as text")


def echoing(scope: Scope, send: Send) -> Send:
    """Every answer carries the X-Request-ID that came with the request."""
    shown = dict(scope["headers"]).get(b"x-request-id", b"")
    if not shown or len(shown) > _LONGEST_ID or not all(32 < byte < 127 for byte in shown):
        return send

    async def sending(message: Message) -> None:
        """Pass a message on with the id among its headers."""
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", shown)]
        await send(message)

    return sending


def _read(plain: Mapping[str, Any], token: str | None) -> Question:
    try:
        return question_of(msgspec.convert(plain, shapes.EvaluationBody), token)
    except msgspec.ValidationError as error:
        raise BadInput(f"the question cannot be read: {error}", hint="see /api/openapi.json") from error
    except RecursionError as error:
        raise BadInput(f"the question is nested deeper than {_DEEPEST} levels") from error


def _tried(plain: Mapping[str, Any], token: str | None) -> Question | TallystickError:
    """A question of several; one that cannot be read is answered in its place."""
    try:
        return _read(plain, token)
    except TallystickError as error:
        return error
