"""A control store for tests of the guard: the journal with the views and preconditions that ports.py promises.

Kept to what a test needs to see; the real adapters are held to the same words by the contract suite.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tallystick.model.control import Approval, ApprovalState, Budget, Declared
from tallystick.model.errors import Conflict, OverBudget, UnknownThing
from tallystick.model.journal import GENESIS, Draft, Entry, seal


class Clock:
    """A clock that tests move."""

    def __init__(self, at: int = 1_790_000_000_000_000_000) -> None:
        self.at = at

    def now(self) -> int:
        return self.at


class Ids:
    """Ids that count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def new(self, prefix: str) -> str:
        with self._lock:
            self._last += 1
            return f"{prefix}_{self._last:06}"


class Control:
    """The journal in a list."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.journal: list[Entry] = []
        self.transactions: list[list[str]] = []
        self.broken: Exception | None = None
        self._lock = threading.RLock()
        self._declared: dict[tuple[str, str], Declared] = {}
        self._approvals: dict[str, Approval] = {}
        self._budgets: dict[str, Budget] = {}
        self._holds: dict[str, tuple[int, list[str]]] = {}
        self._stopped: dict[str, Entry] = {}

    def append(self, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        with self._lock:
            if self.broken is not None:
                raise self.broken
            before = (
                dict(self._declared),
                dict(self._approvals),
                dict(self._budgets),
                dict(self._holds),
                dict(self._stopped),
            )
            size = len(self.journal)
            try:
                for draft in drafts:
                    previous = self.journal[-1].digest if self.journal else GENESIS
                    entry = seal(draft, seq=len(self.journal) + 1, entry_id=f"ent_{len(self.journal) + 1}",
                                 at=self.clock.now(), previous=previous)  # fmt: skip
                    getattr(self, "_" + draft.kind.replace(".", "_"), self._nothing)(entry, draft.body)
                    self.journal.append(entry)
            except Exception:
                (self._declared, self._approvals, self._budgets, self._holds, self._stopped) = before
                del self.journal[size:]
                raise
            self.transactions.append([draft.kind for draft in drafts])
            return tuple(self.journal[size:])

    def _nothing(self, entry: Entry, body: Mapping[str, Any]) -> None:
        return

    def _object_declared(self, entry: Entry, body: Mapping[str, Any]) -> None:
        key = (body["type"], body["name"])
        self._declared[key] = Declared(
            body["type"], body["name"], body["digest"], body["version"], body["body"]
        )

    def _approval_requested(self, entry: Entry, body: Mapping[str, Any]) -> None:
        self._approvals[body["approval"]] = Approval(
            body["approval"], ApprovalState.WAITING, body["decision"], body["run"], body["agent"], body["tool"],
            body["arguments"], body["binding"], body["group"], body["because"], entry.at, body["expires_ns"],
        )  # fmt: skip

    def _approval_answered(self, entry: Entry, body: Mapping[str, Any]) -> None:
        found = self._approvals[body["approval"]]
        if found.state is not ApprovalState.WAITING:
            raise Conflict(f"approval is {found.state}")
        self._approvals[found.id] = replace(
            found, state=ApprovalState(body["answer"]), answered=entry.at, by=body["by"], note=body["note"]
        )

    def _approval_expired(self, entry: Entry, body: Mapping[str, Any]) -> None:
        found = self._approvals[body["approval"]]
        if found.state is not ApprovalState.WAITING:
            raise Conflict(f"approval is {found.state}")
        self._approvals[found.id] = replace(found, state=ApprovalState.EXPIRED)

    def _approval_consumed(self, entry: Entry, body: Mapping[str, Any]) -> None:
        found = self._approvals[body["approval"]]
        if (
            found.state is not ApprovalState.APPROVED
            or found.binding != body["binding"]
            or entry.at > found.expires
        ):
            raise Conflict("the approval cannot be used")
        self._approvals[found.id] = replace(found, state=ApprovalState.CONSUMED)

    def _budget_set(self, entry: Entry, body: Mapping[str, Any]) -> None:
        known = self._budgets.get(body["budget"])
        spent, held = (known.spent_nano, known.held_nano) if known else (0, 0)
        self._budgets[body["budget"]] = Budget(
            body["budget"], body["scope"], body["limit_nano"], body["mode"], spent, held
        )

    def _hold_taken(self, entry: Entry, body: Mapping[str, Any]) -> None:
        names = []
        for scope in body["scopes"]:
            if scope.startswith("run:") and not any(one.scope == scope for one in self._budgets.values()):
                every = next((one for one in self._budgets.values() if one.scope == "run:*"), None)
                if every is not None:
                    self._budgets[scope] = Budget(scope, scope, every.limit_nano, every.mode)
            for one in list(self._budgets.values()):
                if one.scope != scope:
                    continue
                if (
                    one.mode == "hard"
                    and one.spent_nano + one.held_nano + body["amount_nano"] > one.limit_nano
                ):
                    raise OverBudget(f"{one.name} is exhausted", scope=scope, limit_nano=one.limit_nano,
                                     needed_nano=body["amount_nano"])  # fmt: skip
                self._budgets[one.name] = replace(one, held_nano=one.held_nano + body["amount_nano"])
                names.append(one.name)
        self._holds[body["hold"]] = (body["amount_nano"], names)

    def _hold_settled(self, entry: Entry, body: Mapping[str, Any]) -> None:
        if body["hold"] not in self._holds:
            raise Conflict("settled before")
        held, names = self._holds.pop(body["hold"])
        for name in names:
            one = self._budgets[name]
            self._budgets[name] = replace(
                one, held_nano=one.held_nano - held, spent_nano=one.spent_nano + body["spent_nano"]
            )

    def _run_stopped(self, entry: Entry, body: Mapping[str, Any]) -> None:
        self._stopped.setdefault(body["run"], entry)

    def entries(self, *, after: int = 0, limit: int = 1000, kind: str | None = None, run: str | None = None,
                subject: str | None = None) -> Sequence[Entry]:  # fmt: skip
        found = [one for one in self.journal if one.seq > after and (run is None or one.run == run)]
        if kind is not None:
            found = [
                one
                for one in found
                if one.kind == kind or (kind.endswith(".*") and one.kind.startswith(kind[:-1]))
            ]
        return [one for one in found if subject is None or one.subject == subject][:limit]

    def head(self) -> tuple[int, str]:
        return (self.journal[-1].seq, self.journal[-1].digest) if self.journal else (0, GENESIS)

    def declared(self, type: str | None = None) -> Sequence[Declared]:
        return [one for one in self._declared.values() if type in (None, one.type)]

    def approvals(
        self, *, state: str | None = None, run: str | None = None, limit: int = 200
    ) -> Sequence[Approval]:
        found = [
            one for one in self._approvals.values() if state in (None, one.state) and run in (None, one.run)
        ]
        return found[::-1][:limit]

    def approval(self, approval: str) -> Approval:
        found = [one for key, one in self._approvals.items() if key.startswith(approval)]
        if len(found) != 1:
            raise UnknownThing(f"no approval {approval}")
        return found[0]

    def budgets(self, scope: str | None = None) -> Sequence[Budget]:
        return [one for one in self._budgets.values() if scope in (None, one.scope)]

    def stopped(self, run: str) -> Entry | None:
        return self._stopped.get(run)

    def verify(self) -> int:
        return len(self.journal)

    def rebuild(self) -> Mapping[str, int]:
        return {"changed": 0}

    def info(self) -> Mapping[str, Any]:
        return {}

    def close(self) -> None:
        return
