"""Take the documentation's pictures from a running server: ``python docs/make_screenshots.py URL FOLDER``.

Every page is taken in the light and the dark theme at desktop width, and in the light theme at 390 px. The
server should hold the demo's runs. Needs playwright and a Chromium (``--chromium`` or /usr/bin/chromium).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser, sync_playwright

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
VIEWS: tuple[tuple[str, int, int, str], ...] = (
    ("light", 1360, 860, "light"),
    ("dark", 1360, 860, "dark"),
    ("narrow", 390, 844, "light"),
)


def read(url: str) -> Any:
    """One of the server's JSON answers."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def pages(url: str) -> list[tuple[str, str]]:
    """Names and addresses of the pages worth a picture, with the run that has most to show."""
    runs = read(f"{url}/runs.json")["runs"]
    found = [
        (name, f"/{name}")
        for name in (
            "runs", "agents", "tools", "models", "data", "prompts", "policies", "budgets", "suites", "workflows",
            "find", "access", "unused", "quarantine", "cost", "approvals", "journal", "keys",
            "completeness",
        )
    ]  # fmt: skip
    found.append(("registry", "/reach"))
    for kind in ("agent", "tool", "data"):
        known = read(f"{url}/find.json?q=kind:{kind}")["objects"]
        if known:
            one = max(known, key=lambda thing: (thing["standing"] == "drifted", thing["runs"]))
            found.append((f"one-{kind}", f"/object?type={kind}&name={quote(one['name'], safe='')}"))
            found += [
                (f"access-{kind}", f"/access?what={quote(name, safe='')}") for name in one["classes"][:1]
            ]
    found.insert(0, ("home", "/"))
    found.append(("runs-query", "/runs?q=status:failed"))
    found.append(("error", "/runs/nosuchrun"))
    if runs:
        run = max(runs, key=lambda run: (run["denials"] + run["errors"], run["steps"]))["run"]
        steps = read(f"{url}/runs/{run}.json")["steps"]
        telling = next(
            (step for step in steps if step["kind"] == "model" and step["cost_nano_usd"]), steps[0]
        )
        found.append(("run", f"/runs/{run}?step={telling['step']}"))
        found.append(("run-plain", f"/runs/{run}?plain=1"))
        found.append(("step", f"/runs/{run}/steps/{telling['step']}"))
    if len(runs) > 1:
        found.append(("compare", f"/diff?a={runs[0]['run']}&b={runs[1]['run']}"))
    found.append(("contrast", "/contrast?a=status:failed&b=status:ok"))
    waiting = read(f"{url}/approvals.json")["approvals"]
    if waiting:
        found.append(("approval", f"/approvals/{waiting[0]['approval']}"))
    return found


def take(browser: Browser, url: str, folder: Path, only: str) -> int:
    """Take the pictures; returns how many."""
    taken = 0
    for view, width, height, scheme in VIEWS:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
        )
        page = context.new_page()
        for name, path in pages(url):
            if not re.search(only, f"{name}-{view}"):
                continue
            page.goto(url + path)
            page.wait_for_timeout(350)  # the tree and the chosen step are drawn after the page has loaded
            page.screenshot(path=str(folder / f"{name}-{view}.png"))
            taken += 1
        context.close()
    return taken


def main() -> int:
    """Read the arguments, take the pictures, say how many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="address of a running server, for example http://127.0.0.1:4777")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--only", default="", help="take only pictures whose name matches this pattern")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=arguments.chromium, args=FLAGS)
        taken = take(browser, arguments.url.rstrip("/"), arguments.folder, arguments.only)
        browser.close()
    sys.stdout.write(f"{taken} pictures in {arguments.folder}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
