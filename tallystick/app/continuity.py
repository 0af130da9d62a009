"""Does the journal still lead on from an earlier checkpoint of it?"""

from __future__ import annotations

from tallystick.model.errors import StoreFault
from tallystick.ports import ControlStore
from tallystick.proof.merkle import root_at

_HINT = "put the journal back that belongs here, and find out who changed it"


def check_continuity(control: ControlStore, size: int, root: bytes) -> None:
    """Compare the journal with an earlier head of it (``size`` entries, Merkle root ``root``).

    Raises StoreFault when the journal has fewer entries now (``detail["lost"]`` says how many), or other ones.
    """
    now, _ = control.head()
    if now < size:
        raise StoreFault(
            f"the journal has {now} entries, and had {size} when a checkpoint of it was signed",
            hint=_HINT, size=size, lost=size - now,
        )  # fmt: skip
    if root_at(size, control.nodes) != root:
        raise StoreFault(
            f"the first {size} entries of the journal are not those that a checkpoint was signed for",
            hint=_HINT, size=size, lost=0,
        )  # fmt: skip
