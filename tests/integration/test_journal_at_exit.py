"""A program that simply ends: every decision it was given is in the journal, also those of reads."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick import wiring

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import tallystick
tallystick.init(agent="quiet", store="store", instrument=False)

@tallystick.tool(effect="read")
def look(item):
    return 3

{body}
"""
IN_A_RUN = """
with tallystick.run(goal="count"):
    look("kettle")
    look("toaster")
"""
OUTSIDE = 'look("kettle")\nlook("toaster")\n'


@pytest.mark.parametrize("body", [IN_A_RUN, OUTSIDE], ids=["in a run", "outside"])
def test_decisions_survive_a_program_that_says_no_goodbye(tmp_path: Path, body: str) -> None:
    (tmp_path / "tallystick.toml").touch()
    (tmp_path / "program.py").write_text(PROGRAM.format(body=body), "utf-8")
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": ""}
    subprocess.run([sys.executable, "program.py"], cwd=tmp_path, env=environment, check=True, timeout=60)
    stores = wiring.open_stores(tmp_path / "store", create=False)
    size, _ = stores.control.head()
    assert [at for at, _ in stores.control.checkpoints()] == [
        size
    ]  # and the last thing it did was to sign them
    assert stores.control.entries(kind="key.created")
    decided = [entry.body["tool"] for entry in stores.control.entries(kind="decision.made")]
    stores.close()
    assert decided == ["look", "look"]


def test_a_journal_that_is_held_by_another_holds_up_no_agents_end(tmp_path: Path) -> None:
    """Steps reach the trace store, and attesting and signing are left to whoever comes next."""
    from tallystick.wiring.stores import attest, open_stores

    open_stores(tmp_path).close()
    program = (
        "import tallystick\n"
        f"tallystick.init('shop', store={str(tmp_path)!r}, instrument=False)\n"
        "with tallystick.run(goal='look'):\n    pass\n"
        "tallystick.flush()\ntallystick.shutdown()\nprint('ended')"
    )
    holding = sqlite3.connect(tmp_path / "control.db", isolation_level=None)
    holding.execute("BEGIN IMMEDIATE")
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, timeout=45, check=False,
        )  # fmt: skip
    finally:
        holding.execute("ROLLBACK")
        holding.close()
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
    assert "control.db is held by another process" in done.stderr
    stores = open_stores(tmp_path)
    attest(stores)
    assert [one.kind for one in stores.control.entries(kind="records.accepted")] == ["records.accepted"]
    stores.close()
