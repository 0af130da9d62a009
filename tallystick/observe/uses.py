"""Uses summed up over runs: the rules that both trace stores keep.

A run's uses replace those it had; the sums are always those of the runs' own rows. Of prompts whose text nobody
declared each agent keeps the newest ``UNKNOWN_PROMPTS``: a text that holds the hour or a customer's name is another one
in every run, and must neither fill the store nor bury what is news. Older ones go with their rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from tallystick.model.errors import BadInput
from tallystick.model.registry import CLAIMED_USE, USES, Use
from tallystick.observe.values import encodable

UNKNOWN_PROMPTS: Final = 50  # prompts of unknown text that are kept for each agent
LONGEST_NAME: Final = 256  # characters of a name or a detail

UseKey = tuple[str, str, str, str]  # agent, type, name, detail


def key_of(use: Use) -> UseKey:
    """What a use is summed up by, in the order in which uses are listed."""
    return use.agent, use.type, use.name, use.detail


def is_unknown_prompt(use: Use) -> bool:
    """Whether a use is of a prompt whose text nobody declared (its name is the SHA-256 of the text)."""
    return use.type == "prompt" and not use.detail


def newness(use: Use) -> tuple[int, str, str]:
    """The order by which the newest of several uses shows them all."""
    return use.last, use.run, use.step


def joined(one: Use, other: Use) -> Use:
    """Two uses of one key as one; the newer shows both."""
    newest = max(one, other, key=newness)
    return replace(
        newest, first=min(one.first, other.first), runs=one.runs + other.runs, steps=one.steps + other.steps,
        errors=one.errors + other.errors,
    )  # fmt: skip


def of_run(run: str, uses: Iterable[Use]) -> dict[UseKey, Use]:
    """The uses that are given for one run as a store keeps them: one for each key, of that run, bounded and clean.

    Raises BadInput for a type that is none of ``USES``.
    """
    kept: dict[UseKey, Use] = {}
    for use in uses:
        if use.type not in USES:
            raise BadInput(f"nothing is used by type {use.type[:40]!r}", hint="types: " + ", ".join(USES))
        clean = replace(
            use, agent=encodable(use.agent), name=encodable(use.name[:LONGEST_NAME]),
            detail=encodable(use.detail[:LONGEST_NAME]), run=run, runs=1, step=encodable(use.step),
        )  # fmt: skip
        held = kept.get(key_of(clean))
        kept[key_of(clean)] = clean if held is None else replace(joined(held, clean), runs=1)
    return kept


def summed(rows: Iterable[Mapping[UseKey, Use]]) -> dict[UseKey, Use]:
    """The uses of many runs as one for each key: the definition of the sums that stores keep."""
    sums: dict[UseKey, Use] = {}
    for row in rows:
        for key, use in row.items():
            sums[key] = joined(sums[key], use) if key in sums else use
    return sums


def beyond(sums: Iterable[Use]) -> list[Use]:
    """Of one agent's uses: the prompts of unknown text that are too many, oldest first."""
    unknown = sorted((use for use in sums if is_unknown_prompt(use)), key=lambda use: (use.last, use.name))
    return unknown[: max(0, len(unknown) - UNKNOWN_PROMPTS)]


def is_claimed(use: Use) -> bool:
    """Whether only senders that nothing vouches for said so."""
    return use.detail == CLAIMED_USE and use.type not in ("prompt", "definition")


def with_claims(uses: Iterable[Use]) -> list[Use]:
    """Uses with what was claimed of the same things added to them: what may have happened, whoever says so."""
    sums: dict[UseKey, Use] = {}
    for use in uses:
        one = replace(use, detail="") if is_claimed(use) else use
        held = sums.get(key_of(one))
        sums[key_of(one)] = one if held is None else joined(held, one)
    return list(sums.values())
