"""The control store in memory (``ports.ControlStore``), for tests and short-lived programs."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tallystick.adapters.journal_rules import (
    MemoryViews,
    all_budgets,
    apply,
    approval_from,
    budgets_in,
    declared_from,
    plain_body,
    replay,
)
from tallystick.adapters.sealing import check_chain, unknown_approval
from tallystick.model.control import Approval, Budget, Declared
from tallystick.model.journal import GENESIS, Draft, Entry, seal
from tallystick.ports import Clock, Ids


class MemoryControl:
    """The journal of this process and its views."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = threading.RLock()
        self._entries: list[Entry] = []
        self._views = MemoryViews()

    def append(self, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        """Write entries and their effect on the views, or nothing at all (see ``ports.ControlStore.append``)."""
        with self._lock:
            written: list[Entry] = []
            seq, previous = self.head()
            try:
                for draft in drafts:
                    seq += 1
                    entry = seal(
                        replace(draft, body=plain_body(draft.body)), seq=seq, entry_id=self._ids.new("ent"),
                        at=self._clock.now(), previous=previous,
                    )  # fmt: skip
                    apply(self._views, entry)
                    written.append(entry)
                    previous = entry.digest
            except BaseException:
                self._views.undo()
                raise
            self._views.keep()
            self._entries += written
            return tuple(written)

    def entries(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        kind: str | None = None,
        run: str | None = None,
        subject: str | None = None,
    ) -> Sequence[Entry]:
        """Entries in order of ``seq``. ``kind`` may end in ``.*``."""
        with self._lock:
            found = [
                entry for entry in self._entries
                if entry.seq > after and (run is None or entry.run == run)
                and (subject is None or entry.subject == subject)
                and (kind is None or entry.kind == kind or (kind.endswith(".*") and entry.kind.startswith(kind[:-1])))
            ]  # fmt: skip
            return found[: max(0, limit)]

    def head(self) -> tuple[int, str]:
        """The last ``seq`` and its digest; (0, GENESIS) for an empty journal."""
        with self._lock:
            return (self._entries[-1].seq, self._entries[-1].digest) if self._entries else (0, GENESIS)

    def declared(self, type: str | None = None) -> Sequence[Declared]:  # noqa: A002
        """Declared objects that are not retired, by type and name."""
        with self._lock:
            found = [
                declared_from(row) for row in self._views.rows["declared"].values() if not row["retired"]
            ]
        return sorted(
            (one for one in found if type in (None, one.type)), key=lambda one: (one.type, one.name)
        )

    def approvals(
        self, *, state: str | None = None, run: str | None = None, limit: int = 200
    ) -> Sequence[Approval]:
        """Approvals, newest first."""
        with self._lock:
            found = [
                (row["seq"], approval_from(key, row)) for key, row in self._views.rows["approvals"].items()
                if state in (None, row["state"]) and run in (None, row["run"])
            ]  # fmt: skip
        return [one for _, one in sorted(found, key=lambda pair: -pair[0])][: max(0, limit)]

    def approval(self, approval: str) -> Approval:
        """One approval by id or unambiguous prefix. Raises UnknownThing."""
        with self._lock:
            rows = self._views.rows["approvals"]
            found = (
                [approval]
                if approval in rows
                else [key for key in rows if approval and key.startswith(approval)]
            )
            if len(found) != 1:
                raise unknown_approval(approval, several=len(found) > 1)
            return approval_from(found[0], rows[found[0]])

    def budgets(self, scope: str | None = None) -> Sequence[Budget]:
        """Budgets with what is spent and held, by scope."""
        with self._lock:
            if scope is not None:
                return budgets_in(self._views, scope)
            return all_budgets(self._views.rows["budgets"].items(), self._views.rows["accounts"].values())

    def stopped(self, run: str) -> Entry | None:
        """The entry that stopped a run, if one did."""
        with self._lock:
            row = self._views.get("stopped", run)
            return None if row is None else self._entries[row["seq"] - 1]

    def verify(self) -> int:
        """Recompute the chain of digests; return the number of entries. Raises StoreFault naming the bad entry."""
        with self._lock:
            return check_chain(self._entries)

    def rebuild(self) -> Mapping[str, int]:
        """Make the views anew from the journal."""
        with self._lock:
            fresh = replay(self._entries)
            changed = sum(
                fresh.rows[view].get(key) != row
                for view, rows in self._views.rows.items() for key, row in rows.items()
            )  # fmt: skip
            changed += sum(
                len(rows.keys() - self._views.rows[view].keys()) for view, rows in fresh.rows.items()
            )
            self._views = fresh
            return {**{view: len(rows) for view, rows in fresh.rows.items()}, "changed": changed}

    def info(self) -> Mapping[str, Any]:
        """Counts; nothing is on a disk."""
        with self._lock:
            counts = {view: len(rows) for view, rows in self._views.rows.items()}
            return {"path": None, "schema": None, "entries": len(self._entries), **counts, "bytes": None}

    def close(self) -> None:
        """Nothing to release."""
