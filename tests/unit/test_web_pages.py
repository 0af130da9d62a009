"""The pages over HTTP, without a browser: every page and its JSON, errors, answers, headers, hostile text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from web_fake import FakeEvidence, FakeJournal, FakeReader
from web_sets_fake import LOSS
from web_world import NOW_NS, refund_steps

from tallystick.web import assets
from tallystick.web.pages import PageSettings, routes

Client = TestClient[Litestar]


def client_of(
    reader: FakeReader, journal: FakeJournal | None = None, evidence: FakeEvidence | None = None
) -> Client:
    settings = PageSettings(now=lambda: NOW_NS, store="here", losses=lambda: LOSS)
    handlers: list[Any] = routes(
        reader,
        reader.answer,
        settings,
        journal or FakeJournal(reader),
        reader.catalog.registry(),
        evidence or FakeEvidence(),
    )
    return TestClient(Litestar(handlers, openapi_config=None), raise_server_exceptions=False)


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


@pytest.fixture
def client(reader: FakeReader) -> Iterator[Client]:
    with client_of(reader) as client:
        yield client


def run_of(reader: FakeReader) -> str:
    return str(reader.runs()["runs"][0]["run"])


def addresses(reader: FakeReader) -> list[str]:
    run, step = run_of(reader), refund_steps()[8]["step"]
    other = reader.runs()["runs"][1]["run"]
    return [
        "/", "/runs", "/runs?q=status:failed", f"/runs/{run}", f"/runs/{run}?plain=1", f"/runs/{run}/steps/{step}",
        f"/runs/{run}/steps/{step}?part=1", "/agents", "/agent?name=planner", "/tools", "/models", "/cost",
        "/cost?by=run", "/approvals", "/approvals?state=all", "/approvals/apr_0002", "/keys",
        "/journal", "/journal?before=40", "/journal/verify", f"/diff?a={run}&b={other}",
        f"/diff?a={run}&b={other}&all=1",
        "/contrast", "/contrast?a=status:failed&b=status:ok", "/completeness", "/completeness?q=agent:refunds",
        "/agent?name=planner&by=day",
    ]  # fmt: skip


class Scan(HTMLParser):
    """Collects what must not be in a page: inline scripts, handlers, styles, addresses elsewhere; and labels."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "script" and not named.get("src"):
            self.bad.append("inline script")
        if tag == "style":
            self.bad.append("inline style sheet")
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.bad.append(f"{tag} {name}")
            if name in ("href", "src", "action") and not re.match(r"^[/?#]", value or ""):
                self.bad.append(f"{tag} {name}={value}")
        if named.get("id"):
            self.ids.append(str(named["id"]))


def test_every_page_is_clean_html(client: Client, reader: FakeReader) -> None:
    for address in addresses(reader):
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        scan = Scan()
        scan.feed(answer.text)
        assert scan.bad == [], address
        assert len(scan.ids) == len(set(scan.ids)), address


def test_every_page_is_json_too(client: Client, reader: FakeReader) -> None:
    run, step = run_of(reader), refund_steps()[8]["step"]
    for address in (
        "/home.json", "/runs.json?q=status:failed", f"/runs/{run}.json", f"/runs/{run}/steps/{step}.json",
        "/agents.json", "/agent.json?name=planner", "/tools.json", "/models.json",
        "/cost.json?by=model", "/approvals.json?state=all",
        "/approvals/apr_0001.json", "/keys.json", "/journal.json", "/journal/verify.json",
    ):  # fmt: skip
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["content-type"] == "application/json"
        assert isinstance(answer.json(), dict)
    assert client.get("/runs.json?q=status:failed").json() == reader.runs("status:failed", limit=50)
    assert client.get(f"/runs/{run}.json").json() == reader.run(run)
    assert client.get("/cost.json?by=model").json() == reader.cost("model")


def test_an_empty_store_says_no_data_and_the_command() -> None:
    with client_of(FakeReader(empty=True)) as client:
        home = client.get("/").text
        assert "No data yet" in home
        assert "tally demo" in home
        assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4777" in home
        for address in ("/runs", "/agents", "/tools", "/models", "/cost", "/approvals", "/journal"):
            assert client.get(address).status_code == 200
        assert "No data yet" in client.get("/runs").text


def test_errors_have_one_page_and_one_shape(client: Client) -> None:
    missing = client.get("/runs/nothere")
    assert missing.status_code == 404
    assert "no run starts with" in missing.text
    assert "tally runs ls" in missing.text
    shaped = client.get("/runs/nothere.json")
    assert shaped.status_code == 404
    assert shaped.json()["error"]["code"] == "input.unknown"
    assert client.get("/no/such/page").status_code == 404
    assert client.get("/api/none").json()["error"]["code"] == "input.unknown"
    assert client.get("/cost?by=colour").status_code == 400
    assert client.get("/agent").status_code == 404
    assert client.post("/runs").status_code == 405


def test_a_fault_of_ours_shows_no_trace(reader: FakeReader, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret inner words")

    monkeypatch.setattr(reader, "runs", broken)
    with client_of(reader) as client:
        answer = client.get("/runs")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_a_query_that_cannot_be_read_keeps_the_text_and_says_why(client: Client) -> None:
    answer = client.get("/runs?q=agnet:x")
    assert answer.status_code == 400
    assert "did you mean agent:?" in answer.text
    assert 'value="agnet:x"' in answer.text
    assert client.get("/runs.json?q=agnet:x").json()["error"]["code"] == "input.invalid"


def test_paging_reaches_every_run_once(client: Client, reader: FakeReader) -> None:
    seen: list[str] = []
    address: str | None = "/runs"
    while address:
        page = client.get(address).text
        seen += re.findall(r'<tr data-run="(\w+)"', page)
        older = re.search(r'data-older href="([^"]+)"', page)
        address = older.group(1).replace("&amp;", "&") if older else None
    assert len(seen) == len(set(seen)) == reader.runs()["total"]


def test_the_plain_table_says_how_many_it_leaves_out() -> None:
    reader = FakeReader(big=1_200)
    with client_of(reader) as client:
        page = client.get(f"/runs/{run_of(reader)}?plain=1").text
    assert "the first 500 of 1,200" in page
    assert page.count("<tr>") == 501


def test_unknown_costs_are_words(client: Client) -> None:
    assert "a lower bound" in client.get("/cost?by=model").text
    rows = re.findall(r"<tr>.*?</tr>", client.get("/cost?by=model").text, re.S)
    (unpriced,) = [row for row in rows if "house-llm-7b" in row]
    assert "unknown" in unpriced
    assert "$0" not in unpriced


def test_shadow_things_are_named(client: Client) -> None:
    assert "seen, not declared" in client.get("/tools").text
    home = client.get("/home.json").json()
    assert home["shadow"] == {"agents": ["triage"], "tools": ["wire_transfer"]}


def test_an_approval_is_answered_once(client: Client, reader: FakeReader) -> None:
    form = {"answer": "approve", "note": "seen the photo"}
    answer = client.post("/approvals/apr_0001", data=form, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/approvals/apr_0001?state=waiting"
    assert reader.answers == [("apr_0001", "approved", "local", "seen the photo")]
    again = client.post("/approvals/apr_0001", data={"answer": "reject"}, follow_redirects=False)
    assert again.status_code == 409
    assert "answered already" in again.text
    assert len(reader.answers) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_site_cannot_answer(client: Client, reader: FakeReader, headers: dict[str, str]) -> None:
    answer = client.post("/approvals/apr_0001", data={"answer": "approve"}, headers=headers)
    assert answer.status_code == 403
    assert reader.answers == []


@pytest.mark.parametrize("form", [{}, {"answer": "yes"}, {"answer": "approve", "note": "x" * 2_001}])
def test_a_bad_answer_is_refused(client: Client, reader: FakeReader, form: dict[str, str]) -> None:
    assert client.post("/approvals/apr_0001", data=form).status_code == 400
    assert reader.answers == []


def test_the_evidence_is_complete(client: Client) -> None:
    page = client.get("/approvals/apr_0001").text
    for words in (
        "asks to call", "A-1001", "400.00", "refunds over 100 USD are approved by finance", "$0.00214", "in 11 m",
        "the tool is not called", "Resolve ticket 4711", "and on whose word each stands",
        "<strong>not trusted:</strong> <bdi>it comes from search_pages</bdi>", "the user said it",
        "big (policies/desk.cedar:3)",
        "forbid (principal, action, resource);", "words do not ask for this tool", "evil.example",
        "instructions", "would leak", "brought what anybody may have written", "Earlier calls are on the run",
    ):  # fmt: skip
        assert words in page
    assert 'value="approve"' in page
    assert 'value="approve"' not in client.get("/approvals/apr_0003").text


@pytest.mark.parametrize(
    "hostile",
    ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "</pre></details><script>1</script>", "'; {{7*7}}",
     "javascript:alert(1)", "\x1b]8;;http://x\x07", "a\u202eb", "\ud83d", "x" * 5_000, "../../etc", "%2e%2e/", ""],
)  # fmt: skip
def test_hostile_text_stays_text(hostile: str) -> None:
    reader = FakeReader(taint=lambda _: hostile)
    a, b = (run["run"] for run in reader.runs()["runs"][:2])
    with client_of(reader) as client:
        for address in (
            f"/diff?a={a}&b={b}&all=1",
            "/contrast?a=status:failed&b=status:ok",
            "/completeness",
            f"/runs/{a}",
            f"/runs/{a}/steps/{refund_steps()[8]['step']}",
            "/",
            "/runs",
            "/agents",
            "/tools",
            "/models",
            "/cost",
            "/approvals",
            "/cost?by=agent",
            "/journal",
        ):
            answer = client.get(address)
            assert answer.status_code == 200, address
            scan = Scan()
            scan.feed(answer.text)
            assert scan.bad == [], address


def test_names_that_look_like_paths_have_a_page(client: Client, reader: FakeReader) -> None:
    for name in ("..", "a/b", "x.json", "ü ö", "?&#"):
        reader.catalog.things["agent"][0]["name"] = name
        assert client.get("/agent", params={"name": name}).status_code == 200


def test_static_files_are_small_kept_and_nothing_else(client: Client) -> None:
    loaded = assets.load()
    for name, body in loaded.contents.items():
        answer = client.get(loaded.url(name))
        assert answer.content == body
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/static/old/base.css").headers["cache-control"] == "no-cache"
    assert client.get(f"/static/{loaded.digest}/site.py").status_code == 404
    assert client.get(f"/static/{loaded.digest}/..%2fsite.py").status_code == 404
    raw = sum(len(body) for name, body in loaded.contents.items() if name.endswith((".js", ".css")))
    assert raw <= 150_000


def test_scripts_and_styles_keep_the_house_rules() -> None:
    for name, body in assets.load().contents.items():
        text = body.decode()
        if name.endswith(".js"):
            assert text.startswith("// @ts-check"), name
            assert len(text.splitlines()) <= 300, name
            for word in (
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
            ):
                assert word not in text, (name, word)
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), name
