"""The list of runs by keyboard and mouse: what the query box suggests, views that were named, two runs to compare."""

from __future__ import annotations

import re

import pytest
from conftest import Open
from playwright.sync_api import Page, expect
from serve_pages import Served

pytestmark = pytest.mark.browser


def box(page: Page, desk: Served) -> None:
    page.goto(f"{desk.url}/runs")
    page.focus("#q")


def test_fields_and_then_their_values_are_suggested(desk: Served, open_context: Open) -> None:
    watched = open_context()
    page = watched.page()
    box(page, desk)
    page.keyboard.type("stat")
    offers = page.get_by_role("listbox", name="suggestions")
    expect(offers.get_by_role("option")).to_have_text(["status:"])
    expect(page.locator("#q")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.input_value("#q") == "status:"
    page.keyboard.type("fai")
    expect(offers.get_by_role("option")).to_have_text(["failed"])
    page.keyboard.press("ArrowDown")
    active = page.locator("#q").get_attribute("aria-activedescendant")
    expect(page.locator(f"#{active}")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Tab")
    assert page.input_value("#q") == "status:failed "
    expect(offers).to_be_hidden()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"q=status%3Afailed"))
    watched.check(page)


def test_escape_puts_suggestions_away_and_keeps_what_was_typed(desk: Served, open_context: Open) -> None:
    page = open_context().page()
    box(page, desk)
    page.keyboard.type("-ag")
    offers = page.get_by_role("listbox", name="suggestions")
    expect(offers).to_be_visible()
    page.keyboard.press("Escape")
    expect(offers).to_be_hidden()
    assert page.input_value("#q") == "-ag"
    page.keyboard.press("ArrowDown")
    offers.get_by_role("option").first.click()
    assert page.input_value("#q") == "-agent:"


def test_a_bad_query_says_what_is_wrong_beside_the_box(desk: Served, open_context: Open) -> None:
    page = open_context().page()
    page.goto(f"{desk.url}/runs?q=colour:red")
    expect(page.get_by_role("alert")).to_contain_text("colour")
    expect(page.locator("#q")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#q")).to_have_value("colour:red")


def test_a_view_is_named_kept_and_forgotten(desk: Served, open_context: Open) -> None:
    watched = open_context()
    page = watched.page()
    page.goto(f"{desk.url}/runs?q=status:failed")
    page.fill("#view-name", "what <b>failed</b>")
    page.keyboard.press("Enter")
    page.goto(f"{desk.url}/runs")
    link = page.get_by_role("link", name="what <b>failed</b>")
    link.click()
    page.wait_for_url(re.compile(r"/runs\?q=status%3Afailed$"))
    expect(link).to_have_attribute("aria-current", "true")
    page.get_by_role("button", name="forget the view what <b>failed</b>").click()
    expect(link).to_have_count(0)
    page.reload()
    expect(link).to_have_count(0)
    watched.check(page)


def test_two_runs_are_picked_and_compared(desk: Served, open_context: Open) -> None:
    watched = open_context()
    page = watched.page()
    page.goto(f"{desk.url}/runs")
    compare = page.get_by_role("button", name="Compare")
    expect(compare).to_be_disabled()
    picks = page.locator("[data-pick]")
    runs = [str(picks.nth(place).get_attribute("data-pick")) for place in range(3)]
    for place in range(3):
        picks.nth(place).check()
    expect(picks.nth(0)).not_to_be_checked()  # the third took the place of the first
    compare.click()
    page.wait_for_url(f"**/diff?a={runs[1]}&b={runs[2]}")
    page.wait_for_selector(".c-row")
    watched.check(page)
