"""A subject is erased while agents write its runs: what they say meanwhile and later survives in no byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import erase_work
import pytest
from test_erase_beside import holding
from test_erase_everywhere import tally
from test_server_process import ROOT

from tallystick import wiring

MARKER = "jane-doe-4711"


def agent(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, erase_work.__file__, str(folder), MARKER], cwd=folder.parent, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def erase(folder: Path) -> dict[str, object]:
    where = ("--store", str(folder), "--json")
    return dict(tally("store", "erase", "--subject", MARKER, "--because", "request 7", *where))


def looking(folder: Path) -> None:
    """Index what runs say, as a server does beside."""
    tally("runs", "ls", "number", "--store", str(folder), "--json")


@pytest.mark.parametrize("agents", [2, pytest.param(6, marks=pytest.mark.soak)])
def test_what_is_said_of_an_erased_run_later_survives_nowhere(tmp_path: Path, agents: int) -> None:
    folder = tmp_path / "store"
    working = [agent(folder) for _ in range(agents)]
    runs = {one.stdout.readline().strip() for one in working if one.stdout is not None}
    done = erase(folder)
    looking(folder)
    for one in working:
        _, said = one.communicate(timeout=120)
        assert one.returncode == 0, said
    looking(folder)
    assert set(done["runs"]) == runs  # type: ignore[call-overload]
    assert holding(folder, MARKER) == set()
    stores = wiring.open_stores(folder)
    for run in runs:
        found = stores.traces.run(run, now=0)
        assert (found.erased, found.steps > 2 * erase_work.STEPS_AHEAD) == (True, True)
        assert stores.traces.blobs(run) == []
        assert len(stores.control.entries(run=run, kind="decision.made")) > erase_work.STEPS_AHEAD
    assert list(stores.traces.flaws()) == []
    assert stores.control.verify() == stores.control.head()[0]
    stores.close()
    tally("journal", "verify", "--store", str(folder), "--json")
