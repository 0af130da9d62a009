"""The JSON API against a real server: shapes, errors, sign-in, and what its OpenAPI document promises."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from litestar import get
from server_double import Serving

from tallystick.api.settings import ServerSettings

TOKEN = "correct-horse-battery-staple"


def call(serving: Serving, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """Status, headers, and the body (JSON where it says so)."""
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=20)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict):
            body = json.dumps(body)
            given.setdefault("content-type", "application/json")
        connection.request(method, path, body, given)
        response = connection.getresponse()
        content = response.read()
        is_json = response.headers.get("content-type", "").startswith("application/json")
        return response.status, response.headers, json.loads(content) if is_json else content
    finally:
        connection.close()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with Serving(tmp_path, ServerSettings(operator="ann")) as started:
        yield started


def error_of(answer: tuple[int, Any, Any], status: int) -> dict[str, Any]:
    """The error, checked for the one shape."""
    assert answer[0] == status
    assert set(answer[2]) == {"error"}
    assert set(answer[2]["error"]) == {"code", "message", "hint", "detail"}
    return dict(answer[2]["error"])


def test_every_question_is_answered(serving: Serving) -> None:
    run, step = "a" * 32, "b" * 16
    for path in (
        "/api/runs", "/api/runs?q=agent:refunds&limit=1", f"/api/runs/{run}", f"/api/runs/{run}/skeleton",
        f"/api/runs/{run}/steps/{step}", "/api/agents", "/api/tools", "/api/models", "/api/cost?by=tool",
        f"/api/compare?a={run}&b={run[:9]}", "/api/compare?a=a&b=a&all=true", "/api/contrast?a=status:failed",
        "/api/signals?agent=refunds", f"/api/runs/{run}/find?q=look",
        "/api/data", "/api/prompts", "/api/policies", "/api/budgets", "/api/suites", "/api/workflows",
        "/api/find?q=shadow", "/api/object?type=agent&name=refunds", "/api/access?what=customer_pii&since=7d",
        "/api/unused", "/api/reach", "/api/diff?type=agent&name=refunds&from=a&to=b", "/api/quarantine",
        "/api/ready?agent=refunds",
        "/api/approvals", "/api/approvals?state=waiting", "/api/approvals/apr_1", "/api/doctor", "/api/health",
    ):  # fmt: skip
        status, headers, body = call(serving, "GET", path)
        assert status == 200, path
        assert isinstance(body, dict), path
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
    assert call(serving, "GET", "/api/approvals?state=approved")[2] == {"approvals": []}


def test_the_doctor_tells_what_was_counted(serving: Serving) -> None:
    body = call(serving, "GET", "/api/doctor")[2]
    assert body["ingest"]["accepted"] == 0
    assert body["watermark"] == 0
    assert body["pending"] == {"requests": 0, "bytes": 0}


def test_every_error_has_the_one_shape(serving: Serving) -> None:
    assert error_of(call(serving, "GET", "/api/nothing"), 404)["code"] == "input.unknown"
    assert error_of(call(serving, "GET", "/nothing/at/all"), 404)["code"] == "input.unknown"
    assert error_of(call(serving, "GET", "/api/openapi/redoc"), 404)["code"] == "input.unknown"
    assert error_of(call(serving, "GET", "/api/runs/zzz"), 404)["message"] == "nothing starts with 'zzz'"
    wrong = call(serving, "DELETE", "/api/runs")
    assert error_of(wrong, 405)["code"] == "input.invalid"
    assert "GET" in wrong[1]["allow"]
    assert "limit" in error_of(call(serving, "GET", "/api/runs?limit=0"), 400)["message"]
    assert "limit" in error_of(call(serving, "GET", "/api/runs?limit=many"), 400)["message"]
    assert error_of(call(serving, "GET", "/api/cost?by=colour"), 400)["detail"]["fields"][0]["field"] == "by"
    path = "/api/approvals/apr_1"
    for body in (
        {},
        {"answer": "maybe"},
        {"answer": "approved", "by": "mallory"},
        {"answer": "approved", "note": 3},
    ):
        assert error_of(call(serving, "POST", path, body), 400)["code"] == "input.invalid"
    assert error_of(call(serving, "POST", path, "{", content_type="application/json"), 400)
    assert error_of(call(serving, "POST", "/api/approvals/none", {"answer": "approved"}), 404)
    assert serving.answer.given == []


def test_an_answer_is_given_once_and_by_whom_the_gate_knows(serving: Serving) -> None:
    path = "/api/approvals/apr_1"
    status, _, body = call(serving, "POST", path, {"answer": "approved", "note": "fine"})
    assert (status, body["state"], body["by"]) == (200, "approved", "ann")
    assert serving.answer.given == [("apr_1", "approved", "ann", "fine")]
    assert error_of(call(serving, "POST", path, {"answer": "rejected"}), 409)["code"] == "conflict"


def test_a_fault_of_ours_tells_nothing_but_that_it_is(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(serving.reader, "cost", broken)
    error = error_of(call(serving, "GET", "/api/cost"), 500)
    assert error["code"] == "fault"
    assert "secret" not in json.dumps(error)


def test_rebinding_and_cross_site_posts_are_kept_out(serving: Serving) -> None:
    assert error_of(call(serving, "GET", "/api/runs", host="evil.example"), 403)["code"] == "policy.denied"
    answer = {"answer": "approved"}
    assert error_of(call(serving, "POST", "/api/approvals/apr_1", answer, origin="https://evil.example"), 403)
    assert call(serving, "POST", "/v1/traces", b"", origin="https://evil.example")[0] == 403
    assert serving.answer.given == []


def test_signing_in(tmp_path: Path) -> None:
    with Serving(tmp_path, ServerSettings(token=TOKEN, operator="ann")) as serving:
        assert call(serving, "GET", "/api/health")[0] == 200
        status, headers, body = call(serving, "GET", "/api/runs")
        assert error_of((status, headers, body), 401)["code"] == "auth.required"
        assert headers["www-authenticate"].startswith("Bearer")
        assert call(serving, "POST", "/v1/traces", b"", content_type="application/x-protobuf")[0] == 401
        assert call(serving, "GET", "/api/runs", authorization=f"Bearer {TOKEN}")[0] == 200
        status, headers, form = call(serving, "GET", "/", accept="text/html,*/*")
        assert (status, b'action="/sign-in"' in form) == (401, True)
        assert "default-src 'none'" in headers["content-security-policy"]
        link = serving.app.gate.sign_in_path()
        status, headers, _ = call(serving, "GET", link)
        assert (status, headers["location"]) == (303, "/")
        cookie = headers["set-cookie"].partition(";")[0]
        assert call(serving, "GET", "/api/runs", cookie=cookie)[0] == 200
        assert call(serving, "GET", link)[0] == 401
        typed = {"content_type": "application/x-www-form-urlencoded"}
        assert call(serving, "POST", "/sign-in", "token=wrong", **typed)[0] == 401
        status, headers, _ = call(serving, "POST", "/sign-in", f"token={TOKEN}", **typed)
        assert (status, "HttpOnly" in headers["set-cookie"]) == (303, True)
        assert call(serving, "POST", "/sign-in", "x" * 10_000, **typed)[0] == 401


def test_without_a_token_there_is_nothing_to_sign_in_to(serving: Serving) -> None:
    status, headers, _ = call(serving, "GET", "/sign-in?until=1&proof=2")
    assert (status, headers["location"], headers.get("set-cookie")) == (303, "/", None)


@get("/page", media_type="text/html", sync_to_thread=False, include_in_schema=False)
def a_page() -> str:
    return "<p>hello"


def test_pages_are_mounted_beside_the_api(tmp_path: Path) -> None:
    with Serving(tmp_path, ServerSettings(), extra=[a_page]) as serving:
        status, headers, body = call(serving, "GET", "/page")
        assert (status, body) == (200, b"<p>hello")
        assert headers["x-content-type-options"] == "nosniff"


def test_the_document_is_openapi_31_with_real_schemas(serving: Serving) -> None:
    document = call(serving, "GET", "/api/openapi.json")[2]
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/api/blobs/{sha256}",
        "/api/runs", "/api/runs/{run}", "/api/runs/{run}/skeleton", "/api/runs/{run}/steps/{step}",
        "/api/agents", "/api/tools", "/api/models", "/api/cost", "/api/compare", "/api/completeness",
        "/api/approvals", "/api/approvals/{approval}", "/api/doctor", "/api/health", "/api/journal",
        "/api/journal/verify", "/journal/checkpoint", "/journal/tile/{place}", "/api/contrast", "/api/signals",
        "/api/runs/{run}/find",
        "/api/data", "/api/prompts", "/api/policies", "/api/budgets", "/api/suites", "/api/workflows", "/api/find",
        "/api/object", "/api/diff", "/api/access", "/api/unused", "/api/reach", "/api/quarantine",
        "/api/quarantine/accept", "/api/ready",
    }  # fmt: skip
    schemas = document["components"]["schemas"]
    run = next(schema for name, schema in schemas.items() if name.endswith("RunShape"))
    assert "null" in json.dumps(run["properties"]["cost_nano_usd"])
    assert set(run["required"]) == set(run["properties"])


def test_answers_keep_what_the_document_promises(tmp_path: Path) -> None:
    with Serving(tmp_path, ServerSettings()) as serving:
        schema = schemathesis.openapi.from_url(f"{serving.url}/api/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        paths = call(serving, "GET", "/api/openapi.json")[2]["paths"].values()
        assert len(operations) == sum(len({"get", "post"} & path.keys()) for path in paths)
        for operation in operations:

            @settings(
                max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
            )
            @given(case=operation.as_strategy())
            def ask(case: Any) -> None:
                case.call_and_validate()

            ask()
