"""The feed: what guards must know of a registry, and how a change of it reaches a process that is running.

A registry is the store's own, or that of the server to which records are sent. What one knows is read as a whole and
never changes afterwards; a guard sees that something changed by being given another ``Heard``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Protocol, TypeVar

import msgspec

from tallystick.app.registry.registrar import known_sources
from tallystick.model.control import Switch
from tallystick.model.errors import (
    BadInput,
    StoreFault,
    StoreFull,
    TallystickError,
    UnknownThing,
    Unreachable,
)
from tallystick.model.guarding import ToolDeclaration, joined
from tallystick.model.registry import Channel, Declared, Lifecycle, Shown, Use
from tallystick.observe.uses import with_claims
from tallystick.ports import Clock, ControlStore
from tallystick.registry.declarations import tool_of
from tallystick.registry.snapshot import Snapshot

T = TypeVar("T")

POLL_NS: Final = 500_000_000  # what is stopped stops within a second
BLIND: Final = "what agents were seen using cannot be read"
_USED: Final = ("tool", "model", "prompt", "data", "delegate")  # what a scope can ask for


@dataclass(frozen=True, slots=True)
class HeldPolicy:
    """A policy of the registry. ``scope`` is a query of the registry; None: it stands for those without a folder."""

    name: str
    digest: str
    text: str
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What guards must know of one registry.

    ``tools`` are all that were ever declared, ``retired`` the names of those that are no longer to be called.
    ``snapshot`` is what scopes are judged by; None where no policy has one. ``trouble`` says what cannot be read,
    ``switches`` are what a person stopped, ``revoked`` the ids of tokens of agents that hold no more, and "key:NUMBER"
    of keys that sign no more.
    """

    revision: int
    policies: tuple[HeldPolicy, ...] = ()
    tools: tuple[ToolDeclaration, ...] = ()
    retired: tuple[str, ...] = ()
    shown: tuple[Shown, ...] = ()
    snapshot: Snapshot | None = None
    trouble: str | None = None
    switches: tuple[Switch, ...] = ()
    revoked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """What a guard knows now: of the store's own registry first, then of the server's.

    ``trouble`` says why not everything is known that must be: until it is gone, effects are refused.
    """

    parts: tuple[Known, ...] = ()
    trouble: str | None = None
    tools: dict[str, ToolDeclaration] = field(init=False, compare=False, repr=False)
    retired: frozenset[str] = field(init=False, compare=False, repr=False)
    shown: dict[str, list[Shown]] = field(init=False, compare=False, repr=False)
    switches: dict[str, Switch] = field(init=False, compare=False, repr=False)
    revoked: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        tools: dict[str, ToolDeclaration] = {}
        for part in reversed(self.parts):  # the own store's count, and are no laxer than the server's
            for tool in part.tools:
                known = tools.get(tool.name)
                tools[tool.name] = tool if known is None else joined(tool, known)
        object.__setattr__(self, "tools", tools)
        if self.trouble is None:
            told = next((part.trouble for part in self.parts if part.trouble is not None), None)
            object.__setattr__(self, "trouble", told)
        object.__setattr__(self, "retired", frozenset(name for part in self.parts for name in part.retired))
        shown: dict[str, list[Shown]] = {}
        for part in self.parts:
            for row in part.shown:
                shown.setdefault(row.tool, []).append(row)
        object.__setattr__(self, "shown", shown)
        thrown = {one.scope: one for part in reversed(self.parts) for one in part.switches}
        object.__setattr__(self, "switches", thrown)
        object.__setattr__(self, "revoked", frozenset(one for part in self.parts for one in part.revoked))


NOTHING: Final = Heard()


class Feed(Protocol):
    """Where a guard hears what is in force. Two adapters: the control store, and a server over HTTP."""

    def heard(self) -> Heard:
        """What is known: the same object until something changed. Costs microseconds, and never waits for a network."""
        ...

    def heard_anew(self) -> Heard:
        """The same, looked up again although the last answer is fresh, where that needs no network."""
        ...


class StoreFeed:
    """The registry of a control store, asked at most twice a second, when a call comes."""

    def __init__(
        self, control: ControlStore, clock: Clock, uses: Callable[[], Sequence[Use]] | None = None, *,
        every_ns: int = POLL_NS,
    ) -> None:  # fmt: skip
        """``uses`` gives what agents were seen using (``ports.UseLog.uses``), for scopes that ask for it."""
        self._control = control
        self._clock = clock
        self._uses = uses
        self._every = every_ns
        self._lock = threading.Lock()
        self._heard: Heard | None = None
        self._asked = 0

    def heard(self) -> Heard:
        """See ``Feed``. A store that cannot be read leaves what was known; before that it raises what it raises."""
        heard = self._heard
        if heard is not None and 0 <= self._clock.now() - self._asked < self._every:
            return heard
        return self.heard_anew()

    def heard_anew(self) -> Heard:
        """See ``Feed``."""
        with self._lock:
            at = self._clock.now()
            try:
                self._look()
            except (StoreFault, StoreFull, Unreachable):
                if self._heard is None:
                    raise
            self._asked = at
            assert self._heard is not None
            return self._heard

    def _look(self) -> None:
        revision = self._control.registry_revision()  # first: what is read afterwards is this, or newer
        last = None if self._heard is None else self._heard.parts[0]
        if last is not None and last.trouble is not None and BLIND in last.trouble:
            last = None
        if last is not None and last.revision == revision:
            return
        if last is not None and not self._declared_since(last.revision):
            self._heard = Heard((_with_shown(last, revision, self._control),))
        else:
            self._heard = Heard((read_known(self._control, revision, self._uses),))

    def _declared_since(self, revision: int) -> bool:
        """Whether more changed than definitions and switches; definitions are shown often, and there may be thousands
        of tools."""
        kinds = ("object.*", "alias.*")
        return any(self._control.entries(after=revision, kind=kind, limit=1) for kind in kinds)


class JoinedFeed:
    """The own store's registry and the server's, as one."""

    def __init__(self, own: Feed, server: Feed) -> None:
        self._own = own
        self._server = server
        self._last: tuple[Heard, Heard, Heard] | None = None

    def heard(self) -> Heard:
        """See ``Feed``."""
        return self._joined(self._own.heard(), self._server.heard())

    def heard_anew(self) -> Heard:
        """See ``Feed``."""
        return self._joined(self._own.heard_anew(), self._server.heard_anew())

    def _joined(self, own: Heard, server: Heard) -> Heard:
        last = self._last
        if last is None or last[0] is not own or last[1] is not server:
            last = self._last = (
                own, server, Heard((*own.parts, *server.parts), own.trouble or server.trouble),
            )  # fmt: skip
        return last[2]


def read_known(
    control: ControlStore, revision: int, uses: Callable[[], Sequence[Use]] | None = None
) -> Known:
    """Read what guards must know. Raises what the store raises; an object that cannot be read is a ``trouble``."""
    troubles: list[str] = []
    policies = _readable(control.declared("policy"), partial(_policy, control), troubles)
    listed, sources = control.declared("tool", retired=True), known_sources(control)
    tools = _readable(listed, lambda one: tool_of(one, sources), troubles)
    shown = tuple(control.shown())
    snapshot = None
    if any(one.scope is not None for one in policies):
        seen = _seen(uses, troubles)
        snapshot = Snapshot(
            tuple(control.declared(retired=True)), tuple(control.aliases()), shown, seen,
            tuple(one.scope for one in control.budgets()),
        )  # fmt: skip
    return Known(
        revision, tuple(policies), tuple(tools), tuple(one.name for one in listed if _gone(one)),
        tuple(row for row in shown if row.channel is not Channel.TOLD), snapshot, "; ".join(troubles[-3:]) or None,
        tuple(control.switches()), revoked_in(control),
    )  # fmt: skip


def revoked_in(control: ControlStore) -> tuple[str, ...]:
    """What a journal says of tokens of agents and their keys that hold no more."""
    found: list[str] = []
    for kind, named in (("identity.revoked", "id"), ("key.retired", "number")):
        after = 0
        while page := control.entries(after=after, kind=kind):
            found += [str(one.body[named]) for one in page if one.body.get(named)]
            after = page[-1].seq
    return tuple(found)


def _seen(uses: Callable[[], Sequence[Use]] | None, troubles: list[str]) -> tuple[Use, ...]:
    """What agents were seen using: told by traces, which must not keep away what the control store says."""
    try:
        return () if uses is None else tuple(use for use in with_claims(uses()) if use.type in _USED)
    except (StoreFault, StoreFull, Unreachable) as error:
        troubles.append(f"{BLIND}: {error.message}")
        return ()


def _with_shown(known: Known, revision: int, control: ControlStore) -> Known:
    shown, switches = tuple(control.shown()), tuple(control.switches())
    snapshot = None if known.snapshot is None else replace(known.snapshot, shown=shown)
    pinned = tuple(row for row in shown if row.channel is not Channel.TOLD)
    return replace(
        known, revision=revision, shown=pinned, snapshot=snapshot, switches=switches, revoked=revoked_in(control)
    )  # fmt: skip


def _gone(one: Declared) -> bool:
    """Whether it was retired, or its card says that it is."""
    return one.retired or one.card.lifecycle is Lifecycle.RETIRED


def _readable(
    objects: Sequence[Declared], read: Callable[[Declared], T], troubles: list[str]
) -> list[T]:  # fmt: skip
    found: list[T] = []
    for one in objects:
        try:
            found.append(read(one))
        except (BadInput, UnknownThing) as error:
            troubles.append(f"{one.type} {one.name} of the registry cannot be read: {error.message}")
    return found


def _policy(control: ControlStore, one: Declared) -> HeldPolicy:
    scope, text = one.body.get("scope"), one.body.get("text")
    if not isinstance(text, str) or not isinstance(scope, str | None):
        raise BadInput("its text or its scope is missing")
    return HeldPolicy(one.name, one.digest, control.text(text), scope)


def feed_document(known: Known) -> bytes:
    """What a server tells guards, as JSON; ``known_from`` reads it."""
    return msgspec.json.encode(known)


def known_from(document: bytes) -> Known:
    """Read a server's answer. Raises BadInput for anything else."""
    try:
        return msgspec.json.decode(document, type=Known)
    except (msgspec.MsgspecError, TallystickError, RecursionError) as error:
        raise BadInput(f"this is not what a guard must know: {str(error)[:200]}") from error
