"""Which role each door asks for: one table. A route that is not in it is an admin's alone.

A route is known by the template that the framework chose, never by the text of an address: two spellings of one address
cannot have two roles.
"""

from __future__ import annotations

from typing import Final

from tallystick.model.errors import Denied, NotSignedIn
from tallystick.model.people import Caller, Role, Via, covers

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
HEALTH: Final = "/api/health"
AUTHZEN: Final = "/.well-known/authzen-configuration"
OPEN: Final = frozenset({SIGN_IN, HEALTH, AUTHZEN})  # for whoever asks

_PROGRAMS: Final = """POST /v1/traces, POST /v1/logs, POST /v1/metrics, GET /api/feed,
POST /access/v1/evaluation, POST /access/v1/evaluations, POST /access/v1/outcome"""
_READING: Final = """
/events /api/runs /api/runs/{run} /api/runs/{run}/skeleton /api/runs/{run}/find /api/runs/{run}/steps/{step}
/api/blobs/{sha256} /api/compare /api/contrast /api/signals /api/cost /api/completeness /api/approvals
/api/approvals/{approval} /api/journal /api/journal/verify /api/agents /api/tools /api/models /api/data /api/prompts
/api/workflows /api/policies /api/budgets /api/suites /api/find /api/object /api/diff /api/access /api/unused
/api/reach /api/quarantine /api/ready /api/doctor /api/openapi.json /api/me /api/people /api/people/{person}
/journal/checkpoint /journal/tile/{place} /static/{digest}/{name} /favicon.ico /
/api/effects /api/effects/{effect} /effects /effects/{effect} /effects.json
/runs /runs/{run} /runs/{run}/outline /runs/{run}/lines /runs/{run}/steps/{step} /runs/{run}/evidence
/contrast /completeness /agents /tools /models /data /prompts /policies /budgets /suites /workflows /find /object
/agent /diff /reach /access /unused /quarantine /cost /approvals /approvals/{approval} /journal /journal/verify
/journal/verify.jsonl /keys /people /people/{person}
/home.json /keys.json /runs.json /contrast.json /completeness.json /agents.json /tools.json /models.json /data.json
/prompts.json /policies.json /budgets.json /suites.json /workflows.json /find.json /object.json /agent.json /diff.json
/reach.json /access.json /unused.json /quarantine.json /cost.json /approvals.json /journal.json /journal/verify.json
/people.json
/{rest}
"""
_SELF: Final = "POST /sign-out, POST /api/tokens/{token}/revoke, POST /api/delegations/{delegation}/revoke"
_ANSWERING: Final = """POST /api/approvals/{approval}, POST /approvals/{approval}, POST /approvals,
POST /api/delegations"""
_OPERATING: Final = "POST /api/effects/{effect}, POST /effects/{effect}"
_MANAGING: Final = """POST /api/people, POST /api/people/{person}, POST /api/people/{person}/remove,
POST /api/people/{person}/tokens, POST /api/quarantine/accept, POST /quarantine"""


def _each(text: str) -> list[tuple[str, str]]:
    pairs = (one.split() for one in text.split(","))
    return [(method, route) for method, route in pairs]


DOORS: Final[dict[tuple[str, str], Role]] = {
    **dict.fromkeys(_each(_PROGRAMS), Role.PROGRAM),
    **dict.fromkeys((("GET", route) for route in _READING.split()), Role.VIEWER),
    **dict.fromkeys(_each(_SELF), Role.VIEWER),  # one's own; the desk refuses what is others'
    **dict.fromkeys(_each(_OPERATING), Role.OPERATOR),
    **dict.fromkeys(_each(_ANSWERING), Role.APPROVER),
    **dict.fromkeys(_each(_MANAGING), Role.ADMIN),
}
_HINT: Final = "use a token of your own; `tally users token NAME` makes one"


def least_role(method: str, route: str) -> Role:
    """The role that a route asks for at least."""
    return DOORS.get(("GET" if method == "HEAD" else method, route), Role.ADMIN)


def check(caller: Caller, method: str, route: str) -> None:
    """Refuse a caller whose role is not enough for a route. Raises NotSignedIn (401) or Denied (403)."""
    if route in OPEN or method == "OPTIONS":
        return
    least = least_role(method, route)
    if covers(caller.role, least):
        return
    if caller.via is Via.OPEN:
        raise NotSignedIn("this is for people who are signed in", hint=_HINT)
    raise Denied(
        f"this needs the role {least.value}, and {caller.name} is {caller.role.value if caller.role else 'nobody'}",
        hint=_HINT if caller.person is None else f"an admin can change it: tally users role {caller.name} ROLE",
        least=least.value,
    )  # fmt: skip
