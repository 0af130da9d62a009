"""What the guard remembers of each run in this process: its loop watch, its labels, and the calls that are out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.app.acting.act import Act
from tallystick.app.acting.watch import LoopWatch
from tallystick.cost.loops import Asked
from tallystick.govern.detectors.shipped import SHIPPED
from tallystick.govern.detectors.sign import signs_in
from tallystick.govern.labels.context import Context
from tallystick.model.contract import OnBroken
from tallystick.model.guarding import ToolDeclaration

_REMEMBERED_RUNS: Final = 1_000
_MOST_ASKING: Final = 64
_REMEMBERED_CALLS: Final = 4_096  # let through and not come back


@dataclass(frozen=True, slots=True)
class Running:
    """A call that was let through and has not come back."""

    asked: Asked
    tool: ToolDeclaration


@dataclass(frozen=True, slots=True)
class Doubt:
    """An effect in doubt whose call may safely be made again: its id, its idempotency key, the money held for it."""

    effect: str
    decision: str
    key: str | None
    hold: str | None


@dataclass(slots=True)
class RunMemory:
    """One run. Whoever reads or changes it holds ``lock``."""

    watch: LoopWatch
    labels: Context = field(default_factory=Context)
    lock: threading.Lock = field(default_factory=threading.Lock)
    running: OrderedDict[str, Running] = field(default_factory=OrderedDict)  # by decision
    asking: OrderedDict[str, Act] = field(
        default_factory=OrderedDict
    )  # whose results a person may be asked about
    doubts: dict[str, Doubt] = field(
        default_factory=dict
    )  # by the call: effects in doubt that may be repeated
    denials: int = 0
    stopped: bool = False

    def let_through(self, decision: str, act: Act) -> None:
        """A call goes out."""
        assert act.tool is not None
        assert act.loop is not None
        self.running[decision] = Running(act.loop.asked, act.tool)
        if act.facts is not None:
            self.labels.let_through(act.tool, act.arguments, act.facts)
        if act.tool.on_broken == OnBroken.ASK:
            self.asking[decision] = act
            while len(self.asking) > _MOST_ASKING:
                self.asking.popitem(last=False)
        while len(self.running) > _REMEMBERED_CALLS:
            self.running.popitem(last=False)

    def read(self, tool: ToolDeclaration, result: Any, error: str | None, step: str = "") -> None:
        """A call came back, and the model reads what it brought; an error's text is anybody's."""
        self.labels.read(tool, result, self._signs(tool, result), step)
        if error is not None:
            unknown = ToolDeclaration(tool.name)
            self.labels.read(unknown, error, self._signs(unknown, error), step)

    @staticmethod
    def _signs(tool: ToolDeclaration, result: Any) -> list[str]:
        """Detectors that speak up about what somebody else wrote; what the system itself says is not looked at."""
        if (
            tool.returns
            and all(one.integrity.trusted for one in tool.returns.values())
            and "*" in tool.returns
        ):
            return []
        return [sign.detector for sign in signs_in(result, SHIPPED)]


class Runs:
    """The runs that the guard of this process remembers, the last thousand. Safe to use from several threads."""

    def __init__(self, make: Callable[[], RunMemory]) -> None:
        self._make = make
        self._runs: OrderedDict[str, RunMemory] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, run: str) -> RunMemory | None:
        """A run that is remembered."""
        with self._lock:
            found = self._runs.get(run)
            if found is not None:
                self._runs.move_to_end(run)
            return found

    def remember(self, run: str) -> RunMemory:
        """A run, remembered from now on."""
        with self._lock:
            found = self._runs.get(run)
            if found is None:
                found = self._runs[run] = self._make()
                while len(self._runs) > _REMEMBERED_RUNS:
                    self._runs.popitem(last=False)
            return found
