"""Which trace belongs to which, decided from ties (``ties.py``) alone.

Every decision depends on which ties there are, and not on the order they came in: a tie that comes late may take a
decision back. A false join is worse than a missed one, so nothing is joined where two would do:

* A request of an MCP server inside the agent's process belongs to the only root span around it. One that has none goes
  with the next request of its session, the last one with that before it.
* A model call whose history ends with an answer belongs to the call that gave this answer: to the last one before it,
  if no other call has taken it up, and if nowhere in the time before the same was answered twice without being taken
  up in between. The whole conversation up to there must be the same, and the process.
* The making of an agent belongs to where the agent is invoked next, if it was not made twice before that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from tallystick.model.tie import CREATED, GIVES, GUEST, HOST, INVOKED, TAKES, Tie

MINUTE: Final = 60_000_000_000
FOLLOWS: Final = 10 * MINUTE  # from an answer to the call that takes it up, and between requests of a session
HOSTS: Final = 60 * MINUTE  # from the start of a root span to a request inside it
INVOKES: Final = 60 * MINUTE  # from the making of an agent to its run
MOST: Final = 256  # who gave or took the same within ``FOLLOWS``; where it is more, it says nothing


class Look(Protocol):
    """How the ties of a store are looked at."""

    def near(
        self, key: int, role: int, since: int, until: int, limit: int | None = None, *, newest: bool = False
    ) -> Sequence[Tie]:
        """Ties of a key and role that begin from ``since`` to ``until``, by time and trace; at most ``limit`` of them,
        the first ones or, as ``newest``, the last ones, which then come last first."""

    def of(self, trace: str) -> Sequence[Tie]:
        """The ties of a trace, by time, role, key and end."""


def settle(fresh: Iterable[Tie], look: Look) -> dict[str, str | None]:
    """What must be decided anew because ``fresh`` ties came, which ``look`` shows already: trace -> the trace that it
    belongs to, None where it belongs to none."""
    affected: dict[str, None] = {}
    told = list(fresh)
    made = Counter(tie.key for tie in told if tie.role == CREATED)
    for tie in told:
        for other in _affected(tie, look, 2 + made[tie.key]):
            affected.setdefault(other.trace)
    return {trace: _decide(trace, look) for trace in affected}


def _affected(tie: Tie, look: Look, room: int) -> Iterable[Tie]:
    """The ties whose traces may have to be decided anew; ``room``: how many makings of an agent around it can matter,
    those that came with it and stand in between included."""
    key, role, at = tie.key, tie.role, tie.at
    if role == HOST:
        return look.near(key, GUEST, at, min(tie.until, at + HOSTS))
    if role == GUEST:
        return (tie,)
    if role in (GIVES, TAKES):
        takers = look.near(key, TAKES, at, at + FOLLOWS, MOST + 1)
        if role == GIVES and tie.until < 0:
            return takers
        gave = look.near(key, GIVES, at - FOLLOWS, at + FOLLOWS)
        return [*takers, *(one for one in gave if one.until >= 0)]
    before = look.near(key, CREATED, at - INVOKES, at, room, newest=True)
    return [*before, *look.near(key, CREATED, at, at + INVOKES, room)]


def _decide(trace: str, look: Look) -> str | None:
    own = look.of(trace)
    for tie in own:
        if tie.role == GUEST:
            return _host(tie, look) or _session(own, look)
    for tie in own:
        if tie.role == CREATED:
            return _invoked(tie, look)
    return next((giver for tie in own if tie.role == TAKES and (giver := _giver(tie, look))), None)


def _host(guest: Tie, look: Look) -> str | None:
    begun = look.near(guest.key, HOST, guest.at - HOSTS, guest.at)
    around = [host.trace for host in begun if host.until >= guest.until and host.trace != guest.trace]
    return around[0] if len(around) == 1 else None


def _session(own: Sequence[Tie], look: Look) -> str | None:
    """The next request of the session, else the one before."""
    for tie in own:
        if tie.role == GIVES and tie.until >= 0:
            for taker in look.near(tie.key, TAKES, tie.at, tie.at + FOLLOWS, MOST + 1):
                if _giver(taker, look) == tie.trace:
                    return taker.trace
    return next((giver for tie in own if tie.role == TAKES and (giver := _giver(tie, look))), None)


def _giver(taker: Tie, look: Look) -> str | None:
    """Who gave what ``taker`` takes up, where only one can have."""
    since = taker.at - FOLLOWS
    gave = look.near(taker.key, GIVES, since, taker.at, MOST + 1)
    if not gave:
        return None
    took = look.near(taker.key, TAKES, since, taker.at, MOST + 1)
    if len(gave) + len(took) > MOST:
        return None
    last: Tie | None = None
    free = False  # nobody has taken up what the last one gave
    for tie in sorted([*gave, *took], key=lambda one: (one.at, one.role, one.trace, one.until)):
        if tie.role == GIVES:
            if free:
                return None
            last, free = tie, True
        elif tie.trace == taker.trace:
            return last.trace if last is not None and free and last.trace != taker.trace else None
        elif tie.until >= 0:  # one that came to nothing is tried again
            free = False
    return None


def _invoked(made: Tie, look: Look) -> str | None:
    """Where an agent that was made is invoked next."""
    key, at = made.key, made.at
    invoked = look.near(key, INVOKED, made.until, at + INVOKES, 1)
    if not invoked or invoked[0].trace == made.trace:
        return None
    between = look.near(key, CREATED, at, invoked[0].at, 2)
    if any(one.trace != made.trace for one in between):
        return None
    earlier = look.near(key, CREATED, at - INVOKES, at, 2, newest=True)
    for one in earlier:
        if one.trace != made.trace and not look.near(key, INVOKED, one.until, at, 1):
            return None
    return invoked[0].trace
