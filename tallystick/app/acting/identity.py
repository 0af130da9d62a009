"""Identity, the stage: whose call is it, for whom, and does the token that comes with it cover it?

A process that owns the store's files acts in its own name, and makes tokens when work is passed on. A call that comes
with a token has what the token leaves. Where tokens are not required, a call without one is only marked.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from tallystick.app.acting.feed import Heard
from tallystick.govern.identity import grant_of, lost, out_of_time, refusal, revoked, self_declared
from tallystick.govern.labels.context import Context
from tallystick.model.chain import CALL, HANDOFF, STORE, Link
from tallystick.model.control import ToolCall
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.identity import DEPTH, Block, Grant, Shown
from tallystick.model.labels import Integrity
from tallystick.ports import Clock

REVOKED: Final = "the token was revoked"
NO_TOKEN: Final = "no token says who calls"
_REMEMBERED: Final = 1_000
OWN_S: Final = 8 * 3600  # so long may work go on that was passed on within one process
_SECOND: Final = 1_000_000_000


class Unsealed(Protocol):
    """A token whose signatures are genuine."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What it says."""
        ...

    @property
    def ids(self) -> tuple[str, ...]:
        """The revocation ids of its blocks."""
        ...

    @property
    def key(self) -> int:
        """The number of the key that signed it."""
        ...


class Tokens(Protocol):
    """Makes, narrows and opens tokens (``adapters.identity_keys.IdentityKeys``)."""

    def mint(self, block: Block) -> str:
        """A new token. Raises StoreFault."""
        ...

    def narrow(self, token: str, block: Block) -> str:
        """The token with one block more. Raises BadInput."""
        ...

    def opened(self, token: str) -> Unsealed:
        """What a genuine token says. Raises BadInput."""
        ...


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """``agent`` is who this process is; ``after_third_party`` are rights that an agent to whom work was passed on loses
    once the run has read what a third party said. ``token`` is what this process was started with: it acts under it
    wherever no other is shown."""

    agent: str | None = None
    required: bool = False
    after_third_party: frozenset[str] = frozenset()
    depth: int = DEPTH
    token: Shown | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """On whose authority a call is made: the chain from the user to the agent, and why it may not be (None: it may).

    ``budgets`` are the scopes and limits of its token in nano-dollars.
    """

    chain: tuple[Link, ...]
    refused: str | None = None
    budgets: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True)
class Identities:
    """Knows tokens by their text, and passes them on. Safe to use from several threads."""

    tokens: Tokens | None
    clock: Clock
    settings: IdentitySettings = field(default_factory=IdentitySettings)
    _known: OrderedDict[str, Grant] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stands(
        self, call: ToolCall, tool: ToolDeclaration, at: int, heard: Heard, labels: Context
    ) -> Standing:
        """Whose call it is; ``at`` is nanoseconds since the epoch. What the token's givers had read comes along."""
        token = call.token or self.settings.token
        if token is None:
            return self._untold(call.agent)
        grant = self.grant(token.text)
        if isinstance(grant, str):
            return Standing(self_declared(call.agent), grant)
        if revoked(grant, heard.revoked):
            return Standing(grant.chain, REVOKED)
        labels.inherit(grant.watermark, grant.seen)
        refused = refusal(grant, call.agent, token.run or call.run, tool, at // _SECOND)
        taken = self.settings.after_third_party
        tainted = grant.handed_over and labels.watermark is Integrity.THIRD_PARTY
        if refused is None and tainted and lost(taken, tool):
            refused = f"{grant.agent} has read what a third party said, and {tool.name} is lost to it"
        return Standing(grant.chain, refused, grant.budgets)

    def _untold(self, agent: str) -> Standing:
        own = self.settings.agent
        if self.tokens is None or own is None:
            return Standing(self_declared(agent), NO_TOKEN if self.settings.required else None)
        return Standing(((own, STORE),) if agent == own else ((own, STORE), (agent, CALL)))

    def grant(self, token: str) -> Grant | str:
        """What a token allows, or why it is none. Signatures are checked once; time and revocation are not asked."""
        known = self._known.get(token)
        if known is not None:
            return known
        found = self._open(token)
        if isinstance(found, str):
            return found  # not remembered: its key may be made known yet
        with self._lock:
            self._known[token] = found
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found

    def _open(self, token: str) -> Grant | str:
        if self.tokens is None:
            return "nobody here can check a token"
        try:
            opened = self.tokens.opened(token)
            return grant_of(opened.blocks, opened.ids, opened.key)
        except BadInput as error:
            return error.message

    # -- passing on ---------------------------------------------------------------------------------------------

    def passed_on(
        self, shown: Shown | None, giver: str, block: Block, labels: Callable[[], tuple[Integrity, Sequence[str]]]
    ) -> Shown | None:  # fmt: skip
        """A token for another agent, narrowed by ``block`` and by what the giver's run has read (``labels``).

        ``shown`` None: the giver has none, and one is made where this process owns the store. None: there is nobody
        to make it. Raises BadInput for a token that cannot be passed on, and StoreFault.
        """
        if self.tokens is None:
            return None
        shown, (watermark, seen) = shown or self.settings.token, labels()
        lose: tuple[str, ...] = ()
        if watermark is Integrity.THIRD_PARTY and block.via == HANDOFF:
            lose = tuple(sorted(self.settings.after_third_party))
        block = Block(
            block.agent, block.via, None, block.version, block.run, block.rights, (*block.without, *lose),
            block.classes, block.budget_nano, block.depth, None, block.expires, watermark, tuple(sorted(seen)),
        )  # fmt: skip
        if shown is None:
            text = self._made(giver, block.run)
        elif isinstance(found := self.grant(shown.text), str):
            raise BadInput(found)
        else:
            text = shown.text
            if giver != found.agent and shown.own:  # a giver who was called, in the same process
                text = self.tokens.narrow(text, Block(giver, CALL))
        narrow = self.tokens.narrow(text, block)
        checked = self.grant(narrow)
        if isinstance(checked, str):
            raise BadInput(checked)
        return Shown(narrow, own=shown is None or shown.own, holder=block.agent, giver=giver)

    def _made(self, agent: str, run: str | None) -> str:
        assert self.tokens is not None
        own, now = self.settings.agent or agent, self.clock.now() // _SECOND
        text = self.tokens.mint(
            Block(own, STORE, run=run, depth=self.settings.depth, issued=now, expires=now + OWN_S)
        )
        return text if own == agent else self.tokens.narrow(text, Block(agent, CALL))


class Bearers:
    """Tokens that are shown to a server, held against the clock and what was revoked."""

    def __init__(self, identities: Identities, heard: Callable[[], Heard]) -> None:
        self._identities = identities
        self._heard = heard

    def holder(self, token: str) -> Grant | str:
        """What a token allows now, or why it is none."""
        grant = self._identities.grant(token)
        if isinstance(grant, str):
            return grant
        if revoked(grant, self._heard().revoked):
            return REVOKED
        return out_of_time(grant, self._identities.clock.now() // _SECOND) or grant
