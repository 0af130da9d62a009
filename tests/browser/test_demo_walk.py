"""The demo as a newcomer meets it: the command, the home page, a run, and the refund that waits for an answer."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Open
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TALLYSTICK_OTLP_PORT": "0",
        "PYTHONUNBUFFERED": "1",
    }
    store = tmp_path / "store"
    command = [sys.executable, "-m", "tallystick", "demo", "--port", "0", "--store", str(store)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, text=True
    ) as one:
        assert one.stderr is not None
        address = next(line.split()[-1] for line in one.stderr if line.strip().startswith("pages"))
        yield address, store
        one.send_signal(signal.SIGINT)
        assert one.wait(30) == 0


def refunds(store: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(store / "desk" / "orders.db") as orders:
        return orders.execute("SELECT * FROM refunds WHERE order_id = 'A-1006'").fetchall()


def run_page(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_text("Needs attention")).to_be_visible()
    page.get_by_role("link", name="Runs", exact=True).first.click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.get_by_role("link", name="where is my kettle?").first.click()
    expect(page.get_by_role("treegrid")).to_be_visible()
    expect(page.get_by_text("by loop")).to_be_visible()
    expect(page.get_by_role("row", name="denied").first).to_be_visible()
    page.keyboard.press(".")
    expect(page.get_by_text("This call was not made").first).to_be_visible()


@pytest.mark.timeout(240)
def test_a_newcomer_walks_from_the_demo_to_an_approval(demo: tuple[str, Path], open_context: Open) -> None:
    address, store = demo
    watched = open_context()
    page = watched.page()
    run_page(page, address)
    until = time.monotonic() + 60
    page.goto(f"{address}/approvals")
    while "Nothing waits" in page.content() and time.monotonic() < until:
        page.wait_for_timeout(200)
        page.reload()
    assert refunds(store) == []
    page.get_by_role("link", name="refund").first.click()
    expect(page.get_by_text("A-1006").first).to_be_visible()
    page.get_by_role("button", name="Approve this one call").click()
    expect(page.get_by_text("approved").or_(page.get_by_text("consumed")).first).to_be_visible()
    while not refunds(store) and time.monotonic() < until + 30:
        page.wait_for_timeout(100)
    assert len(refunds(store)) == 1
    watched.check(page)
