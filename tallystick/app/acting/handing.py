"""Handing over: a token for the agent to whom work is passed on, narrowed by what its giver's run has read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from tallystick.app.acting.identity import Identities
from tallystick.app.acting.memory import RunMemory
from tallystick.model.chain import CALL, HANDOFF
from tallystick.model.identity import Block, Shown, right
from tallystick.model.labels import Integrity

ELSEWHERE_S: Final = 3600
_REMEMBERED: Final = 256


class HandingOver:
    """What the SDK asks when an agent passes work on. Safe to use from several threads."""

    def __init__(self, identities: Identities, memory: Callable[[str], RunMemory]) -> None:
        self._identities = identities
        self._memory = memory
        self._called: OrderedDict[tuple[str, str], Shown] = OrderedDict()
        self._lock = threading.Lock()

    def hand_over(
        self, shown: Shown | None, *, giver: str, to: str, run: str | None, rights: Sequence[str] | None = None,
        budget_nano: int | None = None, depth: int | None = None,
    ) -> Shown | None:  # fmt: skip
        """A token for ``to``; None where nobody here can make one. ``run`` is the run whose labels come along.

        Raises BadInput for rights that are none and for a token that cannot be passed on, and StoreFault.
        """
        named = None if rights is None else tuple(right(one) for one in rights)
        block = Block(to, HANDOFF, rights=named, budget_nano=budget_nano, depth=depth)
        made = self._identities.passed_on(shown, giver, block, lambda: self._labels(run))
        return made if made is None or shown is None else replace(made, run=shown.run)

    def called(self, shown: Shown, agent: str) -> Shown:
        """The token of an agent that the holder of another called in this process. Raises BadInput, and StoreFault."""
        key = (shown.text, agent)
        with self._lock:
            known = self._called.get(key)
        if known is None:
            made = self._identities.passed_on(shown, shown.holder or "", Block(agent, CALL), _nothing_read)
            assert made is not None
            known = made
            with self._lock:
                self._called[key] = known
                while len(self._called) > _REMEMBERED:
                    self._called.popitem(last=False)
        return replace(known, run=shown.run)

    def bound(self, shown: Shown, run: str) -> str:
        """The token's text for another process, where it holds in this run alone and for an hour. Raises BadInput."""
        assert self._identities.tokens is not None
        until = self._identities.clock.now() // 1_000_000_000 + ELSEWHERE_S
        return self._identities.tokens.narrow(shown.text, Block(run=run, expires=until))

    def _labels(self, run: str | None) -> tuple[Integrity, Sequence[str]]:
        if run is None:  # outside any run nobody knows what was read
            return Integrity.THIRD_PARTY, ()
        memory = self._memory(run)
        with memory.lock:
            return memory.labels.watermark, tuple(memory.labels.classes)


def _nothing_read() -> tuple[Integrity, Sequence[str]]:
    return Integrity.SYSTEM, ()  # within one run: its own labels hold for both
