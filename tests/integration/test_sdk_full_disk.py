"""A real limit on what may be written: the process lives, whole records stay, the losses are known."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.sdk.adoption import read_segment

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import resource, sys
from pathlib import Path
from tallystick.sdk.frames import SPAN
from tallystick.sdk.spool import Spool
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
spool = Spool(Path(sys.argv[1]))
def record(n):
    return (SPAN, 0, n.to_bytes(16, "big"), n.to_bytes(8, "big"), None, "s", n, n, 1, 0, "",
            {"n": n, "body": "x" * 900}, (), (), 0, None, None)
written = [n for n in range(1, 201) if spool.append(record(n))]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert spool.append(record(1_000))
print(len(written), spool.lost)
spool.close()
"""


@pytest.mark.parametrize(("limit", "some"), [(100_000, True), (4_000, False)])
def test_a_segment_that_cannot_be_allocated_costs_records_and_not_the_process(
    tmp_path: Path, limit: int, some: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(limit)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written, lost = map(int, done.stdout.split())
    assert (written > 0) is some
    assert written + lost == 200
    spans = []
    for path in sorted(tmp_path.rglob("*.seg")):
        found, torn, _ = read_segment(path)
        assert torn == 0
        spans += found
    assert len(spans) == written + 1
    assert sum(span.attributes.get("tallystick.spool.lost", 0) for span in spans) == lost
