"""A store that a process has open twice stays that process's store when another process opens and closes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tallystick import wiring
from tallystick.adapters.sqlite import SqliteControl
from tallystick.model.errors import StoreFault

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import sys
from pathlib import Path
from tallystick import wiring
from tallystick.model.journal import Draft
stores = wiring.open_stores(Path(sys.argv[1]))
for line in sys.stdin:
    again = wiring.open_stores(Path(sys.argv[1]))  # as the thread that ships records does
    if line.strip() == "close":
        again.close()
    body = {"budget": "b", "scope": "run:*", "limit_nano": 1, "mode": "hard"}
    print(stores.control.append([Draft("budget.set", "b", body)])[0].seq, flush=True)
stores.close()
"""


@pytest.mark.parametrize("word", ["keep", "close"])
def test_another_process_may_come_and_go(tmp_path: Path, word: str) -> None:
    folder = tmp_path / "store"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    for number in range(1, 5):
        child.stdin.write(f"{word}\n")
        child.stdin.flush()
        assert child.stdout.readline() == f"{number}\n"
        stores = wiring.open_stores(folder, create=False)
        assert len(stores.control.entries()) == number
        stores.close()
    child.stdin.close()
    assert child.wait(30) == 0
    child.stdout.close()


def test_a_file_that_is_no_store_is_refused_also_where_one_was_open(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    clock, ids = wiring.clock(), wiring.ids()
    SqliteControl(path, clock=clock, ids=ids).close()
    path.write_bytes(b"no store" * 100)
    for _ in range(2):
        with pytest.raises(StoreFault, match="damaged or not a Tallystick store"):
            SqliteControl(path, clock=clock, ids=ids)
    assert path.read_bytes() == b"no store" * 100
