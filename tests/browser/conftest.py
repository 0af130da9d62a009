"""A real Chromium against the pages, with the network beyond this machine cut off and violations collected."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright
from serve_pages import Served, serving
from web_fake import FakeReader

CHROMIUM = Path(os.environ.get("TALLYSTICK_CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WATCH = """
window.__violations = [];
window.__ran = 0;
document.addEventListener('securitypolicyviolation', (event) => {
  window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


@dataclass
class Watched:
    """What a context did that it must not do."""

    context: BrowserContext
    outside: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def page(self) -> Page:
        page = self.context.new_page()
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        return page

    def _dialog(self, dialog: object) -> None:
        self.dialogs.append(str(dialog))
        dialog.dismiss()  # type: ignore[attr-defined]

    def guard(self, route: Route) -> None:
        if urlsplit(route.request.url).hostname in ("127.0.0.1", "localhost"):
            route.continue_()
            return
        self.outside.append(route.request.url)
        route.abort()

    def check(self, page: Page) -> None:
        """Nothing of what was stored ran, and nothing was blocked because it tried to."""
        assert page.evaluate("window.__violations") == []
        assert page.evaluate("window.__ran") == 0
        assert self.dialogs == []
        assert self.faults == []
        assert self.outside == []


# One for each module and not for the session: while it is open, playwright keeps an event loop running in this thread,
# and tests elsewhere could not start theirs.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM} (set TALLYSTICK_CHROMIUM)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


Open = Callable[..., Watched]


@pytest.fixture
def open_context(chromium: Browser) -> Iterator[Open]:
    """Opens contexts (theme, width, scripts) that are closed after the test."""
    opened: list[BrowserContext] = []

    def make(*, dark: bool = False, width: int = 1280, height: int = 800, scripts: bool = True) -> Watched:
        context = chromium.new_context(
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": height},
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        context.set_default_timeout(15_000)
        watched = Watched(context)
        context.route("**/*", watched.guard)
        if scripts:
            context.add_init_script(WATCH)
        opened.append(context)
        return watched

    yield make
    for context in opened:
        context.close()


@pytest.fixture(scope="module")
def desk() -> Iterator[Served]:
    """The invented refund desk, shared by tests that change nothing."""
    with serving(FakeReader()) as served:
        yield served


@pytest.fixture
def own_desk() -> Iterator[Served]:
    """A refund desk of the test's own."""
    with serving(FakeReader()) as served:
        yield served
