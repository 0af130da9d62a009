"""What must never happen: stored text that runs, requests that leave this machine, pages some cannot use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Open
from playwright.sync_api import Page
from serve_pages import Served, serving
from web_fake import FakeReader
from web_world import refund_steps

pytestmark = pytest.mark.browser

VENDOR = Path(__file__).parent / "vendor"
CORPUS = [
    "<script>window.__ran++</script>",
    "<img src=x onerror=window.__ran++>",
    '"><svg onload=window.__ran++>',
    "' onmouseover='window.__ran++",
    "</title></textarea></pre></script><script>window.__ran++</script>",
    "javascript:window.__ran++",
    "<iframe srcdoc='<script>parent.__ran++</script>'></iframe>",
    "<style>@import 'http://evil.example/x.css';</style><link rel=stylesheet href=http://evil.example/y.css>",
    "<form action=http://evil.example><button autofocus onfocus=window.__ran++>",
    "{{constructor.constructor('window.__ran++')()}}${window.__ran++}",
    "<template><img src=http://evil.example/z.png></template><base href=http://evil.example/>",
    "\u202e\u2066<b>reversed</b>\x00\x1b[31m",
]


def addresses(reader: FakeReader) -> list[str]:
    run, other = (str(found["run"]) for found in reader.runs()["runs"][:2])
    approval = str(reader.approvals()["approvals"][0]["approval"])
    return [
        "/", "/runs", "/runs?q=status:failed", f"/runs/{run}", f"/runs/{run}?plain=1",
        f"/runs/{run}/steps/{refund_steps()[5]['step']}", "/agents", "/agent?name=refunds", "/tools", "/models",
        "/cost", f"/approvals/{approval}", "/approvals?state=all", "/keys", "/runs/nosuchrun", "/journal",
        "/journal/verify", f"/diff?a={run}&b={other}", f"/diff?a={run}&b={other}&all=1", "/contrast",
        "/contrast?a=status:failed&b=status:ok", "/completeness", "/agent?name=refunds&by=day",
    ]  # fmt: skip


def test_the_watch_sees_what_it_watches_for(desk: Served, open_context: Open) -> None:
    """The policy stops an inline script in this browser, and the tests would know."""
    page = open_context().page()
    page.goto(desk.url)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.__ran++>')")
    page.wait_for_function("window.__violations.length > 0")
    assert page.evaluate("window.__ran") == 0


@pytest.mark.parametrize("part", range(3))
def test_stored_text_never_runs(open_context: Open, part: int) -> None:
    hostile = " ".join(CORPUS[part::3])
    reader = FakeReader(taint=lambda _: hostile)
    watched = open_context()
    with serving(reader) as served:
        page = watched.page()
        for address in (
            "/",
            "/runs",
            "/agents",
            "/tools",
            "/models",
            "/cost",
            "/approvals/apr_0001",
            "/journal",
        ):
            page.goto(served.url + address)
            watched.check(page)
        run = reader.runs()["runs"][0]["run"]
        page.goto(f"{served.url}/runs/{run}")
        page.wait_for_selector(".t-row")
        for number in range(page.locator(".t-row").count()):
            page.locator(".t-row").nth(number).click()
            page.wait_for_selector(f'[data-panel] article[data-step="{refund_steps()[number]["step"]}"]')
        watched.check(page)
        page.fill("[data-find]", hostile[:12])
        page.wait_for_timeout(400)
        watched.check(page)
        other = reader.runs()["runs"][1]["run"]
        page.goto(f"{served.url}/diff?a={run}&b={other}&all=1")
        page.wait_for_selector(".c-row")
        for number in range(page.locator(".c-row").count()):
            page.locator(".c-row").nth(number).click()
        watched.check(page)
        for address in ("/contrast?a=status:failed&b=status:ok", "/completeness", "/agent?name=refunds"):
            page.goto(served.url + address)
            watched.check(page)
        page.goto(f"{served.url}/runs/{run}/steps/{refund_steps()[8]['step']}")
        watched.check(page)


def test_no_page_asks_beyond_this_machine(desk: Served, open_context: Open) -> None:
    watched = open_context()
    page = watched.page()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    for address in addresses(desk.reader):
        page.goto(desk.url + address)
        watched.check(page)
    assert watched.outside == []
    assert len(seen) > 40


@pytest.fixture(scope="module")
def small_desk() -> Iterator[Served]:
    """Enough rows for every kind of cell: the checker's time grows with the page."""
    with serving(FakeReader(runs=10)) as served:
        yield served


def _violations(page: Page) -> list[str]:
    # evaluated by the driver, which the page's policy does not bind: the policy stays as users have it
    page.evaluate((VENDOR / "axe.min.js").read_text("utf-8"))
    found: dict[str, Any] = page.evaluate("async () => axe.run(document)")
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_have_no_accessibility_violations(small_desk: Served, open_context: Open, dark: bool) -> None:
    page = open_context(dark=dark).page()
    run = small_desk.reader.runs()["runs"][0]["run"]
    chosen = f"/runs/{run}?step={refund_steps()[5]['step']}&find=model"
    for address in [*addresses(small_desk.reader), chosen]:
        page.goto(small_desk.url + address)
        if (
            "/runs/" in address
            and "plain" not in address
            and "/steps/" not in address
            and "nosuch" not in address
        ):
            page.wait_for_selector(".t-row")
        if address == chosen:
            page.wait_for_selector("[data-panel] article")
        assert _violations(page) == [], address


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_has_no_accessibility_violations(small_desk: Served, open_context: Open, dark: bool) -> None:
    page = open_context(dark=dark, width=390, height=844).page()
    run = small_desk.reader.runs()["runs"][0]["run"]
    for address in ("/", "/runs", f"/runs/{run}", "/cost", "/approvals/apr_0001", "/journal"):
        page.goto(small_desk.url + address)
        page.wait_for_timeout(150)
        assert _violations(page) == [], address
