"""The process of the crash scene: the ordinary desk with one ticket. It prints its run's id as soon as it has one.

python -m tallystick.demo.child STORE MODEL_URL ORDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import tallystick
from tallystick.demo.desk import Desk, answer
from tallystick.demo.stage import DESK


def main(store: str, model_url: str, order: str) -> None:
    """Answer one ticket about an order, recording into the store."""
    folder = Path(store) / DESK
    tallystick.init(agent="planner", store=Path(store), project=folder)
    desk = Desk(folder, model_url)
    answer(desk, f"Order {order}: the kitchen scale is broken. Please refund it.", started=_tell)


def _tell(run: str) -> None:
    sys.stdout.write(run + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:4])
