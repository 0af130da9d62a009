"""Identity: what the token of an agent says, block by block, and what holds after all of its blocks.

An agent's token is a chain of blocks. The first is signed with the store's key; whoever holds the token may append
another, which can only take away. What holds is what every block leaves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from tallystick.model.chain import HANDOFF, Link
from tallystick.model.errors import BadInput
from tallystick.model.labels import Integrity
from tallystick.model.step import Effect

AGENT_TOKEN_PREFIX: Final = "tallyagent_"  # what redaction recognises a token by
VARIABLE: Final = "TALLYSTICK_AGENT_TOKEN"  # the environment variable that gives a process its token
MOST_BLOCKS: Final = 33  # of a token: the first, and those that narrow it
DEPTH: Final = 5  # how often a token may be passed on, where nobody says otherwise
DEEPEST: Final = MOST_BLOCKS - 1
LONGEST_NAME: Final = 256
_RIGHT: Final = re.compile(r"tool:\S(?:.*\S)?|effect:(?:none|read|write|irreversible)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """What one block says; None says nothing, and leaves what was.

    ``agent``: to whom it passes the token on, ``via`` how; the first block always has both. ``rights`` are "tool:NAME"
    or "effect:EFFECT", ``without`` those that are lost, ``classes`` of data. ``budget_nano`` is nano-dollars, ``depth``
    how often it may be passed on after this, ``issued`` and ``expires`` seconds since the epoch. ``watermark`` and
    ``seen`` are what whoever passed it on had read.
    """

    agent: str | None = None
    via: str | None = None
    on_behalf: str | None = None
    version: str | None = None
    run: str | None = None
    rights: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    budget_nano: int | None = None
    depth: int | None = None
    issued: int | None = None
    expires: int | None = None
    watermark: Integrity | None = None
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows after all of its blocks.

    A call must be covered by every set in ``rights`` and by none of ``without``; ``classes`` None: all. ``budgets`` are
    the scope and the limit of every block that has one. ``ids`` are the revocation ids of the blocks, ``key`` the
    number of the key that signed the first.
    """

    agent: str
    chain: tuple[Link, ...]
    version: str | None
    runs: frozenset[str]
    rights: tuple[frozenset[str], ...]
    without: frozenset[str]
    classes: frozenset[str] | None
    budgets: tuple[tuple[str, int], ...]
    depth: int
    issued: int
    expires: int
    watermark: Integrity
    seen: tuple[str, ...]
    ids: tuple[str, ...]
    key: int

    @property
    def handed_over(self) -> bool:
        """Whether one agent passed it on to another."""
        return any(via == HANDOFF for _, via in self.chain)


@dataclass(frozen=True, slots=True)
class Shown:
    """A token as it comes with a call. ``text`` is a secret. ``run`` is the run that the call says it belongs to.

    ``own``: this process made it, or passed it on within itself. ``holder`` is the agent whom it was passed on to,
    ``giver`` the agent who did that.
    """

    text: str = field(repr=False)
    run: str | None = None
    own: bool = False
    holder: str | None = None
    giver: str | None = None


def right(text: str) -> str:
    """A right as it is written down. Raises BadInput for what is none."""
    if not isinstance(text, str) or len(text) > LONGEST_NAME or not _RIGHT.fullmatch(text):
        raise BadInput(
            f"{str(text)[:80]!r} is no right", hint="tool:NAME, or effect:none, read, write or irreversible"
        )
    return text


def rights_of_call(tool: str, effect: Effect | None) -> tuple[str, ...]:
    """The rights that would each cover a call; an effect that nobody declared is covered by the tool's name alone."""
    return (f"tool:{tool}",) if effect is None else (f"tool:{tool}", f"effect:{effect.value}")


def rights_taken(tool: str, effect: Effect | None) -> tuple[str, ...]:
    """The rights whose loss forbids a call; an effect that nobody declared may be any."""
    if effect is None:
        return (f"tool:{tool}", *(f"effect:{one.value}" for one in Effect))
    return rights_of_call(tool, effect)


def revocation(identifier: str) -> str:
    """The short form of a block's revocation id (hex), as people, budgets and the journal name it."""
    return identifier[:32]
