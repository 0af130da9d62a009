"""AuthZEN over the guard: decisions, holds, batches, outcomes, and what must be refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from access_kit import WORDS, Deciding, deciding, question, said
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tallystick import wiring

TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Deciding]:
    with deciding(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deciding]:
    """One server for all the questions that no server may take."""
    with deciding(tmp_path_factory.mktemp("standing")) as started:
        yield started


def paid(**args: Any) -> dict[str, Any]:
    return said(question(**args), words=WORDS)


def test_what_the_user_asked_for_is_allowed_and_stands_in_the_journal_before_the_answer(
    server: Deciding,
) -> None:
    answer = server.ask(paid(id="A-1", amount="40.00"))
    assert (answer["decision"], answer["context"]["effect"]) == (True, "allow")
    assert server.kinds()[-2:] == ["decision.made", "effect.started"]
    told = answer["context"]["outcome"]
    assert (told["path"], server.tell(told["decision"], result={"receipt": "R-1"})) == (
        "/access/v1/outcome",
        200,
    )
    assert server.kinds()[-1] == "effect.ended"
    assert server.tell(told["decision"]) == 404  # an outcome is told once


def test_an_outcome_that_nobody_tells_is_in_doubt_when_the_server_stops(server: Deciding) -> None:
    server.ask(paid(id="A-1", amount="40.00"))
    server.stop()
    ended = [entry for entry in server.stores.control.entries() if entry.kind == "effect.ended"]
    assert [entry.body["outcome"] for entry in ended] == ["in doubt"]


def test_a_refusal_tells_the_rules_sentence_and_nothing_else(server: Deciding) -> None:
    answer = server.ask(paid(id="A-3", amount="-5.00"))
    assert (answer["decision"], answer["context"]["effect"]) == (False, "deny")
    assert answer["context"]["because"] == "Nobody pays less than nothing."
    assert "reasons" not in json.dumps(answer)
    assert "effect.started" not in server.kinds()


def test_a_hold_is_a_no_that_says_how_to_ask_and_an_approval_is_used_once(server: Deciding) -> None:
    asked = paid(id="A-2", amount="400.00")
    held = server.ask(asked)
    assert (held["decision"], held["context"]["effect"]) == (False, "hold")
    approval = held["context"]["approval"]
    assert (approval["group"], approval["page"]) == ("finance", f"/approvals/{approval['id']}")
    again = said(asked, **approval["again"]["context"])
    assert server.ask(again)["context"]["approval"]["id"] == approval["id"]  # nobody answered yet
    assert server.ask(asked)["context"]["approval"]["id"] == approval["id"]  # nor is anybody asked twice
    assert server.kinds().count("approval.requested") == 1
    server.answer(approval["id"])
    with ThreadPoolExecutor(8) as racing:
        answers = list(racing.map(lambda _: server.send("POST", "/access/v1/evaluation", again), range(8)))
    assert sum(one[2].get("decision") is True for one in answers) == 1
    assert server.kinds().count("effect.started") == server.kinds().count("approval.consumed") == 1
    assert server.send("POST", "/access/v1/evaluation", again)[0] == 404  # it is used up


def test_an_approval_of_one_call_lets_no_other_through(server: Deciding) -> None:
    approval = server.ask(paid(id="A-2", amount="400.00"))["context"]["approval"]["id"]
    server.answer(approval)
    for other in (
        paid(id="A-2", amount="401.00"), paid(id="A-1", amount="400.00"), paid(id="A-2", amount="400.00", run="r2"),
        paid(id="A-2", amount="400.00", agent="other"),
    ):  # fmt: skip
        assert server.ask(said(other, approval=approval))["decision"] is False, other
    assert "effect.started" not in server.kinds()
    assert server.ask(said(paid(id="A-2", amount="400.00"), approval=approval))["decision"] is True


def test_a_rejected_approval_is_a_no(server: Deciding) -> None:
    asked = paid(id="A-2", amount="400.00")
    approval = server.ask(asked)["context"]["approval"]["id"]
    server.answer(approval, "rejected")
    assert server.ask(said(asked, approval=approval))["context"]["effect"] == "deny"
    for again in (said(asked, approval=approval), asked):  # and stays one: nobody is asked twice
        assert server.ask(again)["context"]["effect"] == "deny"
    assert server.kinds().count("approval.requested") == 1


def test_labels_of_a_caller_lower_trust_and_never_raise_it(server: Deciding) -> None:
    forged = said(question(id="A-1", amount="40.00", run="r5"), labels={"watermark": "system"})
    assert server.ask(forged)["decision"] is False  # nobody said the amount
    assert server.ask(paid(id="A-1", amount="40.00", run="r6"))["decision"] is True
    asked = said(
        question(id="A-9", amount="40.00", run="r6"), labels={"watermark": "third-party", "signs": ["hidden"]}
    )
    assert server.ask(asked)["decision"] is False
    entries = server.stores.control.entries(run="r6", kind="decision.made")
    facts = entries[-1].body["facts"]
    assert (facts["watermark"], facts["signs"]) == ("third-party", ["hidden"])


def test_a_run_is_distrusted_until_it_is_told_what_its_calls_brought(server: Deciding) -> None:
    server.ask(said(question("look", run="r7", id="A-1"), words="look at A-1 and pay it"))
    server.ask(question("look", run="r7", id="A-2"))
    server.ask(question(run="r7", id="A-1", amount="1.00"))
    made = [one for one in server.stores.control.entries(run="r7") if one.kind == "decision.made"]
    assert [one.body["facts"]["watermark"] for one in made] == ["user", "third-party", "third-party"]


def test_words_of_the_user_come_from_operators_only(tmp_path: Path) -> None:
    with deciding(tmp_path, TOKEN) as server:
        shown = server.people("admin", "operator", "viewer", "approver")
        asked = paid(id="A-1", amount="40.00")
        statuses = {
            role: server.send(
                "POST", "/access/v1/evaluation", asked, authorization=f"Bearer {shown.get(role, TOKEN)}"
            )[0]
            for role in ("program", "viewer", "approver", "operator", "admin")
        }
        assert statuses == {"program": 403, "viewer": 403, "approver": 403, "operator": 200, "admin": 200}
        assert server.send("POST", "/access/v1/evaluation", asked)[0] == 401
        told = server.ask(question("look", run="r3", id="A-1"), authorization=f"Bearer {TOKEN}")
        assert told["decision"] is True
        assert server.send("GET", "/.well-known/authzen-configuration")[0] == 200


def test_an_agent_with_a_token_speaks_for_itself_alone(tmp_path: Path) -> None:
    with deciding(tmp_path, TOKEN) as server:
        issuer = wiring.identity.issuer(server.stores)
        made = issuer.issue("desk", by="os:root", via="store", ttl_s=600, depth=1, run="r1")
        shown = {"authorization": f"Bearer {made['token']}"}
        asked = paid(id="A-1", amount="40.00")
        for other in (
            paid(id="A-1", amount="40.00", agent="other"),
            paid(id="A-1", amount="40.00", run="r2"),
        ):
            assert server.ask(other, **shown)["decision"] is False
        decision = server.ask(asked, **shown)  # its own words count, those said for others did not
        assert decision["decision"] is True
        told = {"decision": decision["context"]["id"], "outcome": "landed"}
        someone = issuer.issue("other", by="os:root", via="store", ttl_s=600, depth=1)["token"]
        assert server.send("POST", "/access/v1/outcome", told, authorization=f"Bearer {someone}")[0] == 404
        assert server.send("POST", "/access/v1/outcome", told, **shown)[0] == 200
        made_again = server.stores.control.entries(kind="decision.made")
        assert [(one.body["stage"], one.body["answer"]) for one in made_again] == [
            ("identity", "deny"), ("identity", "deny"), ("policy", "allow"),
        ]  # fmt: skip


def test_batches_end_where_they_are_told_to(server: Deciding) -> None:
    yes, no = question("look", id="A-1"), paid(id="A-3", amount="-5.00")
    rows = [yes, no, {"subject": 7}, yes]

    def ends(semantic: str, *which: dict[str, Any]) -> list[bool]:
        body = {"evaluations": list(which), "options": {"evaluations_semantic": semantic}}
        return [one["decision"] for one in server.ask(body, "evaluations")["evaluations"]]

    assert ends("execute_all", *rows) == [True, False, False, True]
    assert ends("deny_on_first_deny", *rows) == [True, False]
    assert ends("permit_on_first_permit", no, *rows) == [False, True]
    body = {"evaluations": rows, "options": {"evaluations_semantic": "as you like"}}
    assert server.send("POST", "/access/v1/evaluations", body)[0] == 400
    broken = server.ask({"evaluations": [{"subject": 7}]}, "evaluations")["evaluations"][0]
    assert (broken["decision"], broken["context"]["error"]["status"]) == (False, 400)


def test_a_batch_takes_its_defaults_and_may_be_a_single_question(server: Deciding) -> None:
    whole = question("look", id="A-1")
    single = server.ask(whole, "evaluations")
    assert (single["decision"], "evaluations" in single) == (True, False)
    rows = {**whole, "evaluations": [{}, {"context": {"args": {"id": "A-2"}}}, {"action": {"name": "pay"}}]}
    answers = server.ask(rows, "evaluations")["evaluations"]
    assert [one["decision"] for one in answers] == [
        True,
        True,
        False,
    ]  # the last names a tool its resource is not


def test_the_request_id_comes_back_with_every_answer(server: Deciding) -> None:
    for body in (question("look", id="A-1"), {"subject": 1}):
        headers = server.send("POST", "/access/v1/evaluation", body, X_Request_ID="req-7")[1]
        assert headers["x-request-id"] == "req-7"
    metadata = server.send("GET", "/.well-known/authzen-configuration")[2]
    assert metadata["access_evaluation_endpoint"] == f"http://127.0.0.1:{server.port}/access/v1/evaluation"


DEEP = b'{"subject":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
ASKED = question("look", id="A-1")
BAD = {
    "no JSON": b"{", "no object": b"[]", "nothing": b"", "nested 10,000 deep": DEEP,
    "args nested 10,000 deep": json.dumps(ASKED).encode().replace(b'"A-1"', b"[" * 10_000 + b"]" * 10_000),
    "args nested 70 deep": json.dumps(ASKED).encode().replace(b'"A-1"', b"[" * 70 + b"]" * 70),
    "a float": question(id="A-1", amount=40.5), "a huge integer": question(id="A-1", amount=2**53),
    "a very huge integer": json.dumps(ASKED).encode().replace(b'"A-1"', b"9" * 5_000),
    "no subject": {k: v for k, v in ASKED.items() if k != "subject"},
    "no action": {k: v for k, v in ASKED.items() if k != "action"},
    "no resource": {k: v for k, v in ASKED.items() if k != "resource"},
    "no run": {**ASKED, "subject": {"type": "agent", "id": "desk"}},
    "a user": {**ASKED, "subject": {**ASKED["subject"], "type": "user"}},
    "another resource": {**ASKED, "resource": {"type": "file", "id": "/etc/passwd"}},
    "an empty name": {**ASKED, "action": {"name": ""}},
    "a long name": {**ASKED, "action": {"name": "x" * 300}},
    "a lone surrogate": json.dumps(ASKED).encode().replace(b"A-1", b"\\ud800"),
    "unknown integrity": said(ASKED, labels={"watermark": "holy"}),
    "too many values": question("look", id=[0] * 20_000),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_said_clearly_and_never_allowed(standing: Deciding, name: str) -> None:
    body = BAD[name]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, _, answer = standing.send("POST", "/access/v1/evaluation", raw)
    assert status == 400, answer
    assert answer["error"]["message"]
    assert "effect.started" not in standing.kinds()


def test_a_body_of_ten_megabytes_is_too_large(standing: Deciding) -> None:
    body = question("look", id="x" * 10_000_000)
    status, _, answer = standing.send("POST", "/access/v1/evaluation", body)
    assert (status, answer["error"]["code"]) == (413, "input.invalid")


def test_answers_keep_what_the_document_promises(standing: Deciding) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{standing.port}/api/openapi.json")
    ours = schema.include(path_regex="^/access/|authzen-configuration$")
    operations = [found.ok() for found in ours.get_all_operations()]
    assert len(operations) == 4
    for operation in operations:

        @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.call_and_validate(excluded_checks=[positive_data_acceptance])  # args may hold floats

        ask()
