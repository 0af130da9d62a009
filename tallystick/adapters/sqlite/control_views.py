"""The control plane's views as tables; see ``projections.Views``."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

import msgspec

from tallystick.adapters.projections import Hold
from tallystick.adapters.sqlite.people_views import SqlitePeopleViews
from tallystick.model.control import (
    Approval,
    ApprovalState,
    Budget,
    Deed,
    EffectState,
    Given,
    Switch,
    Vouched,
)
from tallystick.model.journal import Entry

VIEWS: Final = {  # how many columns are the key: the first ones
    "declared": 2, "version": 3, "label": 3, "alias": 3, "definition": 3, "approval": 1, "budget": 1, "hold": 1,
    "stopped": 1, "attested": 1, "switch": 1, "vouched": 1, "person": 1, "token": 1, "delegation": 1, "effect": 1,
}  # fmt: skip
APPROVAL_COLUMNS: Final = (
    "id, state, decision, run, agent, tool, arguments, binding, grp, because,"
    " requested, expires, answered, by, note, more"
)
VOUCHED_COLUMNS: Final = "id, kind, approval, tool, name, until, by, at, run, agent, value"
SWITCH_COLUMNS: Final = "scope, because, by, at, seq"
EFFECT_COLUMNS: Final = (
    "id, decision, run, agent, tool, state, started, recovery, process, key,"
    " hold, undoes, ended, settled, by, because"
)
BUDGET_COLUMNS: Final = "name, scope, limit_nano, mode, spent_nano, held_nano"
_encode = msgspec.json.Encoder(
    order="sorted"
).encode  # the same row, whatever the order in which a body was given
_MORE: Final = [field for field in fields(Approval) if field.name in (
    "quorum", "given", "apart", "asks", "rules", "facts", "editable", "edits", "groups",
)]  # fmt: skip
_HOLD_COLUMNS: Final = "id, amount_nano, scopes, expires, settled, budgets"


def approval_of(row: Sequence[Any]) -> Approval:
    """An approval from its row."""
    (name, state, decision, run, agent, tool, arguments, binding, group, because, *times, by, note, rest) = (
        row
    )
    requested, expires, answered = times
    return Approval(
        name, ApprovalState(state), decision, run, agent, tool, msgspec.json.decode(arguments), binding, group, because,
        requested, expires, answered, by, note, **_more_of(rest),
    )  # fmt: skip


def _more_of(rest: bytes) -> dict[str, Any]:
    """What most approvals have not: fields of ``Approval`` that are not at their defaults."""
    more: dict[str, Any] = msgspec.json.decode(rest)
    for name in ("apart", "rules"):
        if name in more:
            more[name] = tuple(more[name])
    if "given" in more:
        more["given"] = tuple(
            Given(one["by"], one["at"], one["note"], tuple(one.get("groups", ()))) for one in more["given"]
        )
    return more


def _more(approval: Approval) -> bytes:
    more = {field.name: getattr(approval, field.name) for field in _MORE}
    told = {field.name: more[field.name] for field in _MORE if more[field.name] != field.default}
    if "given" in told:  # without what only questions to several groups have: old rows had no such field
        told["given"] = [
            {"by": one.by, "at": one.at, "note": one.note} | ({"groups": one.groups} if one.groups else {})
            for one in approval.given
        ]
    return _encode(told)


def vouched_of(row: Sequence[Any]) -> Vouched:
    """What somebody vouched for, from its row."""
    name, kind, approval, tool, what, until, by, at, run, agent, value = row
    return Vouched(name, kind, approval, tool, what, until, by, at, run, agent, msgspec.json.decode(value))


def effect_of(row: Sequence[Any]) -> Deed:
    """An effect from its row."""
    name, decision, run, agent, tool, state, started, *rest = row
    return Deed(name, decision, run, agent, tool, EffectState(state), started, *rest)


def _hold_of(row: Sequence[Any]) -> Hold:
    scopes, budgets = tuple(msgspec.json.decode(row[2])), tuple(msgspec.json.decode(row[5]))
    return Hold(row[0], row[1], scopes, row[3], bool(row[4]), budgets)


def view_rows(connection: sqlite3.Connection, view: str) -> sqlite3.Cursor:
    """All rows of a view, in the order of its key. To be closed by who may not read it to its end."""
    key = ", ".join(str(number + 1) for number in range(VIEWS[view]))
    return connection.execute(f"SELECT * FROM {view} ORDER BY {key}")


class SqliteViews(SqlitePeopleViews):
    """Rows behind one connection, inside its transaction."""

    def __init__(self, connection: sqlite3.Connection, *, journal: bool = True) -> None:
        """``journal``: whether the journal is behind the same connection."""
        super().__init__(connection)
        self._journal = journal

    def put_approval(self, approval: Approval) -> None:
        """Add or replace one approval."""
        self._put(
            "approval",
            (
                approval.id, approval.state.value, approval.decision, approval.run, approval.agent, approval.tool,
                _encode(dict(approval.arguments)), approval.binding, approval.group, approval.because,
                approval.requested, approval.expires, approval.answered, approval.by, approval.note, _more(approval),
            ),
        )  # fmt: skip

    def get_approval(self, approval: str) -> Approval | None:
        """One approval by its whole id."""
        sql = f"SELECT {APPROVAL_COLUMNS} FROM approval WHERE id = ?"
        row = self._connection.execute(sql, (approval,)).fetchone()
        return approval_of(row) if row else None

    def put_vouched(self, vouched: Vouched) -> None:
        """Add or replace what somebody vouched for."""
        self._put(
            "vouched",
            (
                vouched.id, vouched.kind, vouched.approval, vouched.tool, vouched.name, vouched.until, vouched.by,
                vouched.at, vouched.run, vouched.agent, _encode(vouched.value),
            ),
        )  # fmt: skip

    def get_vouched(self, vouched: str) -> Vouched | None:
        """What somebody vouched for, by its id."""
        sql = f"SELECT {VOUCHED_COLUMNS} FROM vouched WHERE id = ?"
        row = self._connection.execute(sql, (vouched,)).fetchone()
        return vouched_of(row) if row else None

    def time_before(self, seq: int) -> int:
        """When the newest entry before one was written; 0 without any."""
        if not self._journal:
            return 0
        sql = "SELECT at FROM journal WHERE seq < ? ORDER BY seq DESC LIMIT 1"
        row = self._connection.execute(sql, (seq,)).fetchone()
        return int(row[0]) if row else 0

    def put_budget(self, budget: Budget) -> None:
        """Add or replace one budget by name."""
        values = (
            budget.name, budget.scope, budget.limit_nano, budget.mode, budget.spent_nano, budget.held_nano
        )  # fmt: skip
        self._put("budget", values)

    def budgets_on(self, scope: str) -> Sequence[Budget]:
        """Budgets whose scope is exactly this one, by name."""
        sql = f"SELECT {BUDGET_COLUMNS} FROM budget WHERE scope = ? ORDER BY name"
        return [Budget(*row) for row in self._connection.execute(sql, (scope,))]

    def put_hold(self, hold: Hold) -> None:
        """Add or replace one hold."""
        scopes = _encode(list(hold.scopes))
        budgets = _encode(list(hold.budgets))
        self._put("hold", (hold.id, hold.amount_nano, scopes, hold.expires, hold.settled, budgets))

    def get_hold(self, hold: str) -> Hold | None:
        """One hold by id."""
        row = self._connection.execute(f"SELECT {_HOLD_COLUMNS} FROM hold WHERE id = ?", (hold,)).fetchone()
        return _hold_of(row) if row else None

    def expired_holds(self, at: int) -> Sequence[Hold]:
        """Holds that nobody settled and whose time is up, oldest first."""
        sql = f"SELECT {_HOLD_COLUMNS} FROM hold WHERE settled = 0 AND expires <= ? ORDER BY expires, id"
        return [_hold_of(row) for row in self._connection.execute(sql, (at,))]

    def put_stopped(self, run: str, entry: Entry) -> None:
        """Remember the entry that stopped a run; the first one stays."""
        self._connection.execute("INSERT OR IGNORE INTO stopped VALUES (?, ?)", (run, entry.seq))

    def put_switch(self, switch: Switch) -> None:
        """Add or replace one switch."""
        self._put("switch", (switch.scope, switch.because, switch.by, switch.at, switch.seq))

    def get_switch(self, scope: str) -> Switch | None:
        """The switch that is thrown for a scope."""
        sql = f"SELECT {SWITCH_COLUMNS} FROM switch WHERE scope = ?"
        row = self._connection.execute(sql, (scope,)).fetchone()
        return Switch(*row) if row else None

    def drop_switch(self, scope: str) -> None:
        """Forget a switch."""
        self._connection.execute("DELETE FROM switch WHERE scope = ?", (scope,))

    def put_effect(self, deed: Deed) -> None:
        """Add or replace one effect."""
        self._put(
            "effect",
            (
                deed.effect, deed.decision, deed.run, deed.agent, deed.tool, deed.state.value, deed.started,
                deed.recovery, deed.process, deed.key, deed.hold, deed.undoes, deed.ended, deed.settled, deed.by,
                deed.because,
            ),
        )  # fmt: skip

    def get_effect(self, effect: str) -> Deed | None:
        """One effect by its whole id."""
        sql = f"SELECT {EFFECT_COLUMNS} FROM effect WHERE id = ?"
        row = self._connection.execute(sql, (effect,)).fetchone()
        return effect_of(row) if row else None

    def get_attested(self, run: str) -> int:
        """How many records of a run are in the journal."""
        row = self._connection.execute("SELECT records FROM attested WHERE run = ?", (run,)).fetchone()
        return int(row[0]) if row else 0

    def put_attested(self, run: str, count: int) -> None:
        """Remember how many records of a run are in the journal."""
        self._put("attested", (run, count))
