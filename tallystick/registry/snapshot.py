"""A snapshot: all that the registry knows at one moment, from which every question about it is answered.

What stands in the bodies of versions (all fields optional where not said otherwise):

========  ==========================================================================================================
agent     models [name], tools [name], prompts [name], delegates [agent], suites [name], workflow, autonomy
          (see model.registry.Autonomy), budget_nano_usd; of one imported by its A2A card (registry/cards.py):
          text (digest of a text of the journal, the card), card (the same in short)
tool      effect (required), description, data [class], sources [data source], authority [argument],
          arguments {name: type}, price_nano_usd, recovery, server, input, output, annotations
data      classes [class], description, location
prompt    text (digest of a text of the journal), file
policy    text (digest of a text of the journal), file, scope (a query of the registry; null: every agent of the store)
suite     content (digest of the file), cases (how many), agents [name], file
model     nothing yet; workflow likewise: agents name them, and so they are declared
========  ==========================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tallystick.model.registry import Alias, Declared, Shown, Use


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both halves of the registry. ``budgets`` are the scopes that have one ("agent:refunds", "run:*").

    ``uses`` are of all that was seen, whoever said so; ``believed`` those for whose senders something vouches (None:
    all). ``seen`` names what was seen in the traces by type, without a word of what it used.
    """

    objects: tuple[Declared, ...] = ()
    aliases: tuple[Alias, ...] = ()
    shown: tuple[Shown, ...] = ()
    uses: tuple[Use, ...] = ()
    budgets: tuple[str, ...] = ()
    seen: tuple[tuple[str, str], ...] = ()
    believed: tuple[Use, ...] | None = None


def by_agent(uses: Iterable[Use]) -> Mapping[str, Sequence[Use]]:
    """Uses by the agent that was seen, in their order."""
    found: dict[str, list[Use]] = {}
    for use in uses:
        found.setdefault(use.agent, []).append(use)
    return found
