"""What a token allows: its blocks folded into one grant, and a call held against it. Pure, and it can only narrow.

Every block's word is kept: rights are sets that must all cover a call, times and depths take the smallest, watermarks
the least trusted. So no order and no number of blocks gives back what one of them took.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from tallystick.model.chain import CALL, HANDOFF, SELF_DECLARED, USER, Link
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.identity import (
    DEPTH,
    MOST_BLOCKS,
    Block,
    Grant,
    revocation,
    rights_of_call,
    rights_taken,
)
from tallystick.model.labels import Integrity, worst

SKEW_S: Final = 60  # so far ahead may the clock of whoever made a token be
LONGEST_S: Final = 30 * 86_400  # a token is short-lived


def grant_of(blocks: Sequence[Block], ids: Sequence[str], key: int) -> Grant:
    """What holds after all blocks. Raises BadInput for a chain that is not whole, too long or passed on too often."""
    if not blocks or len(blocks) != len(ids):
        raise BadInput("the token has no blocks")
    if len(blocks) > MOST_BLOCKS:
        raise BadInput(f"the token has more than {MOST_BLOCKS} blocks")
    first = blocks[0]
    if first.agent is None or first.via is None or first.expires is None or first.issued is None:
        raise BadInput("the token's first block does not say whose it is and until when")
    if not 0 < first.expires - first.issued <= LONGEST_S:
        raise BadInput("the token's time is too long")
    chain: tuple[Link, ...] = (
        (first.agent, first.via) if first.on_behalf is None else (first.on_behalf, USER),
    )
    if first.on_behalf is not None:
        chain = (*chain, (first.agent, first.via))
    grant = Grant(
        first.agent, chain, first.version, _set(first.run), _sets(first.rights), frozenset(first.without),
        None if first.classes is None else frozenset(first.classes), _budget(first, ids[0]),
        DEPTH if first.depth is None else first.depth, first.issued, first.expires,
        first.watermark or Integrity.SYSTEM, first.seen, (ids[0],), key,
    )  # fmt: skip
    for block, identifier in zip(blocks[1:], ids[1:], strict=True):
        grant = narrowed(grant, block, identifier)
    return grant


def narrowed(grant: Grant, block: Block, identifier: str) -> Grant:
    """A grant with one block more. Raises BadInput where it may not be passed on, or the block claims what only the
    first may say."""
    if block.on_behalf is not None or block.issued is not None:
        raise BadInput("only the first block says for whom and since when")
    depth, chain, agent, version = grant.depth, grant.chain, grant.agent, block.version or grant.version
    if block.agent is not None:
        if depth <= 0:
            raise BadInput("the token was passed on more often than it may be")
        if block.via not in (HANDOFF, CALL):
            raise BadInput("the token does not say how it was passed on")
        depth -= 1
        agent, version = block.agent, block.version
        chain = (*chain, (agent, block.via))
    classes = grant.classes
    if block.classes is not None:
        classes = frozenset(block.classes) if classes is None else classes & frozenset(block.classes)
    return Grant(
        agent, chain, version, grant.runs | _set(block.run), grant.rights + _sets(block.rights),
        grant.without | frozenset(block.without), classes, grant.budgets + _budget(block, identifier),
        depth if block.depth is None else min(depth, block.depth), grant.issued,
        grant.expires if block.expires is None else min(grant.expires, block.expires),
        worst((grant.watermark, block.watermark or Integrity.SYSTEM)),
        tuple(sorted({*grant.seen, *block.seen})), (*grant.ids, identifier), grant.key,
    )  # fmt: skip


def refusal(grant: Grant, agent: str, run: str | None, tool: ToolDeclaration, at: int) -> str | None:
    """Why a token does not cover a call at a time (seconds since the epoch); None: it does."""
    outside = out_of_time(grant, at)
    if outside is not None:
        return outside
    if agent != grant.agent:
        return f"the token is {grant.agent}'s, and {agent or 'nobody'} calls"
    if grant.runs and (run is None or grant.runs != {run}):
        return "the token is for another run"
    if not covers(grant, tool):
        return f"the token gives no right to {tool.name}"
    if grant.classes is not None:
        missing = sorted(set(tool.data) - grant.classes)
        if missing:
            return f"the token gives no right to data of class {', '.join(missing)}"
    return None


def out_of_time(grant: Grant, at: int) -> str | None:
    """Why a token does not hold now; ``at`` is seconds since the epoch."""
    if at >= grant.expires:
        return "the token is past its time"
    if at < grant.issued - SKEW_S:
        return "the token is of a time that has not come: the clocks differ"
    return None


def covers(grant: Grant, tool: ToolDeclaration) -> bool:
    """Whether every block leaves the right to call a tool."""
    asked = rights_of_call(tool.name, tool.effect)
    if not all(any(one in held for one in asked) for held in grant.rights):
        return False
    return not grant.without or not lost(grant.without, tool)


def lost(without: Collection[str], tool: ToolDeclaration) -> bool:
    """Whether one of these lost rights forbids a call of a tool."""
    return any(one in without for one in rights_taken(tool.name, tool.effect))


def revoked(grant: Grant, gone: Collection[str]) -> bool:
    """Whether a block of the token was revoked, or the key that signed it is retired."""
    return bool(gone) and (
        f"key:{grant.key:08x}" in gone or any(revocation(one) in gone for one in grant.ids)
    )


def self_declared(agent: str) -> tuple[Link, ...]:
    """The chain of a call without a token."""
    return ((agent, SELF_DECLARED),)


def _set(run: str | None) -> frozenset[str]:
    return frozenset() if run is None else frozenset((run,))


def _sets(rights: Iterable[str] | None) -> tuple[frozenset[str], ...]:
    return () if rights is None else (frozenset(rights),)


def _budget(block: Block, identifier: str) -> tuple[tuple[str, int], ...]:
    return () if block.budget_nano is None else ((f"token:{revocation(identifier)}", block.budget_nano),)
