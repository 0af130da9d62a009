"""A store whose folder may only be read: it is shown as it was left, and whoever would write is told why not."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_erase_everywhere import spans
from test_server_process import ROOT

from tallystick import wiring

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def bound_by_modes() -> None:
    """In a child of root: what it executes may write only what the modes of files say."""
    assert ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A store that nobody may write to."""
    home = Path(tempfile.mkdtemp())
    home.chmod(0o755)
    stores = wiring.open_stores(home / "store")
    assert not wiring.recorder(stores).record(spans(1, "ann", "look")).rejected
    wiring.attest(stores)
    wiring.stores.list_uses(wiring.stores.lister(stores))
    stores.close()
    store = home / "store"
    for path in store.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    store.chmod(0o555)
    yield store
    store.chmod(0o755)
    for path in store.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(home)


def tally(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    told = {"PYTHONPATH": str(ROOT), "HOME": str(folder.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "tallystick", *words, "--store", str(folder), "--json"], cwd=folder.parent,
        capture_output=True, text=True, check=False, env=os.environ | told,
        preexec_fn=bound_by_modes if os.geteuid() == 0 else None,
    )  # fmt: skip


def test_what_reads_reads_and_what_writes_says_why_not(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run = f"{1:032x}"
    for words in (
        ("runs", "show", run), ("agents", "ls"), ("journal", "verify"), ("doctor",),
    ):  # fmt: skip
        done = tally(folder, *words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        json.loads(done.stdout)
        assert "may only be read here" in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.stderr
    assert json.loads(tally(folder, "runs", "ls").stdout)["total"] == 1
    searched = tally(folder, "runs", "ls", "look")
    assert "is not indexed, and this store may only be read" in searched.stderr + searched.stdout
    for words in (
        ("store", "erase", "--run", run, "--because", "x"),
        ("budgets", "set", "b", "--scope", "run:*", "--limit", "1"),
    ):
        done = tally(folder, *words)
        assert done.returncode == 1, (words, done.stdout, done.stderr)
        assert "may only be read" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
