"""The journal's page in a browser: verification as it happens, with and without scripts, and evidence taken away."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Open
from playwright.sync_api import Page, expect
from serve_pages import Served

pytestmark = pytest.mark.browser


def lamp(page: Page, name: str, light: str, word: str) -> None:
    box = page.locator(f"[data-lamp={name}]")
    expect(box).to_have_class(f"lamp lamp-{light}")
    expect(box.locator("[data-word]")).to_have_text(word)
    assert (box.locator("use").get_attribute("href") or "").endswith(f"#lamp-{light}")


def test_verify_now_is_walked_by_keyboard_and_shows_each_step_as_it_is_done(
    own_desk: Served, open_context: Open
) -> None:
    watched = open_context()
    page = watched.page()
    page.goto(own_desk.url)
    page.keyboard.press("g")
    page.keyboard.press("j")
    page.wait_for_url("**/journal")
    lamp(page, "integrity", "off", "not checked")
    lamp(page, "completeness", "off", "not vouched for")
    own_desk.journal.go.clear()
    button = page.get_by_role("button", name="Verify now")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".check")).to_have_count(3)
    expect(button).to_be_disabled()
    lamp(page, "integrity", "off", "not checked")
    own_desk.journal.go.set()
    expect(page.locator(".check")).to_have_count(4)
    expect(page.locator("[data-verify-says]")).to_have_text("integrity: holds, completeness: not vouched for")
    lamp(page, "integrity", "on", "holds")
    lamp(page, "completeness", "off", "not vouched for")
    expect(button).to_be_enabled()
    expect(button).to_be_focused()
    expect(page.locator("[data-say]")).to_have_text("integrity: holds, completeness: not vouched for")
    watched.check(page)


def test_a_finding_turns_the_lamp_and_a_broken_answer_turns_none(
    own_desk: Served, open_context: Open
) -> None:
    watched = open_context()
    page = watched.page()
    page.goto(f"{own_desk.url}/journal")
    own_desk.journal.fault = RuntimeError("the server dies half way")
    page.get_by_role("button", name="Verify now").click()
    expect(page.locator("[data-verify-says]")).to_contain_text("stopped before the end")
    lamp(page, "integrity", "off", "not checked")
    own_desk.journal.fault = None
    own_desk.journal.steps[0] |= {"state": "finding", "detail": "<b>entry 7</b> was changed"}
    page.get_by_role("button", name="Verify now").click()
    lamp(page, "integrity", "bad", "broken")
    expect(page.locator("[data-lamp=integrity] [data-why]")).to_have_text(
        "leaves and tiles: <b>entry 7</b> was changed"
    )
    expect(page.locator(".check").first).to_contain_text("finding")
    watched.check(page)


def test_verification_works_without_scripts_and_arrives_in_parts(
    own_desk: Served, open_context: Open
) -> None:
    page = open_context(scripts=False).page()
    page.goto(f"{own_desk.url}/journal")
    own_desk.journal.go.clear()
    page.get_by_role("button", name="Verify now").click(no_wait_after=True)
    expect(page.locator(".check")).to_have_count(3)
    assert page.locator("[data-lamp]").count() == 0
    own_desk.journal.go.set()
    expect(page.locator(".check")).to_have_count(4)
    lamp(page, "integrity", "on", "holds")


def test_evidence_is_downloaded_from_the_run(desk: Served, open_context: Open, tmp_path: Path) -> None:
    watched = open_context()
    page = watched.page()
    run = desk.reader.runs()["runs"][1]["run"]
    page.goto(f"{desk.url}/runs/{run}")
    expect(page.locator(".proof")).to_contain_text("recorded in the journal, checkpoint 117")
    for name in ("Evidence", "without contents"):
        with page.expect_download() as waiting:
            page.get_by_role("link", name=name, exact=True).click()
        assert waiting.value.suggested_filename == f"run-{run[:12]}.evidence.jsonl"
        waiting.value.save_as(tmp_path / name)
        assert (tmp_path / name).read_bytes().endswith(b'{"line":"trailer"}\n')
    page.get_by_text("check it elsewhere").click()
    expect(page.locator(".proof code")).to_be_visible()
    expect(page.locator(".proof code")).to_contain_text(
        f"tally evidence {run} -o run-{run[:12]}.evidence.jsonl"
    )
    watched.check(page)
