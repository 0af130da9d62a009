"""A run of fifty thousand steps out of a real store: open at once, few elements, anything in it found."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Open
from long_run import NEEDLE, NEEDLE_AT, RUN, fill, span_id, up
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

STEPS = 50_000
OPEN_MS = 1_000
ELEMENTS = 1_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = Path(tmp_path_factory.mktemp("long"))
    fill(store, STEPS)
    with up(store) as address:
        yield address


def opened(page: Page, server: str, query: str = "") -> float:
    """Milliseconds from the start of the navigation until the tree stands."""
    page.goto(f"{server}/runs/{RUN}{query}")
    page.wait_for_selector(".t-row")
    return float(page.evaluate("performance.getEntriesByName('tree-ready')[0].startTime"))


def elements(page: Page) -> int:
    return int(page.evaluate("document.querySelectorAll('*').length"))


def test_fifty_thousand_steps_open_within_a_second(server: str, open_context: Open) -> None:
    watched = open_context(width=1440, height=900)
    page = watched.page()
    opened(page, server)  # the first one also starts the browser's network and warms the server
    for _ in range(3):  # a machine that is busy with something else gets another chance
        times = [opened(page, server) for _ in range(5)]
        if statistics.median(times) < OPEN_MS:
            break
    assert statistics.median(times) < OPEN_MS, times
    expect(page.get_by_role("treegrid")).to_have_attribute("aria-rowcount", str(STEPS))
    expect(
        page.locator(".t-told").filter(has_text="record").first
    ).to_be_visible()  # what happened has come into the rows
    assert elements(page) < ELEMENTS
    watched.check(page)


def test_the_whole_answers_in_each_encoding(server: str, open_context: Open) -> None:
    page = open_context().page()
    page.goto(server)
    sizes = {}
    for encoding in ("identity", "gzip", "zstd", "zstd;q=0, gzip"):
        answer = page.request.get(f"{server}/runs/{RUN}/outline", headers={"Accept-Encoding": encoding})
        assert answer.ok
        sizes[encoding] = (answer.headers.get("content-encoding"), answer.body()[:4])
    assert sizes["identity"] == (None, b"TLO1")
    assert [sizes[one][0] for one in ("gzip", "zstd", "zstd;q=0, gzip")] == ["gzip", "zstd", "gzip"]


def test_a_string_in_a_result_is_found(server: str, open_context: Open) -> None:
    watched = open_context(width=1440, height=900)
    page = watched.page()
    opened(page, server)
    page.keyboard.press("/")
    page.keyboard.type(NEEDLE)
    page.keyboard.press("Enter")
    row = page.locator(".t-row[aria-selected=true]")
    expect(row.locator("mark")).to_have_text(NEEDLE, timeout=30_000)
    expect(page.locator("[data-found]")).to_have_text("1 of 50,000")
    assert f"step={span_id(NEEDLE_AT)}" in page.url
    expect(page.locator("[data-panel]")).to_contain_text(NEEDLE)
    assert elements(page) < ELEMENTS
    watched.check(page)
