"""Labels: what is known of where a value comes from, and the facts that rules read of them.

Integrity says on whose word a value stands, from the system's own to anybody's. A value that the user wrote, that the
operator configured or that a system of record issued is *trusted*; what a model wrote or a third party said is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tallystick.model.chain import UNKNOWN_DEPTH, USER, Link, chain_from
from tallystick.model.errors import BadInput


class Integrity(StrEnum):
    """On whose word a value stands; the order is that of trust."""

    SYSTEM = "system"
    OPERATOR = "operator"
    USER = "user"
    MODEL = "model"
    THIRD_PARTY = "third-party"

    @property
    def trusted(self) -> bool:
        """Whether an action may rest on it."""
        return _RANK[self] <= _RANK[Integrity.USER]


ENDORSED: Final = "a person endorsed it"  # why a value counts that somebody vouched for
_RANK: Final = {one: rank for rank, one in enumerate(Integrity)}


def worst(found: Iterable[Integrity], least: Integrity = Integrity.SYSTEM) -> Integrity:
    """The least trusted of several; ``least`` where there is none."""
    return max((least, *found), key=_RANK.__getitem__)


class Role(StrEnum):
    """What an argument is for: it says who, where, which object or how much; what is said; or what to look for."""

    AUTHORITY = "authority"
    CONTENT = "content"
    SELECTOR = "selector"


@dataclass(frozen=True, slots=True)
class Returned:
    """What is declared of a field that a tool returns.

    ``classes`` are what it holds besides the tool's own; ``names`` are the fields of the same record by which a person
    knows the object that this field identifies.
    """

    integrity: Integrity = Integrity.THIRD_PARTY
    classes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """``{"integrity", "classes", "names"}``."""
        return {"integrity": self.integrity.value, "classes": list(self.classes), "names": list(self.names)}

    @staticmethod
    def read(plain: Any) -> Returned:
        """What ``as_json`` gave. Raises KeyError, TypeError or ValueError for anything else."""
        return Returned(Integrity(plain["integrity"]), tuple(plain["classes"]), tuple(plain["names"]))


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out about one call's values, as rules read it (``context.labels``) and the journal keeps it.

    ``watermark``: the least trusted thing that the run has read. ``untrusted``: authority arguments that rest on
    nobody's word who may give it; ``authority`` is the integrity of the worst. ``asked``: the user's words ask for
    this tool. ``links``: hosts of links in what is said that no trusted value has. ``seen``: classes of data that the
    run has read; ``leaks``: those of them that this tool may not be told. ``signs``: detectors that spoke up about what
    the run has read. ``again``: the run has had the same effect already. ``why``: argument -> on whose word it stands,
    for people. ``chain``: who acts for whom, from the user to the agent; ``()`` is the agent alone, and None unknown.

    The default is the worst case.
    """

    watermark: Integrity = Integrity.THIRD_PARTY
    authority: Integrity = Integrity.THIRD_PARTY
    untrusted: tuple[str, ...] = ("*",)
    asked: bool = False
    links: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()
    again: bool = True
    why: Mapping[str, str] = field(default_factory=dict)
    chain: tuple[Link, ...] | None = None

    @property
    def trusted(self) -> bool:
        """Whether every authority argument stands on a word that may give it."""
        return not self.untrusted

    def as_json(self) -> dict[str, Any]:
        """Every field by name, as ``decision.made`` keeps it."""
        return {
            "watermark": self.watermark.value, "authority": self.authority.value, "untrusted": list(self.untrusted),
            "asked": self.asked, "links": list(self.links), "seen": list(self.seen), "leaks": list(self.leaks),
            "signs": list(self.signs), "again": self.again, "why": dict(self.why),
        }  # fmt: skip

    def for_rules(self) -> dict[str, Any]:
        """``context.labels`` of a Cedar request."""
        return {
            "watermark": self.watermark.value, "tainted": not self.watermark.trusted,
            "authority": self.authority.value, "trusted": self.trusted, "untrusted": list(self.untrusted),
            "asked": self.asked, "new_links": bool(self.links), "links": list(self.links), "seen": list(self.seen),
            "leaks": list(self.leaks), "leaking": bool(self.leaks), "signs": list(self.signs), "again": self.again,
        }  # fmt: skip

    def acting_for_rules(self, agent: str) -> dict[str, Any]:
        """``context.chain``, ``context.depth`` and ``context.on_behalf`` of a Cedar request of an agent."""
        if self.chain is None:
            return {"chain": ["*"], "depth": UNKNOWN_DEPTH, "on_behalf": ""}
        agents = [name for name, via in self.chain if via != USER] or [agent]
        behalf = next((name for name, via in self.chain if via == USER), "")
        return {"chain": sorted(set(agents)), "depth": len(agents) - 1, "on_behalf": behalf}

    @staticmethod
    def read(plain: Any, chain: Any = None) -> Facts:
        """The facts that ``as_json`` gave; ``chain`` as ``decision.made`` has it. Raises BadInput for anything else."""
        try:
            return Facts(
                Integrity(plain["watermark"]), Integrity(plain["authority"]), tuple(plain["untrusted"]),
                bool(plain["asked"]), tuple(plain["links"]), tuple(plain["seen"]), tuple(plain["leaks"]),
                tuple(plain["signs"]), bool(plain["again"]), dict(plain["why"]), chain_from(chain),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"these are no facts of a decision: {error!r}") from error


UNKNOWN: Final = Facts()
