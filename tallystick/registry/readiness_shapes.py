"""What readiness is judged from, and what it answers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

_CHANGES: Final = ("write", "irreversible")


@dataclass(frozen=True, slots=True)
class ToolFact:
    """A tool that the agent may call, itself or through delegates (``chain``, the agent first).

    ``effect`` None: nobody declared it. ``governed``: a policy is in force for whoever calls it in this chain.
    """

    name: str
    chain: tuple[str, ...] = ()
    effect: str | None = None
    classes: frozenset[str] = frozenset()
    arguments: int = 0
    authority: int = 0
    priced: bool = False
    quarantined: bool = False
    governed: bool = False

    @property
    def changes(self) -> bool:
        """Whether it can change something; what nobody declared can."""
        return self.effect is None or self.effect in _CHANGES

    @property
    def touches(self) -> bool:
        """Whether it reads or changes anything at all."""
        return self.effect != "none" or bool(self.classes)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that readiness depends on, of one version of an agent.

    ``budgets`` are the scopes with a budget that holds for it. ``differences`` are sentences on where it drifted.
    ``completeness`` is that of its newest run (None: there is none). ``evaluations`` counts runs in which one was seen.
    ``runs`` and ``evaluations`` count what senders said for whom something vouches; ``claimed`` are runs of which
    nothing else is known. ``foreign``: it runs elsewhere and is known by its card alone, so that nobody knows what it
    can do.
    """

    agent: str
    version: str | None = None
    declared: bool = False
    owner: str | None = None
    purpose: str | None = None
    autonomy: str | None = None
    tools: tuple[ToolFact, ...] = ()
    models: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    evaluations: int = 0
    runs: int = 0
    last_run: str | None = None
    completeness: str | None = None
    differences: tuple[str, ...] = ()
    budgets: tuple[str, ...] = ()
    foreign: bool = False
    claimed: int = 0
    via: str | None = None  # how its newest decision knew who it was; None: there is none, or it does not say


@dataclass(frozen=True, slots=True)
class Gap:
    """Something needed that is missing, and the command or line of a file that adds it."""

    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: whether and why it is needed, what of it is there, and what is missing."""

    layer: str
    needed: bool
    why: str
    has: tuple[str, ...] = ()
    missing: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer. ``ready``: nothing needed is missing."""

    agent: str
    version: str | None
    needed: bool
    sentence: str
    layers: tuple[Layer, ...] = field(default=())

    @property
    def ready(self) -> bool:
        """Whether nothing needed is missing."""
        return not any(layer.missing for layer in self.layers)

    @property
    def reasons(self) -> list[str]:
        """What is missing, one sentence each, for a refusal and for the journal."""
        return [f"{layer.layer}: {gap.what}" for layer in self.layers for gap in layer.missing]

    def as_json(self) -> dict[str, Any]:
        """``{"agent", "version", "needed", "sentence", "ready", "layers": [...]}``, JSON-ready."""
        return {
            "agent": self.agent, "version": self.version, "needed": self.needed, "sentence": self.sentence,
            "ready": self.ready,
            "layers": [
                {
                    "layer": layer.layer, "needed": layer.needed, "why": layer.why, "has": list(layer.has),
                    "missing": [{"what": gap.what, "fix": gap.fix} for gap in layer.missing],
                }
                for layer in self.layers
            ],
        }  # fmt: skip
