"""Erasing reaches what lies beside the tables: refused records, segments of the archive that runs came back out of."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from test_erase_everywhere import MARKER, NOW, bytes_of, spans
from test_server_process import ROOT

from tallystick import wiring
from tallystick.model.errors import UnknownThing
from tallystick.sdk.adoption import REJECTED_NAME
from tallystick.sdk.rejects import Rejects

DAY_NS = 86_400 * 10**9
KILLED = """
import os, sqlite3, sys
left = int(os.environ["KILL_AT"])
class Dying(sqlite3.Connection):
    def execute(self, sql, *rest):
        global left
        if sql.lstrip().upper().startswith(("COMMIT", "VACUUM", "PRAGMA WAL_CHECKPOINT")):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), 9)
        return super().execute(sql, *rest)
real = sqlite3.connect
sqlite3.connect = lambda *args, **how: real(*args, **{"factory": Dying, **how})
from tallystick.cli import main
main()
"""


def pieces(raw: bytes) -> Iterator[bytes]:
    """The bytes of a file, and what every zstd frame that begins in it unpacks to."""
    yield raw
    at = raw.find(b"\x28\xb5\x2f\xfd")
    while at >= 0:
        with contextlib.suppress(zstandard.ZstdError):
            yield zstandard.ZstdDecompressor().decompressobj().decompress(raw[at:])
        at = raw.find(b"\x28\xb5\x2f\xfd", at + 1)


def holding(folder: Path, marker: str = MARKER) -> set[str]:
    return {
        Path(name).name for name, raw in bytes_of(folder).items()
        if any(marker.encode() in piece for piece in pieces(raw))
    }  # fmt: skip


def filled(folder: Path) -> wiring.Stores:
    stores = wiring.open_stores(folder)
    given = [*spans(1, MARKER, MARKER), *spans(2, "else", "else")]
    assert not wiring.recorder(stores).record(given).rejected
    return stores


def test_a_run_that_came_back_out_of_the_archive_leaves_nothing_in_its_files(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    stores = filled(tmp_path / "store")
    assert stores.traces.archive(before=NOW + DAY_NS, now=NOW + 2 * DAY_NS).runs == 2
    assert "contents.parquet" in holding(tmp_path)
    late = spans(1, MARKER, MARKER)[1]
    wiring.recorder(stores).record([replace(late, span=f"{77:016x}")])  # brings the run back
    eraser = wiring.eraser(stores)
    done = eraser.erase(eraser.runs_of(MARKER, None), by="ada", because="request 7", subject=MARKER)
    assert (done.steps, done.log_emptied) == (4, True)
    assert holding(tmp_path) == set()
    assert len(stores.traces.spans(f"{2:032x}")) == 3
    assert list(stores.traces.flaws()) == []
    stores.close()


def test_what_was_refused_goes_too(tmp_path: Path) -> None:
    stores = filled(tmp_path / "store")
    refused = Rejects(tmp_path / "store" / "spool" / REJECTED_NAME)
    for run, subject in ((1, MARKER), (2, "else"), (3, MARKER)):
        refused.add(spans(run, subject, subject)[2], "no")
    eraser = wiring.eraser(stores)
    eraser.erase(eraser.runs_of(MARKER, None), by="ada", because="request 7", subject=MARKER)
    assert holding(tmp_path) == set()
    assert [trace for _, trace, _ in refused.listed()] == [f"{2:032x}"]
    stores.close()


@pytest.mark.parametrize("point", [2, 12, 16, 21])
def test_an_erasure_that_was_killed_is_finished_by_the_same_command(tmp_path: Path, point: int) -> None:
    folder = tmp_path / "store"
    filled(folder).close()
    words = ("store", "erase", "--subject", MARKER, "--because", "request 7", "--store", str(folder))
    env = os.environ | {"PYTHONPATH": str(ROOT), "KILL_AT": str(point)}
    died = subprocess.run([sys.executable, "-c", KILLED, *words], env=env, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    again = subprocess.run(
        [sys.executable, "-m", "tallystick", *words], env=env, capture_output=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert holding(folder) == set()
    stores = wiring.open_stores(folder)
    with pytest.raises(UnknownThing):
        wiring.eraser(stores).runs_of(MARKER, None)
    assert len(stores.traces.spans(f"{2:032x}")) == 3
    stores.close()
