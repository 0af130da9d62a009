"""What holds for every test: skips may be forbidden, and soak tests run only when asked for.

With TALLYSTICK_NO_SKIPS=1 a skip is a failure. One exception: recorded runs from elsewhere (the shared data) have
their own licences and are not in a clone, so a test may skip for their absence, and only while they are absent;
its reason says "shared data" or "recorded runs".
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
# Wall-clock deadlines of single examples say more about the machine's other work than about the code.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

_DATA_IS_ABSENT = re.compile(r"shared[ _]data|recorded (runs|framework spans)", re.IGNORECASE)


@pytest.fixture(autouse=True)
def _no_tool_outlives_its_test() -> Generator[None, None, None]:
    """A process tells every guard of the tools that it declared: those of one test are not another's."""
    tools = sys.modules.get("tallystick.sdk.tools")
    before = None if tools is None else dict(tools._declared)
    yield
    tools = sys.modules.get("tallystick.sdk.tools")
    if tools is not None:
        tools._declared.clear()
        tools._declared.update(before or {})


def shared_data() -> Path:
    """Where recorded runs from elsewhere are, when they are there."""
    given = os.environ.get("TALLYSTICK_SHARED_DATA")
    return Path(given) if given else ROOT.parent / "shared" / "data"


def _forbidden(reason: str) -> bool:
    if os.environ.get("TALLYSTICK_NO_SKIPS", "") in ("", "0"):
        return False
    return shared_data().is_dir() or _DATA_IS_ABSENT.search(reason) is None


def _reason(longrepr: object) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a forbidden skip into a failure."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _forbidden(_reason(report.longrepr)):
        report.outcome = "failed"
        report.longrepr = f"skips are forbidden here: {_reason(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module that skips itself."""
    report = yield
    if report.skipped and _forbidden(_reason(report.longrepr)):
        report.outcome = "failed"
        report.longrepr = f"skips are forbidden here: {_reason(report.longrepr)}"
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Soak tests run only with ``-m soak``, or when one is named by its id."""
    if config.getoption("markexpr") or any("::" in argument for argument in config.args):
        return
    soak = [item for item in items if item.get_closest_marker("soak")]
    if soak:
        config.hook.pytest_deselected(items=soak)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]
