"""Walks through the pages: by keyboard alone, by shared links, live, and without scripts."""

from __future__ import annotations

import re

import pytest
from conftest import Open
from playwright.sync_api import Page, expect
from serve_pages import Served
from web_world import make_step, refund_steps

pytestmark = pytest.mark.browser

STEPS = {step["name"]: step["step"] for step in refund_steps()}


def first_run(desk: Served) -> str:
    return str(desk.reader.runs()["runs"][0]["run"])


def chosen(page: Page) -> str:
    return page.locator(".t-row[aria-selected=true] .t-label").inner_text()


def open_run(page: Page, desk: Served, query: str = "") -> None:
    page.goto(f"{desk.url}/runs/{first_run(desk)}{query}")
    page.wait_for_selector(".t-row")


def test_a_failing_step_is_found_by_keyboard_alone(desk: Served, open_context: Open) -> None:
    watched = open_context()
    page = watched.page()
    page.goto(desk.url)
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/runs")
    page.keyboard.press("j")
    expect(page.locator("[data-go]").first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/*")
    page.wait_for_selector(".t-row")
    page.keyboard.press(".")
    assert chosen(page) == "lookup_customer"
    expect(page.locator("[data-panel] .fault")).to_have_text(
        "TimeoutError: the directory did not answer in 2 s"
    )
    page.keyboard.press(".")
    assert chosen(page) == "wire_transfer"
    page.keyboard.press(".")
    assert chosen(page) == "refund"
    page.keyboard.press(".")
    assert chosen(page) == "lookup_customer"
    watched.check(page)


def test_the_tree_is_walked_with_arrows(desk: Served, open_context: Open) -> None:
    page = open_context().page()
    open_run(page, desk)
    tree = page.get_by_role("treegrid")
    tree.focus()
    for key, name in (
        ("ArrowDown", "refunds"), ("ArrowDown", "plan"), ("End", "answer"), ("Home", "refunds"), ("ArrowRight", "plan"),
        ("ArrowLeft", "refunds"),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert chosen(page) == name, key
    assert tree.get_attribute("aria-rowcount") == "14"
    page.keyboard.press("ArrowLeft")
    assert tree.get_attribute("aria-rowcount") == "1"
    expect(page.locator(".t-row").first).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    assert tree.get_attribute("aria-rowcount") == "14"
    active = tree.get_attribute("aria-activedescendant")
    assert active is not None
    assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"


def test_search_goes_over_all_steps(desk: Served, open_context: Open) -> None:
    page = open_context().page()
    open_run(page, desk)
    page.keyboard.press("/")
    page.keyboard.type("model case")
    expect(page.locator("[data-found]")).to_have_text("2 of 14")
    page.keyboard.press("Enter")
    assert chosen(page) == "gpt-4.1-mini"
    page.keyboard.press("n")
    assert chosen(page) == "ChatCompletion"


def test_a_link_shows_what_its_sender_saw(desk: Served, open_context: Open) -> None:
    watched = open_context()
    page = watched.page()
    open_run(page, desk)
    page.locator(".t-row", has_text="lookup_order").click()
    page.fill("[data-find]", "tool")
    expect(page.locator("[data-panel] h2")).to_have_text("lookup_order")
    other = watched.page()
    other.goto(page.url)
    expect(other.locator("[data-panel] h2")).to_have_text("lookup_order")
    assert chosen(other) == "lookup_order"
    expect(other.locator("[data-find]")).to_have_value("tool")
    expect(other.locator("[data-found]")).to_have_text("4 of 14")
    assert other.url == page.url
    other.go_back()
    only = watched.page()
    only.goto(f"{page.url.partition('?')[0]}?only=trouble")
    only.wait_for_selector(".t-row")
    names = only.locator(".t-label").all_inner_texts()
    assert names == ["refunds", "case agent", "lookup_customer", "wire_transfer", "refund"]


def test_back_leads_to_the_list_that_was_left(desk: Served, open_context: Open) -> None:
    page = open_context().page()
    page.goto(f"{desk.url}/runs?q=status:running")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector(".t-row")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.go_back()
    expect(page).to_have_url(re.compile(r"/runs\?q=status:running$"))


def test_long_numbers_keep_every_digit(desk: Served, open_context: Open) -> None:
    page = open_context().page()
    open_run(page, desk, f"?step={STEPS['lookup_order']}")
    expect(page.locator("[data-panel]")).to_contain_text("9007199254740993")


def test_denied_held_and_repeated_steps_are_marked_in_words(desk: Served, open_context: Open) -> None:
    page = open_context().page()
    open_run(page, desk)
    expect(page.locator(".t-row", has_text="wire_transfer")).to_contain_text("denied")
    expect(page.locator(".t-row", has=page.get_by_text("refund", exact=True))).to_contain_text("held")
    expect(page.locator(".t-row", has_text="ChatCompletion")).to_contain_text("repeat, not counted")


def test_keys_rest_while_typing_and_can_be_switched_off(desk: Served, open_context: Open) -> None:
    page = open_context().page()
    page.goto(f"{desk.url}/runs")
    page.focus("#q")
    page.keyboard.type("gr?")
    assert page.input_value("#q") == "gr?"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("dialog#keys")).to_be_visible()
    expect(page.locator("dialog#keys tbody tr")).to_have_count(16)
    page.check("[data-keys-off]")
    page.keyboard.press("Escape")
    expect(page.locator("dialog#keys")).to_be_hidden()
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.tagName") != "A"


def test_the_theme_is_chosen_and_kept(desk: Served, open_context: Open) -> None:
    page = open_context().page()
    page.goto(desk.url)
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert light != dark
    page.goto(f"{desk.url}/cost")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark


def test_live_changes_wait_in_a_pill_and_move_nothing(own_desk: Served, open_context: Open) -> None:
    watched = open_context()
    page = watched.page()
    # Listened for before the page is opened: the stream may answer at once.
    with page.expect_response("**/events"):
        page.goto(f"{own_desk.url}/runs")
    before = page.locator("tr[data-run]").evaluate_all(
        "rows => rows.map(row => row.getBoundingClientRect().top)"
    )
    own_desk.announce("f" * 32)
    pill = page.locator("[data-live]")
    expect(pill).to_have_text("1 new · show")
    own_desk.announce(first_run(own_desk))
    expect(pill).to_have_text("1 new, 1 changed · show")
    after = page.locator("tr[data-run]").evaluate_all(
        "rows => rows.map(row => row.getBoundingClientRect().top)"
    )
    assert before == after
    watched.check(page)


def test_a_changed_run_is_read_anew_and_the_choice_stays(own_desk: Served, open_context: Open) -> None:
    page = open_context().page()
    with page.expect_response("**/events"):
        open_run(page, own_desk)
    page.keyboard.press(".")
    chosen_before = chosen(page)
    tree = page.get_by_role("treegrid")
    own_desk.reader._steps.pop()
    own_desk.announce("e" * 32)
    own_desk.announce(first_run(own_desk))
    expect(tree).to_have_attribute("aria-rowcount", "13")
    assert chosen(page) == chosen_before


def test_new_steps_appear_and_are_counted_without_moving_the_rows(
    own_desk: Served, open_context: Open
) -> None:
    page = open_context(height=520).page()
    with page.expect_response("**/events"):
        open_run(page, own_desk)
    top = page.locator(".t-row").first.inner_text()
    steps = own_desk.reader._steps
    for number in range(3):
        steps.append(make_step(20 + number, steps[0]["step"], "tool", f"late {number}", depth=1))
    own_desk.announce(first_run(own_desk))
    pill = page.locator("[data-run-live]")
    expect(pill).to_have_text("3 new steps")
    assert page.locator(".t-row").first.inner_text() == top
    pill.click()
    expect(pill).to_be_hidden()
    assert chosen(page) == "late 2"


def test_an_approval_is_given_by_keyboard_in_two_keys(own_desk: Served, open_context: Open) -> None:
    page = open_context().page()
    page.goto(f"{own_desk.url}/approvals")
    page.keyboard.press("a")
    expect(page.locator("[data-approve]")).to_be_focused()
    assert own_desk.reader.answers == []
    page.keyboard.press("Enter")
    page.wait_for_url("**/approvals/apr_0001?state=waiting")
    expect(page.locator(".evidence")).to_contain_text("approved")
    assert own_desk.reader.answers == [("apr_0001", "approved", "local", None)]


def test_everything_needed_works_without_scripts(own_desk: Served, open_context: Open) -> None:
    watched = open_context(scripts=False)
    page = watched.page()
    page.goto(f"{own_desk.url}/runs")
    page.fill("#q", "status:failed")
    page.click("text=Find")
    assert page.locator("tr[data-run]").count() == 16
    page.locator("tr[data-run] a").first.click()
    page.wait_for_url("**?plain=1")
    assert page.locator("tbody tr").count() == 14
    page.locator("tbody a", has_text="lookup_order").click()
    assert "A-1003" in page.inner_text("article.step")
    page.goto(f"{own_desk.url}/cost?by=model")
    assert "unknown" in page.inner_text("table")
    page.goto(f"{own_desk.url}/approvals")
    page.fill("#note", "photo seen")
    page.click("[data-reject]")
    assert "rejected" in page.inner_text(".evidence")
    assert own_desk.reader.answers == [("apr_0001", "rejected", "local", "photo seen")]
    assert watched.outside == []


@pytest.mark.parametrize(
    "path", ["/", "/runs", "/agents", "/tools", "/cost", "/approvals/apr_0001", "/keys", "/journal", "run"]
)
def test_a_phone_shows_pages_without_sideways_scrolling(desk: Served, open_context: Open, path: str) -> None:
    page = open_context(width=390, height=844).page()
    page.goto(desk.url + (f"/runs/{first_run(desk)}" if path == "run" else path))
    page.wait_for_timeout(150)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
