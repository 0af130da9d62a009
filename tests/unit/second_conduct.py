"""The rules of conduct as docs/reference/proof-format.md has them in section 7, and no line of Tallystick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from second_proof import canonical, digest

Body = dict[str, Any]
CALL = ("agent", "run", "step", "tool", "tool_digest", "workflow")


def runs(decision: Body) -> bool:
    """Whether a decision lets its call run."""
    if decision["policy_state"] == "permissive" and decision["stage"] == "policy":
        return True
    return decision["answer"] in ("allow", "not evaluated")


def call_digest(decision: Body) -> str:
    arguments = decision["arguments"]
    named = None if arguments is None else {name: one["commitment"] for name, one in arguments.items()}
    return digest(canonical({**{key: decision[key] for key in CALL}, "arguments": named}))


APPROVED = ("authority", "untrusted", "asked", "links", "leaks", "again")


def binding(decision: Body, effect: str | None, asked: Body) -> str:
    about = {**{key: decision[key] for key in CALL}, "call": decision["call"], "effect": effect}
    about |= {"policy": decision["policy_digest"], "group": asked["group"], "expires_ns": asked["expires_ns"]}
    if decision.get("facts") is not None:
        about["facts"] = {key: decision["facts"][key] for key in APPROVED}
    if decision.get("chain") is not None:
        about["chain"] = decision["chain"]
    if asked.get("quorum", 1) != 1:
        about["quorum"] = asked["quorum"]
    if asked.get("apart"):
        about["apart"] = asked["apart"]
    if asked.get("groups"):
        about["groups"] = asked["groups"]
    return digest(canonical(about))


def _each_serves_one(left: dict[str, int], people: list[list[str]]) -> bool:
    """Whether all of some people can serve one group each, of which ``left`` are wanted: by trying."""
    if not people:
        return True
    first, *rest = people
    return any(
        left.get(group, 0) > 0 and _each_serves_one({**left, group: left[group] - 1}, rest) for group in first
    )


class Conduct:
    """What the entries of a run have said so far; ``hold(holds, text)`` hears each rule."""

    def __init__(self, hold: Callable[[Any, str], None], effect_of: Callable[[Body], str | None]) -> None:
        self.hold, self.effect_of = hold, effect_of
        self.decisions: dict[str, Body] = {}
        self.starts: dict[str, Body] = {}
        self.asked: dict[str, Body] = {}
        self.answers: dict[str, Body] = {}
        self.given: dict[str, set[str]] = {}
        self.spoken: dict[str, list[list[str]]] = {}
        self.used: set[str] = set()
        self.once: Counter[tuple[str, Any]] = Counter()
        self.refused: set[str] = set()
        self.held: set[str] = set()
        self.stopped: dict[str, int] = {}

    def hear(self, leaf: Body) -> None:
        rule = getattr(self, leaf["kind"].replace(".", "_"), None)
        if rule is not None:
            rule(leaf, leaf["body"])

    def first(self, what: str, about: Any) -> None:
        self.once[what, about] += 1
        self.hold(self.once[what, about] == 1, f"{what} twice: {about}")

    def decision_made(self, leaf: Body, body: Body) -> None:
        self.first("decided", body["decision"])
        self.hold(body["call"] == call_digest(body), f"{leaf['id']}: the call is another")
        self.decisions[body["decision"]] = body
        if body["stage"] == "pin":
            first = (body["answer"], body["policy_state"], body["policy_answer"]) == (
                "deny",
                "enforced",
                None,
            )
            self.hold(first, f"{leaf['id']}: settled by stage pin under a set that is not enforced")
        if not runs(body):
            (self.held if body["answer"] == "hold" else self.refused).add(body["call"])
            return
        approval = body["approval"]
        if approval is not None:
            self.first("approval named", approval)
            request = self.asked[approval]
            self.hold(approval in self.used, f"{leaf['id']}: the approval was not used")
            self.hold(
                self.decisions[request["decision"]]["call"] == body["call"], f"{leaf['id']}: for another call"
            )
            wanted = sorted(request.get("groups") or [request["group"]])
            self.hold(wanted == body["approved"], f"{leaf['id']}: other groups are among approved")

    def approval_requested(self, leaf: Body, body: Body) -> None:
        self.first("asked", body["approval"])
        self.first("asked for", body["decision"])
        held = self.decisions[body["decision"]]
        self.hold(held["answer"] == "hold" and not runs(held), f"{leaf['id']}: that decision did not hold")
        same = all(
            body[key] == held[key] for key in ("agent", "arguments", "because", "group", "run", "tool")
        )
        made = binding(held, self.effect_of(held), body)
        same = same and body.get("groups") == held.get("groups")
        self.hold(same and body["binding"] == made, f"{leaf['id']}: asked for something else")
        self.asked[body["approval"]] = body

    def approval_answered(self, leaf: Body, body: Body) -> None:
        asked = self.asked[body["approval"]]
        given = self.given.setdefault(body["approval"], set())
        if body["answer"] == "approved":
            self.hold(
                body["by"] not in given | set(asked.get("apart", ())), f"{leaf['id']}: may not, or not twice"
            )
            given.add(body["by"])
            self.spoken.setdefault(body["approval"], []).append(body.get("groups", []))
            if "groups" in asked:
                some = _each_serves_one(dict(asked["groups"]), self.spoken[body["approval"]])
                self.hold(some, f"{leaf['id']}: a yes that no group was asked for")
        if body["answer"] != "approved" or len(given) == asked.get("quorum", 1):
            self.first("answered", body["approval"])
            self.answers[body["approval"]] = body
        in_time = int(leaf["at"]) < int(asked["expires_ns"])
        fits = (
            body["binding"] == asked["binding"] and body["by"] and body["answer"] in ("approved", "rejected")
        )
        self.hold(in_time and fits, f"{leaf['id']}: the answer does not fit")

    def approval_edited(self, leaf: Body, body: Body) -> None:
        self.first("answered", body["approval"])
        asked = self.asked[body["approval"]]
        known = set(body["arguments"]) <= set(asked["arguments"]) and asked["editable"]
        fits = (
            body["binding"] == asked["binding"] and body["by"] and int(leaf["at"]) < int(asked["expires_ns"])
        )
        self.hold(known and fits, f"{leaf['id']}: the edit does not fit")
        self.answers[body["approval"]] = body

    def approval_expired(self, leaf: Body, body: Body) -> None:
        self.first("answered", body["approval"])

    def approval_consumed(self, leaf: Body, body: Body) -> None:
        self.first("consumed", body["approval"])
        asked, answer = self.asked[body["approval"]], self.answers[body["approval"]]
        in_time = int(leaf["at"]) < int(asked["expires_ns"])
        fits = body["binding"] == asked["binding"] and answer.get("answer", "approved") == "approved"
        self.hold(in_time and fits, f"{leaf['id']}: the approval does not fit")
        self.used.add(body["approval"])

    def effect_started(self, leaf: Body, body: Body) -> None:
        self.first("started", body["effect"])
        self.first("started of", body["decision"])
        decision = self.ran(leaf, body)
        approval = decision["approval"]
        self.hold(body["call"] == decision["call"], f"{leaf['id']}: another call")
        wanted = None if approval is None else self.asked[approval]["binding"]
        self.hold(body["binding"] == wanted, f"{leaf['id']}: another binding")
        self.starts[body["effect"]] = body

    def effect_ended(self, leaf: Body, body: Body) -> None:
        self.first("ended", body["effect"])
        decision, start = self.decisions[body["decision"]], self.starts.get(body["effect"])
        self.hold(decision["tool"] == body["tool"], f"{leaf['id']}: another tool")
        if start is None:
            both = {body["effect_class"], self.effect_of(decision)}
            self.hold(both <= {"none", "read"}, f"{leaf['id']}: it never started")
            self.ran(leaf, body)
        else:
            self.hold(start["decision"] == body["decision"], f"{leaf['id']}: another decision's start")

    def run_stopped(self, leaf: Body, body: Body) -> None:
        self.stopped.setdefault(body["run"], int(leaf["at"]))

    def ran(self, leaf: Body, body: Body) -> Body:
        """The decision of a call that runs, for which the rules of calls that run hold."""
        decision = self.decisions[body["decision"]]
        call, stop = decision["call"], self.stopped.get(decision["run"])
        self.hold(runs(decision) and decision["tool"] == body["tool"], f"{leaf['id']}: nothing let it run")
        self.hold(call not in self.refused, f"{leaf['id']}: a refused call ran")
        free = decision["approval"] is not None or decision["policy_state"] == "permissive"
        self.hold(call not in self.held or free, f"{leaf['id']}: a held call ran")
        self.hold(
            stop is None or int(decision["at"]) <= stop, f"{leaf['id']}: judged after the run was stopped"
        )
        return decision
