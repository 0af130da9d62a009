"""The rules of tests/conftest.py, tried on tests of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
TESTS = """
import pytest
def test_fine(): pass
def test_no_browser(): pytest.skip("Chromium is absent")
def test_no_data(): pytest.skip("the shared data is absent")
@pytest.mark.xfail
def test_known(): assert False
@pytest.mark.soak
def test_long(): pass
"""


WHOLE = """
import pytest
pytest.skip("x is absent", allow_module_level=True)
"""


def _run(folder: Path, *arguments: str, **env: str) -> str:
    (folder / "tests").mkdir()
    (folder / "tests" / "conftest.py").write_text(CONFTEST.read_text("utf-8"))
    (folder / "tests" / "test_some.py").write_text(TESTS)
    (folder / "tests" / "test_whole.py").write_text(WHOLE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    soak: long\n")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("TALLYSTICK_", "PYTEST"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        env={**kept, **env, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        timeout=120,
    )
    return done.stdout.splitlines()[-1]


def test_skips_are_allowed_by_default(tmp_path: Path) -> None:
    said = _run(tmp_path)
    assert said.startswith("1 passed, 3 skipped, 1 deselected, 1 xfailed")


def test_skips_are_failures_where_they_are_forbidden(tmp_path: Path) -> None:
    said = _run(tmp_path, "--continue-on-collection-errors", TALLYSTICK_NO_SKIPS="1")
    assert said.startswith("1 failed, 1 passed, 1 skipped, 1 deselected, 1 xfailed, 1 error")


def test_absent_data_excuses_only_while_it_is_absent(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    said = _run(
        tmp_path, "tests/test_some.py", TALLYSTICK_NO_SKIPS="1", TALLYSTICK_SHARED_DATA=str(tmp_path / "data")
    )
    assert said.startswith("2 failed, 1 passed, 1 deselected, 1 xfailed")


@pytest.mark.parametrize(
    "arguments", [("-m", "soak", "tests/test_some.py"), ("tests/test_some.py::test_long",)]
)
def test_soak_runs_when_it_is_asked_for(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert _run(tmp_path, *arguments).startswith("1 passed")
