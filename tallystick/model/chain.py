"""Who acts for whom: the chain from the user to the agent that makes a call."""

from __future__ import annotations

from typing import Any, Final

STORE: Final = "store"  # via: the process owns the store's files
TOKEN: Final = "token"  # a token that a person made
HANDOFF: Final = "handoff"  # another agent passed work on
CALL: Final = "call"  # an agent called another in its own process
SELF_DECLARED: Final = "self-declared"  # no token: the process says who it is
USER: Final = "user"  # the person at the beginning of a chain
UNKNOWN_DEPTH: Final = 1_000  # of a chain that nobody knows: longer than any that is allowed

Link = tuple[str, str]  # who, and via what


def chain_json(chain: tuple[Link, ...] | None) -> list[dict[str, str]] | None:
    """``[{"agent", "via"}]``: who acts for whom, from the user to the agent."""
    return None if chain is None else [{"agent": name, "via": via} for name, via in chain]


def chain_from(plain: Any) -> tuple[Link, ...] | None:
    """The chain that ``chain_json`` gave. Raises KeyError or TypeError for anything else."""
    return None if plain is None else tuple((str(one["agent"]), str(one["via"])) for one in plain)
