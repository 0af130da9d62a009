"""The process of the crash scene: the ordinary desk with one ticket, in a process that can be killed.

Importing the openai client takes a second or two, so the process is started when the demo begins and waits for its
ticket on standard input. It prints its run's id as soon as it has one.

    python -m tallystick.demo.child STORE        then one line: MODEL_URL ORDER
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import tallystick
from tallystick.demo.desk import Desk, answer
from tallystick.demo.project_folder import DESK


class Child:
    """The parent's handle on that process."""

    def __init__(self, store: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tallystick.demo.child", str(store)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def work(self, model_url: str, order: str) -> tuple[str, int]:
        """Hand over a ticket about an order and wait for the end: (run id, "" when it had none; exit code)."""
        out, _ = self._process.communicate(f"{model_url} {order}\n", timeout=120)
        return out.strip(), self._process.returncode

    def kill(self) -> None:
        """End it at once, as the kernel does when memory runs out: no line of its own runs any more."""
        self._process.kill()

    def close(self) -> None:
        """Make sure that nothing is left of it."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def main(store: Path, line: str) -> None:
    """Answer one ticket, recording into the store."""
    model_url, order = line.split()
    tallystick.init(agent="planner", store=store, project=store / DESK)
    desk = Desk(store / DESK, model_url)
    answer(desk, f"Order {order}: the kitchen scale is broken. Please refund it.", started=_tell)


def _tell(run: str) -> None:
    sys.stdout.write(run + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.stdin.readline())
