"""Runs in every state of keeping, out of a real store: archived, erased, withheld, redacted, lossy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Open
from kept_store import ARCHIVED, ARCHIVED_STEPS, ERASED, MARKED, PICTURE, SECRET, WITHHELD, fill
from long_run import Up, span_id, up
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    store = Path(tmp_path_factory.mktemp("kept")) / "store"
    fill(store)
    with up(store) as one:
        yield one


def open_run(page: Page, kept: Up, run: str, query: str = "") -> None:
    page.goto(f"{kept.url}/runs/{run}{query}")
    page.wait_for_selector(".t-row")


def row(page: Page, name: str) -> Locator:
    return page.locator(".t-row", has_text=name).first


def test_an_archived_run_looks_like_any_other(kept: Up, open_context: Open) -> None:
    watched = open_context()
    page = watched.page()
    open_run(page, kept, ARCHIVED)
    expect(page.locator(".run-head")).to_contain_text("It is in the archive")
    expect(page.get_by_role("treegrid")).to_have_attribute("aria-rowcount", str(ARCHIVED_STEPS))
    expect(page.locator(".t-told").filter(has_text="in order").first).to_be_visible()  # lines
    page.keyboard.press("/")
    page.keyboard.type("record 257: in order")
    page.keyboard.press("Enter")
    found = page.locator(".t-row[aria-selected=true]")
    expect(found.locator("mark")).to_have_text("record 257: in order")
    assert f"step={span_id(257)}" in page.url
    expect(page.locator("[data-panel]")).to_contain_text("record 257: in order, checked")
    page.goto(f"{kept.url}/runs")
    expect(page.locator(f"tr[data-run='{ARCHIVED}']")).to_contain_text("archived")
    watched.check(page)


def test_an_erased_run_says_so_and_keeps_what_happened(kept: Up, open_context: Open) -> None:
    page = open_context().page()
    open_run(page, kept, ERASED)
    expect(page.get_by_role("heading", level=1)).to_have_text("goal erased")
    expect(page.locator(".run-head")).to_contain_text("Its contents were erased.")
    expect(row(page, "look_up")).to_contain_text("contents erased")
    row(page, "look_up").click()
    expect(page.locator("[data-panel] .told-tag")).to_have_text("contents erased")
    assert "Jane" not in page.content()
    page.goto(f"{kept.url}/runs")
    expect(page.locator(f"tr[data-run='{ERASED}']")).to_contain_text("goal erased")


def test_withheld_contents_are_digests_and_look_like_it(kept: Up, open_context: Open) -> None:
    page = open_context().page()
    open_run(page, kept, WITHHELD)
    expect(page.get_by_role("heading", level=1)).to_have_text("goal withheld")
    expect(page.locator(".run-head")).to_contain_text("Its contents are withheld.")
    expect(row(page, "look_up")).to_contain_text("withheld")
    row(page, "look_up").click()
    expect(page.locator("[data-panel] pre .taken").first).to_contain_text("‹digest:")
    assert "Jane" not in page.content()


def test_redaction_retries_guardrails_and_loss_are_told(kept: Up, open_context: Open) -> None:
    watched = open_context(width=1600)
    page = watched.page()
    open_run(page, kept, MARKED)
    expect(page.locator(".why-lossy")).to_contain_text("1 step is missing.")
    expect(row(page, "look_up")).to_contain_text("redacted: 1 secret")
    expect(row(page, "now it went through")).to_contain_text("attempt 3: HTTP 429")
    guard = row(page, "guardrail pii")
    expect(guard).to_contain_text("no personal data: deny → a street was found")
    expect(guard).not_to_contain_text("claimed")
    row(page, "look_up").click()
    expect(page.locator("[data-panel] pre .taken").first).to_have_text("‹redacted:secret›")
    assert SECRET not in page.content()
    guard.click()
    expect(page.locator("[data-panel] .pairs")).to_contain_text("no personal data")
    watched.check(page)


def test_a_large_binary_is_a_link_to_be_saved(kept: Up, open_context: Open) -> None:
    watched = open_context()
    page = watched.page()
    open_run(page, kept, MARKED)
    row(page, "I look you up").click()
    link = page.locator("[data-panel]").get_by_role("link", name="image/svg+xml")
    with page.expect_download() as waiting:
        link.click()
    assert Path(waiting.value.path()).read_bytes() == PICTURE
    answer = page.request.get(f"{kept.url}{link.get_attribute('href')}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    watched.check(page)


def test_loss_is_told_beside_completeness(kept: Up, open_context: Open) -> None:
    page = open_context().page()
    page.goto(f"{kept.url}/completeness")
    told = page.locator("section[aria-labelledby=loss]")
    expect(told.locator("div", has_text="accepted")).to_contain_text(str(ARCHIVED_STEPS + 15))
    expect(told).to_contain_text("Nothing was rejected and nothing is known to be dropped.")
    expect(page.locator("header nav a[aria-current]")).to_have_text("Runs")
    expect(page.get_by_role("row", name="desk")).to_contain_text("3")
