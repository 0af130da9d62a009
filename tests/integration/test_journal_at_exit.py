"""A program that simply ends: every decision it was given is in the journal, also those of reads."""

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
