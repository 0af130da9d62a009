"""Contracts: what must hold of a tool's result, what follows where it does not, and the calls that a tool names itself.

A *difference* is one thing that does not hold; its text is for people and bounded. What came back is never quoted
in it where it may hold what nobody should read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tallystick.model.step import Effect

MOST_DIFFERENCES: Final = 8
LONGEST_DIFFERENCE: Final = 400  # characters


class OnBroken(StrEnum):
    """What follows a broken contract."""

    RECORD = "record"  # the step is failed, and the run goes on
    STOP = "stop"  # the run ends
    RETRY = "retry"  # once more, where that is safe; else the run ends
    ASK = "ask"  # a person says whether the run goes on


RETRIED: Final = ("retry", "idempotent")  # recoveries under which a call may be made again


def what_follows(on_broken: str, effect: Effect | None) -> OnBroken:
    """What follows: as declared, else ``record`` after what only reads and ``stop`` after what has an effect.

    An effect whose result is wrong has happened: going on as if it were right is how a silent failure spreads, and
    asking would hold a run that nobody watches. So it stops unless the declaration says ``ask``.
    """
    if on_broken:
        return OnBroken(on_broken)
    return OnBroken.RECORD if effect in (Effect.NONE, Effect.READ) else OnBroken.STOP


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not hold: what, and of which contract (``output``, ``returns``, a condition's name, …)."""

    contract: str
    what: str

    @staticmethod
    def of(contract: str, what: str) -> Difference:
        """A difference with its text cut."""
        text = what if len(what) <= LONGEST_DIFFERENCE else what[: LONGEST_DIFFERENCE - 1] + "…"
        return Difference(contract, text)


@dataclass(frozen=True, slots=True)
class Broken:
    """A contract that does not hold: the first one's name, everything that differs, and what follows."""

    contract: str
    differs: tuple[str, ...]
    then: OnBroken

    @property
    def text(self) -> str:
        """``NAME: what differs; what else differs``."""
        return f"{self.contract}: {'; '.join(self.differs)}"


def broken_by(found: tuple[Difference, ...], then: OnBroken) -> Broken | None:
    """The broken contract that differences make; None without any."""
    if not found:
        return None
    kept = [one.what for one in found[:MOST_DIFFERENCES]]
    if len(found) > MOST_DIFFERENCES:
        kept.append(f"and {len(found) - MOST_DIFFERENCES} more")
    return Broken(found[0].contract, tuple(kept), then)


@dataclass(frozen=True, slots=True)
class Follow:
    """A call of another tool that a declaration names: to read what became of an effect, or to take it back.

    ``arguments``: parameter of that tool -> where its value comes from: "NAME" (an argument of the first call) or
    "result.FIELD" (a field of what it returned). ``landed`` and ``absent``: fields of what a read returns, and the
    values that say that the effect landed or did not happen; what fits neither leaves it in doubt.
    """

    tool: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    landed: Mapping[str, Any] = field(default_factory=dict)
    absent: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """``{"tool", "arguments", "landed", "absent"}``, without what is empty."""
        said: dict[str, Any] = {
            "arguments": dict(self.arguments), "landed": dict(self.landed), "absent": dict(self.absent)
        }  # fmt: skip
        return {"tool": self.tool} | {name: value for name, value in said.items() if value}

    @staticmethod
    def read(plain: Any) -> Follow:
        """What ``as_json`` gave. Raises KeyError, TypeError or ValueError for anything else."""
        return Follow(
            str(plain["tool"]), {str(name): str(one) for name, one in dict(plain.get("arguments", {})).items()},
            dict(plain.get("landed", {})), dict(plain.get("absent", {})),
        )  # fmt: skip
