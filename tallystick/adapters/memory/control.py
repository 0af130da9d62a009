"""The control store in memory (``ports.ControlStore``)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tallystick.adapters.checking import JournalCheck, damage
from tallystick.adapters.checkpoint_text import grown, read_checkpoint
from tallystick.adapters.effect_projections import the_effect
from tallystick.adapters.memory.control_views import MemoryViews
from tallystick.adapters.people_projections import RIGHTS_KINDS
from tallystick.adapters.projections import HEARD_KINDS, apply, forget, lapsed, the_one
from tallystick.adapters.registry_projections import check_revision
from tallystick.adapters.sealing import Sealed, no_such_text, sealed, unopened
from tallystick.govern.people import People
from tallystick.model.canonical import canonical_json
from tallystick.model.commitment import Opening
from tallystick.model.control import Approval, Budget, Deed, EffectState, Switch, Vouched
from tallystick.model.errors import Conflict, UnknownThing
from tallystick.model.journal import Draft, Entry
from tallystick.model.registry import Alias, Declared, Shown, Version
from tallystick.ports import Clock, Ids
from tallystick.proof.merkle import CompactRange, root_at, root_of


class MemoryControl:
    """The journal as a list, its views beside it. Safe to use from several threads."""

    def __init__(self, *, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = threading.RLock()
        self._journal: list[Entry] = []
        self._leaves: list[bytes] = []
        self._edge = CompactRange()
        self._counts: Counter[str] = Counter()  # entries by run
        self._views = MemoryViews(journal=self._journal)
        self._openings: dict[int, list[Opening]] = {}
        self._texts: dict[str, str] = {}
        self._checkpoints: dict[int, str] = {}
        self._revision = 0
        self._people_revision = 0
        self._erased: set[str] = set()

    def append(self, drafts: Sequence[Draft], *, expecting: int | None = None) -> tuple[Entry, ...]:
        """Write entries and their effect on the views, or nothing (see ``ports.ControlStore.append``)."""
        if not drafts:
            return ()
        with self._lock:
            check_revision(expecting, self._revision)
            at = self._clock.now()
            views = self._views.copied()
            counts: Counter[str] = Counter()
            texts: dict[str, str] = {}
            made: list[Sealed] = []
            for draft in [*lapsed(views, drafts, at), *drafts]:
                nth, seq = None, len(self._journal) + len(made) + 1
                if draft.run is not None:
                    counts[draft.run] += 1
                    nth = self._counts[draft.run] + counts[draft.run]
                one = sealed(draft, seq=seq, entry_id=self._ids.new("ent"), at=at, nth=nth)
                for digest in one.texts:
                    if digest not in self._texts and digest not in texts:
                        if digest not in draft.texts:
                            raise no_such_text(draft.kind, digest)
                        texts[digest] = draft.texts[digest]
                if draft.run in self._erased:
                    one = unopened(one)
                apply(views, one.entry, one.openings)
                made.append(one)
            self._views = views
            self._counts += counts
            self._texts.update(texts)
            for one in made:
                self._journal.append(one.entry)
                self._leaves.append(one.leaf)
                self._edge.append(one.leaf)
                self._openings[one.entry.seq] = one.openings
                if one.entry.kind == "content.erased" and one.entry.run is not None:
                    self._erased.add(one.entry.run)
                if one.entry.kind in HEARD_KINDS:
                    self._revision = one.entry.seq
                if one.entry.kind in RIGHTS_KINDS:
                    self._people_revision = one.entry.seq
            return tuple(one.entry for one in made[len(made) - len(drafts) :])

    def entries(
        self, *, after: int = 0, limit: int = 1000, kind: str | None = None, run: str | None = None,
        subject: str | None = None, actor: str | None = None, newest: bool = False,
    ) -> Sequence[Entry]:  # fmt: skip
        """Entries in order of ``seq``, or newest first."""
        with self._lock:
            found = [
                one
                for one in self._journal[after:]
                if (kind is None or _is_kind(one.kind, kind))
                and (run is None or one.run == run)
                and (subject is None or one.subject == subject)
                and (actor is None or one.actor == actor)
            ]
        return found[::-1][:limit] if newest else found[:limit]

    def head(self) -> tuple[int, bytes]:
        """The number of entries and the root over them."""
        with self._lock:
            return self._edge.size, self._edge.root()

    def nodes(self, wanted: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Hashes of complete subtrees, in the order asked for. Raises UnknownThing."""
        with self._lock:
            for level, index in wanted:
                if not 0 <= index < len(self._leaves) >> level:
                    raise UnknownThing(f"the journal has no complete subtree {level}/{index}")
            return [root_of(self._leaves[index << level : (index + 1) << level]) for level, index in wanted]

    def tile(self, level: int, index: int, width: int = 256) -> bytes:
        """Hashes of one tile. Raises UnknownThing."""
        nodes = [(8 * level, index * 256 + place) for place in range(width)]
        size, _ = self.head()
        if not 0 < width <= 256 or index < 0 or (nodes[-1][1] + 1) << nodes[-1][0] > size:
            raise UnknownThing(f"the journal has no tile {level}/{index} of {width} hashes")
        return b"".join(self.nodes(nodes))

    def openings(self, seqs: Sequence[int]) -> Mapping[int, Sequence[Opening]]:
        """What opens the commitments of entries, by seq."""
        with self._lock:
            return {seq: list(self._openings[seq]) for seq in seqs if self._openings.get(seq)}

    def text(self, digest: str) -> str:
        """A text that an entry names by digest. Raises UnknownThing."""
        with self._lock:
            if digest not in self._texts:
                raise UnknownThing(f"the journal has no text {digest[:12]}")
            return self._texts[digest]

    def erase(self, seqs: Sequence[int]) -> Sequence[str]:
        """Erase the openings of entries; the commitments that were opened until now."""
        gone: list[str] = []
        with self._lock:
            for seq in seqs:
                before = self._openings.get(seq)
                if not before:
                    continue
                gone += [one.commitment for one in before if one.content is not None]
                self._openings[seq] = [
                    one if one.content is None else Opening(one.commitment, None, None, "erased")
                    for one in before
                ]
                forget(self._views, self._journal[seq - 1], self._openings[seq])
        return gone

    def wipe(self) -> bool:
        """Nothing: no file holds what was erased."""
        return True

    def add_checkpoint(self, size: int, note: str) -> None:
        """Keep a signed checkpoint, or the signatures it did not have (see ``ports.ControlStore``)."""
        given = read_checkpoint(note)
        with self._lock:
            if given.size != size or size > self._edge.size or root_at(size, self.nodes) != given.root:
                raise Conflict(f"this is no checkpoint of the first {size} entries of the journal", size=size)
            known = self._checkpoints.get(size)
            self._checkpoints[size] = note if known is None else grown(known, note)

    def checkpoints(self, *, limit: int = 50) -> Sequence[tuple[int, str]]:
        """Checkpoints as (size, note), newest first."""
        with self._lock:
            return sorted(self._checkpoints.items(), reverse=True)[:limit]

    def declared(self, type: str | None = None, *, retired: bool = False) -> Sequence[Declared]:
        """Declared objects by type and name; those that are retired only when asked for."""
        with self._lock:
            rows = [self._views.declared[key] for key in sorted(self._views.declared)]
        return [one for one in rows if (retired or not one.retired) and type in (None, one.type)]

    def versions(self, type: str, name: str) -> Sequence[Version]:
        """All versions of one object, newest first."""
        with self._lock:
            found = [one for one in self._views.versions.values() if (one.type, one.name) == (type, name)]
        return sorted(found, key=lambda one: -one.seq)

    def aliases(self, type: str | None = None, name: str | None = None) -> Sequence[Alias]:
        """Aliases, by type, name and alias."""
        with self._lock:
            rows = [self._views.aliases[key] for key in sorted(self._views.aliases)]
        return [one for one in rows if type in (None, one.type) and name in (None, one.name)]

    def shown(self, tool: str | None = None) -> Sequence[Shown]:
        """Definitions that tools showed, by tool, channel and time."""
        with self._lock:
            rows = [one for one in self._views.definitions.values() if tool in (None, one.tool)]
        return sorted(rows, key=lambda one: (one.tool, one.channel, one.first, one.definition))

    def registry_revision(self) -> int:
        """The number of the newest entry about the registry; 0 without any."""
        with self._lock:
            return self._revision

    def people(self) -> People:
        """All people, tokens and delegations."""
        with self._lock:
            return People(
                dict(sorted(self._views.persons.items())), dict(sorted(self._views.tokens.items())),
                [self._views.delegations[key] for key in sorted(self._views.delegations)], self._people_revision,
            )  # fmt: skip

    def people_revision(self) -> int:
        """The number of the newest entry that changed what people may do; 0 without any."""
        with self._lock:
            return self._people_revision

    def approvals(
        self, *, state: str | None = None, run: str | None = None, limit: int = 200
    ) -> Sequence[Approval]:
        """Approvals, newest first."""
        with self._lock:
            rows = sorted(self._views.approvals.values(), key=lambda one: (-one.requested, one.id))
        return [one for one in rows if state in (None, one.state) and run in (None, one.run)][:limit]

    def approval(self, approval: str) -> Approval:
        """One approval by id or unambiguous prefix."""
        with self._lock:
            if approval in self._views.approvals:
                return self._views.approvals[approval]
            found = [
                one for key, one in self._views.approvals.items() if approval and key.startswith(approval)
            ]
        return the_one(found, approval)

    def budgets(self, scope: str | None = None) -> Sequence[Budget]:
        """Budgets with what is spent and held, by scope and name."""
        with self._lock:
            rows = sorted(self._views.budgets.values(), key=lambda one: (one.scope, one.name))
        return [one for one in rows if scope in (None, one.scope)]

    def switches(self) -> Sequence[Switch]:
        """What is stopped now, by scope."""
        with self._lock:
            return [self._views.switches[scope] for scope in sorted(self._views.switches)]

    def vouched(self, after: int = 0) -> Sequence[Vouched]:
        """What people vouched for, and how long (see ``ports.ControlStore``)."""
        with self._lock:
            found = [one for one in self._views.vouched.values() if one.until > after]
            return sorted(found, key=lambda one: (one.at, one.id))

    def effects(
        self, *, unsettled: bool = False, run: str | None = None, tool: str | None = None, limit: int = 200
    ) -> Sequence[Deed]:
        """Consequential calls, newest first."""
        with self._lock:
            rows = sorted(
                self._views.effects.values(), key=lambda one: (one.started, one.effect), reverse=True
            )
        return [
            one
            for one in rows
            if run in (None, one.run)
            and tool in (None, one.tool)
            and (not unsettled or one.state in (EffectState.STARTED, EffectState.IN_DOUBT))
        ][:limit]

    def effect(self, effect: str) -> Deed:
        """One effect by id or unambiguous prefix."""
        with self._lock:
            if effect in self._views.effects:
                return self._views.effects[effect]
            found = [one for key, one in self._views.effects.items() if effect and key.startswith(effect)]
        return the_effect(found, effect)

    def stopped(self, run: str) -> Entry | None:
        """The entry that stopped a run, if one did."""
        with self._lock:
            return self._views.stopped.get(run)

    def verify(self) -> int:
        """Check everything that is kept; the number of entries."""
        with self._lock:
            check = JournalCheck(sorted(self._checkpoints.items()))
            for entry in self._journal:
                check.entry(entry, canonical_json(entry.body), self._openings.get(entry.seq, ()))
            check.end(self._texts.items())
            if check.edge.root() != self._edge.root():
                raise damage("the right edge of the journal's tree was changed")
            if self._rebuilt() != self._views:
                raise damage("a view does not show what the journal says", hint="tally store rebuild")
            return check.edge.size

    def rebuild(self) -> Mapping[str, int]:
        """Make the views anew from the journal."""
        with self._lock:
            views = self._rebuilt()
            changed = int(views != self._views)
            self._views = views
            return {**views.sizes(), "changed": changed}

    def _rebuilt(self) -> MemoryViews:
        views = MemoryViews(journal=self._journal)
        for entry in self._journal:
            apply(views, entry, self._openings.get(entry.seq, ()))
        return views

    def info(self) -> Mapping[str, Any]:
        """Facts for ``tally store info``."""
        with self._lock:
            return {"path": None, "entries": len(self._journal), **self._views.sizes()}

    def close(self) -> None:
        """Nothing is held open."""


def _is_kind(kind: str, wanted: str) -> bool:
    return kind == wanted or (wanted.endswith(".*") and kind.startswith(wanted[:-1]))
