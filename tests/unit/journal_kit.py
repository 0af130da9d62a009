"""Small journals in memory, and a keeper of their checkpoints."""

from __future__ import annotations

from pathlib import Path

from tallystick.adapters.checkpoint_log import CheckpointLog
from tallystick.adapters.exports import target_of
from tallystick.adapters.memory.control import MemoryControl
from tallystick.adapters.signer import KEY_FILE, open_signer
from tallystick.adapters.state_file import StateFile
from tallystick.app.prove.keeping import Keeper
from tallystick.model.journal import Draft
from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds


def journal(entries: int = 0, *, kind: str = "a") -> MemoryControl:
    control = MemoryControl(clock=FakeClock(), ids=CountingIds())
    grow(control, entries, kind=kind)
    return control


def grow(control: MemoryControl, entries: int, *, kind: str = "a") -> None:
    for number in range(entries):
        control.append([Draft("signin.made", f"{kind}{number}", {"how": "link", "by": kind})])


def keeper(control: MemoryControl, folder: Path, *targets: str, said: list[str]) -> Keeper:
    return Keeper(
        control, lambda: open_signer(folder / KEY_FILE), CheckpointLog(folder / "checkpoints.log"),
        StateFile(folder / "checkpoints.json"), [target_of(one) for one in targets], [], said.append,
    )  # fmt: skip
