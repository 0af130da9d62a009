"""The floor: what an attacker gets done although every decision about an effect is the user's alone.

Perfect information flow, exactly: a call of the attacker runs if its tool has no effect (none or read), or if it is
word for word a call that the user's own task makes (same tool, same arguments); nothing else of the attacker's runs.
All of the user's calls run. The attacker writes the answer. An attack that succeeds then cannot be told from the user's
work by looking at calls: its goal is something read or said, or is what the user wants anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

from agentdojo.functions_runtime import FunctionCall

from bench.agentdojo.suites import same_call


def permitted(call: FunctionCall, user: Sequence[FunctionCall], effects: frozenset[str]) -> bool:
    """Whether perfect information flow lets a call of the attacker run. ``effects``: tools that have one."""
    return call.function not in effects or any(same_call(call, own) for own in user)
