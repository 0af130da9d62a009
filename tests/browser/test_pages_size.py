"""A run of many steps is drawn with few elements, and every step can be reached (for the clock see test_long_run)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import Open
from playwright.sync_api import Page, expect
from serve_pages import Served, serving
from web_fake import FakeReader, big_columns

pytestmark = pytest.mark.browser

STEPS = 20_000
LEFTS = """bars => bars.map(bar => {
  const [inner, outer] = [bar.getBoundingClientRect(), bar.parentElement.getBoundingClientRect()];
  return (inner.left - outer.left) / outer.width;
})"""
ELEMENTS = 1_000


@pytest.fixture(scope="module")
def long_run() -> Iterator[Served]:
    reader = FakeReader(big=STEPS)
    packed = reader.outline(reader.runs()["runs"][0]["run"])
    reader.outline = lambda prefix: packed  # type: ignore[method-assign]
    with serving(reader) as served:
        yield served


def open_run(page: Page, served: Served) -> float:
    page.goto(f"{served.url}/runs/{served.reader.runs()['runs'][0]['run']}")
    page.wait_for_selector(".t-row")
    return float(page.evaluate("performance.getEntriesByName('tree-ready')[0].startTime"))


def elements(page: Page) -> int:
    return int(page.evaluate("document.querySelectorAll('*').length"))


def test_elements_do_not_grow_while_scrolling_or_searching(long_run: Served, open_context: Open) -> None:
    page = open_context(height=1_100).page()
    open_run(page, long_run)
    tree = page.get_by_role("treegrid")
    for place in (0.1, 0.5, 0.93, 1.0):
        tree.evaluate("(tree, place) => { tree.scrollTop = place * tree.scrollHeight; }", place)
        page.wait_for_timeout(80)
        assert 10 < page.locator(".t-row").count() < 70
        assert elements(page) < ELEMENTS
    expect(page.locator(".t-row").last).to_have_attribute("aria-rowindex", str(STEPS))
    page.fill("[data-find]", "call 1999")
    expect(page.locator("[data-found]")).to_have_text("12 of 20,000")  # 1999, 11999, 1999x
    page.keyboard.press("Enter")
    expect(page.locator(".t-row[aria-selected=true] .t-label")).to_have_text("tool call 1999")
    assert elements(page) < ELEMENTS


def test_errors_are_jumped_to_and_shown_alone(long_run: Served, open_context: Open) -> None:
    page = open_context().page()
    open_run(page, long_run)
    page.keyboard.press(".")
    expect(page.locator(".t-row[aria-selected=true] .mark")).to_have_attribute("aria-label", "error")
    page.check("[data-only-errors]")
    shown = int(page.get_by_role("treegrid").get_attribute("aria-rowcount") or 0)
    assert 0 < shown < 1_000


def test_idle_time_is_folded_and_said(open_context: Open) -> None:
    reader = FakeReader()
    columns = {"run": reader.runs()["runs"][0], "columns": big_columns(60, idle_s=86_400)}
    reader.skeleton = lambda prefix: columns  # type: ignore[method-assign]
    page = open_context(height=2_000).page()
    with serving(reader) as served:
        open_run(page, served)
        assert "idle 1 d 0 h, folded" in page.inner_text("[data-axis]")
        lefts = page.locator(".t-bar").evaluate_all(LEFTS)
    # a day of nothing takes no more room than its fold: the busy seconds on both sides stay apart
    assert lefts[1] < 0.05
    assert 0.3 < lefts[29] < 0.65
    assert lefts[-1] > 0.9


@pytest.mark.soak
def test_a_million_steps_scroll_to_the_last(open_context: Open) -> None:
    """Browsers cap an element's height: the scroll is scaled beyond, and both ends are still reached."""
    page = open_context().page()
    with serving(FakeReader(big=600_000)) as served:
        page.goto(f"{served.url}/runs/{served.reader.runs()['runs'][0]['run']}")
        page.wait_for_selector(".t-row", timeout=60_000)
        tree = page.get_by_role("treegrid")
        tree.focus()
        page.keyboard.press("End")
        expect(page.locator(".t-row[aria-selected=true]")).to_have_attribute("aria-rowindex", "600000")
        assert elements(page) < ELEMENTS
        page.keyboard.press("Home")
        expect(page.locator(".t-row[aria-selected=true]")).to_have_attribute("aria-rowindex", "1")
