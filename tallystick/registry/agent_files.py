"""agents/NAME.toml: what is declared of an agent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.model.registry import Autonomy, Card, Declared, Lifecycle, version_digest
from tallystick.registry import fields
from tallystick.registry.fields import CARD_KEYS, DeclarationFile

AGENT_KEYS: Final = (
    "name", "version", *CARD_KEYS, "autonomy", "models", "tools", "prompts", "delegates", "suites", "workflow",
    "budget_usd",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AgentDeclaration:
    """What is declared of an agent. ``budget_nano`` limits what all its runs may spend together.

    None stands for what the declaration leaves out: a list left out says nothing, an empty one says "none".
    """

    name: str
    version: str | None = None
    card: Card = field(default_factory=Card)
    autonomy: Autonomy | None = None
    models: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    prompts: tuple[str, ...] | None = None
    delegates: tuple[str, ...] | None = None
    suites: tuple[str, ...] | None = None
    workflow: str | None = None
    budget_nano: int | None = None
    file: DeclarationFile | None = field(default=None, compare=False, repr=False)

    def declared(self) -> Declared:
        """The agent as a registry object; its body holds what is said and nothing else."""
        said = {
            "autonomy": None if self.autonomy is None else self.autonomy.value, "models": _listed(self.models),
            "tools": _listed(self.tools), "prompts": _listed(self.prompts), "delegates": _listed(self.delegates),
            "suites": _listed(self.suites), "workflow": self.workflow, "budget_nano_usd": self.budget_nano,
        }  # fmt: skip
        body: dict[str, Any] = {key: value for key, value in said.items() if value is not None}
        return Declared(
            "agent", self.name, version_digest("agent", self.name, self.version, body), self.version, body,
            retired=self.card.lifecycle is Lifecycle.RETIRED, card=self.card,
        )  # fmt: skip


def agent_from(file: DeclarationFile) -> AgentDeclaration:
    """Read an agent's file. Raises ConfigError with file and line."""
    fields.known_keys(file, AGENT_KEYS, "an agent")
    autonomy = fields.choice(file, "autonomy", [one.value for one in Autonomy])
    made = AgentDeclaration(
        name=fields.name_of(file),
        version=fields.label_of(file),
        card=fields.card(file),
        autonomy=None if autonomy is None else Autonomy(autonomy),
        models=fields.names(file, "models"),
        tools=fields.names(file, "tools"),
        prompts=fields.names(file, "prompts"),
        delegates=fields.names(file, "delegates"),
        suites=fields.names(file, "suites"),
        workflow=fields.one_name(file, "workflow"),
        budget_nano=fields.money(file, "budget_usd"),
        file=file,
    )
    fields.fits(file, made.declared().body)
    return made


def _listed(names: tuple[str, ...] | None) -> list[str] | None:
    return None if names is None else list(names)
