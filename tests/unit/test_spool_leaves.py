"""What was delivered leaves the disk soon, so that a spool does not keep what a store was told to erase."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from sdk_kit import Remembering

from tallystick.sdk.frames import SPAN
from tallystick.sdk.shipping import Shipper
from tallystick.sdk.spool import Spool


def test_what_was_delivered_leaves_the_disk_before_its_segment_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter((0.0, 100.0, 200.0))
    clock = SimpleNamespace(monotonic=lambda: next(moments), time=lambda: 0.0, time_ns=lambda: 0)
    monkeypatch.setattr("tallystick.sdk.shipping.time", clock)
    spool = Spool(tmp_path)
    record = (SPAN, 0, bytes(15) + b"\1", bytes(7) + b"\1", None, "step", 1, 2, 1, 0, "", {}, (), (), 0)
    assert spool.append(record)
    shipper = Shipper(spool, Remembering)
    assert shipper.ship()
    assert len(spool.segments) == 1
    assert shipper.ship()
    assert spool.segments == []
    assert list(tmp_path.rglob("*.seg")) == []
    assert spool.append(record)  # and goes on
    assert len(spool.segments) == 1
    spool.close()
