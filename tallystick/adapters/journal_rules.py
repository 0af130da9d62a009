"""What each kind of journal entry needs, and what it does to the views.

One small function a kind, used by both control stores for every entry they append and again when the views are made
anew from the journal: that is why the views can be proved true. A rule sees its entry and the views, nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from tallystick.model.control import Approval, ApprovalState, Budget, Declared
from tallystick.model.errors import BadInput, Conflict, OverBudget, StoreFault, TallystickError, UnknownThing
from tallystick.model.journal import Entry

Row = dict[str, Any]

# view -> its columns beside the key. Columns named in JSON_COLUMNS hold JSON text.
VIEWS: dict[str, tuple[str, ...]] = {
    "declared": ("type", "name", "digest", "version", "body", "retired"),
    "approvals": (
        "state", "decision", "run", "agent", "tool", "arguments", "binding", "grp", "because", "requested", "expires",
        "answered", "by", "note", "seq",
    ),
    "budgets": ("scope", "limit_nano", "mode"),
    "accounts": ("budget", "scope", "spent_nano", "held_nano"),
    "holds": ("run", "purpose", "amount_nano", "lines", "expires", "state", "spent_nano", "basis"),
    "stopped": ("seq",),
}  # fmt: skip


class Views(Protocol):
    """Rows by key, per view."""

    def get(self, view: str, key: str) -> Row | None:
        """One row, or None."""
        ...

    def put(self, view: str, key: str, row: Row) -> None:
        """Write one row, new or in the place of the old one."""
        ...

    def find(self, view: str, column: str, value: Any) -> list[Row]:
        """Rows with a value in a column, by key, each with its ``key``."""
        ...


class MemoryViews:
    """Views in dictionaries, with an undo log so that a refused batch leaves no trace."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Row]] = {view: {} for view in VIEWS}
        self._undo: list[tuple[str, str, Row | None]] = []

    def get(self, view: str, key: str) -> Row | None:
        """One row, or None."""
        row = self.rows[view].get(key)
        return None if row is None else dict(row)

    def put(self, view: str, key: str, row: Row) -> None:
        """Write one row, new or in the place of the old one."""
        self._undo.append((view, key, self.rows[view].get(key)))
        self.rows[view][key] = {column: row.get(column) for column in VIEWS[view]}

    def find(self, view: str, column: str, value: Any) -> list[Row]:
        """Rows with a value in a column, by key."""
        return [{"key": key, **row} for key, row in sorted(self.rows[view].items()) if row[column] == value]

    def keep(self) -> None:
        """Make what was put final."""
        self._undo.clear()

    def undo(self) -> None:
        """Take back what was put since the last ``keep``."""
        while self._undo:
            view, key, row = self._undo.pop()
            if row is None:
                del self.rows[view][key]
            else:
                self.rows[view][key] = row


def plain_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body as JSON gives it back, so that an entry reads the same now and later. Raises BadInput."""
    try:
        text = json.dumps(dict(body), ensure_ascii=False, allow_nan=False, default=str)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(
            f"a journal entry's body has no JSON: {error}", hint="use text, numbers, lists, mappings"
        ) from error
    value: dict[str, Any] = json.loads(text)
    return value


def apply(views: Views, entry: Entry) -> None:
    """Check what must hold before an entry and bring the views up to date. Raises what ports.ControlStore.append says."""
    rule = RULES.get(entry.kind)
    if rule is None:
        raise BadInput(f"the journal has no entry kind {entry.kind!r}", hint="kinds: " + ", ".join(RULES))
    rule(views, entry)


def replay(entries: Iterable[Entry]) -> MemoryViews:
    """The views that a journal gives. Raises StoreFault at an entry that could never have been written."""
    views = MemoryViews()
    for entry in entries:
        try:
            apply(views, entry)
        except TallystickError as error:
            raise StoreFault(
                f"journal entry {entry.seq} ({entry.kind}) could not have been written: {error.message}",
                hint="check the journal with: tally journal verify", seq=entry.seq,
            ) from error  # fmt: skip
        views.keep()
    return views


def _text(entry: Entry, name: str, *, optional: bool = False) -> Any:
    value = entry.body.get(name)
    if isinstance(value, str) or (optional and value is None):
        return value
    raise BadInput(
        f"{entry.kind} needs {name} as text", hint="see the table of kinds in model/journal.py", field=name
    )


def _number(entry: Entry, name: str, *, optional: bool = False) -> Any:
    value = entry.body.get(name)
    if optional and value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise BadInput(f"{entry.kind} needs {name} as a whole number from 0 up", field=name)
    return value


def _one_of(entry: Entry, name: str, choices: tuple[str, ...]) -> str:
    value = entry.body.get(name)
    if value not in choices:
        raise BadInput(f"{entry.kind} needs {name} as one of {', '.join(choices)}, not {value!r}", field=name)
    return str(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _declared(views: Views, entry: Entry) -> None:
    kind, name = _one_of(entry, "type", ("agent", "tool", "model", "data", "policy")), _text(entry, "name")
    views.put("declared", f"{kind}/{name}", {
        "type": kind, "name": name, "digest": _text(entry, "digest"), "version": _text(entry, "version", optional=True),
        "body": _json(entry.body.get("body") or {}), "retired": 0,
    })  # fmt: skip


def _retired(views: Views, entry: Entry) -> None:
    key = f"{_text(entry, 'type')}/{_text(entry, 'name')}"
    row = views.get("declared", key)
    if row is None:
        raise UnknownThing(
            f"nothing is declared as {key}", hint="list what is declared with: tally agents ls"
        )
    views.put("declared", key, {**row, "retired": 1})


def _requested(views: Views, entry: Entry) -> None:
    approval = _text(entry, "approval")
    if views.get("approvals", approval) is not None:
        raise Conflict(f"approval {approval} was requested before", approval=approval)
    views.put("approvals", approval, {
        "state": str(ApprovalState.WAITING), "decision": _text(entry, "decision"), "run": _text(entry, "run"),
        "agent": _text(entry, "agent"), "tool": _text(entry, "tool"),
        "arguments": _json(entry.body.get("arguments") or {}), "binding": _text(entry, "binding"),
        "grp": _text(entry, "group"), "because": _text(entry, "because", optional=True), "requested": entry.at,
        "expires": _number(entry, "expires_ns"), "answered": None, "by": None, "note": None, "seq": entry.seq,
    })  # fmt: skip


def _approval(views: Views, entry: Entry, *, state: ApprovalState, doing: str) -> tuple[str, Row]:
    approval = _text(entry, "approval")
    row = views.get("approvals", approval)
    if row is None:
        raise UnknownThing(f"no approval {approval!r}", hint="list them with: tally approvals ls")
    if row["state"] != state:
        by = f" by {row['by']}" if row["by"] else ""
        raise Conflict(
            f"approval {approval} cannot be {doing}: it is {row['state']}{by}",
            hint=f"see: tally approvals show {approval}", approval=approval, state=row["state"],
        )  # fmt: skip
    return approval, row


def _in_time(entry: Entry, approval: str, row: Row, doing: str) -> None:
    if entry.at >= row["expires"]:
        raise Conflict(
            f"approval {approval} cannot be {doing}: it has expired", hint="the agent has to ask again",
            approval=approval, state=str(ApprovalState.EXPIRED),
        )  # fmt: skip


def _answered(views: Views, entry: Entry) -> None:
    answer = _one_of(entry, "answer", ("approved", "rejected"))
    approval, row = _approval(views, entry, state=ApprovalState.WAITING, doing="answered")
    _in_time(entry, approval, row, "answered")
    views.put("approvals", approval, {
        **row, "state": answer, "answered": entry.at, "by": _text(entry, "by"),
        "note": _text(entry, "note", optional=True),
    })  # fmt: skip


def _expired(views: Views, entry: Entry) -> None:
    approval, row = _approval(views, entry, state=ApprovalState.WAITING, doing="let expire")
    views.put("approvals", approval, {**row, "state": str(ApprovalState.EXPIRED)})


def _consumed(views: Views, entry: Entry) -> None:
    approval, row = _approval(views, entry, state=ApprovalState.APPROVED, doing="used")
    _in_time(entry, approval, row, "used")
    if row["binding"] != _text(entry, "binding"):
        raise Conflict(
            f"approval {approval} was given for another action than this one", hint="the agent has to ask again",
            approval=approval, state=row["state"],
        )  # fmt: skip
    views.put("approvals", approval, {**row, "state": str(ApprovalState.CONSUMED)})


def _budget(views: Views, entry: Entry) -> None:
    scope = _text(entry, "scope")
    if ":" not in scope[1:-1]:
        raise BadInput(f"{scope!r} is not a scope", hint='for example "run:*" or "agent:refunds"')
    views.put("budgets", _text(entry, "budget"), {
        "scope": scope, "limit_nano": _number(entry, "limit_nano"),
        "mode": _one_of(entry, "mode", ("hard", "soft", "observe")),
    })  # fmt: skip


def budgets_on(views: Views, scope: str) -> list[Row]:
    """The budgets that constrain a scope: those on exactly it, and those on every one of its kind ("run:*")."""
    kind = scope.partition(":")[0]
    found = views.find("budgets", "scope", scope)
    return found if scope == f"{kind}:*" else found + views.find("budgets", "scope", f"{kind}:*")


def account_key(budget: str, scope: str) -> str:
    """The key under which money of a budget in one concrete scope is kept."""
    return _json([budget, scope])


def _account(views: Views, budget: str, scope: str) -> Row:
    row = views.get("accounts", account_key(budget, scope))
    return row or {"budget": budget, "scope": scope, "spent_nano": 0, "held_nano": 0}


def _hold(views: Views, entry: Entry) -> None:
    hold, amount, scopes = _text(entry, "hold"), _number(entry, "amount_nano"), entry.body.get("scopes")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise BadInput("hold.taken needs scopes as a list of text", field="scopes")
    if views.get("holds", hold) is not None:
        raise Conflict(f"hold {hold} was taken before", hold=hold)
    lines: list[list[str]] = []
    for scope in dict.fromkeys(scopes):
        for budget in budgets_on(views, scope):
            account = _account(views, budget["key"], scope)
            if budget["mode"] == "hard":
                _must_fit(budget, account, amount)
            account["held_nano"] += amount
            views.put("accounts", account_key(budget["key"], scope), account)
            lines.append([budget["key"], scope])
    views.put("holds", hold, {
        "run": entry.body.get("run") or entry.run, "purpose": _text(entry, "for", optional=True), "amount_nano": amount,
        "lines": _json(lines), "expires": _number(entry, "expires_ns", optional=True), "state": "taken",
        "spent_nano": None, "basis": None,
    })  # fmt: skip


def _must_fit(budget: Row, account: Row, amount: int) -> None:
    limit, spent, held = budget["limit_nano"], account["spent_nano"], account["held_nano"]
    if spent + held + amount > limit:
        raise OverBudget(
            f"budget {budget['key']} on {account['scope']} has no room for this call",
            hint=f"see what it was spent on: tally budgets show {budget['key']}",
            budget=budget["key"], scope=account["scope"], limit_nano=limit, spent_nano=spent, held_nano=held,
            needed_nano=amount,
        )  # fmt: skip


def _settled(views: Views, entry: Entry) -> None:
    hold, basis = _text(entry, "hold"), _one_of(entry, "basis", ("reported", "assumed", "released"))
    row = views.get("holds", hold)
    if row is None:
        raise UnknownThing(f"no hold {hold!r}")
    if row["state"] != "taken":
        raise Conflict(f"hold {hold} was settled before", hold=hold, basis=row["basis"])
    spent = (
        0 if basis == "released" and entry.body.get("spent_nano") is None else _number(entry, "spent_nano")
    )
    for budget, scope in json.loads(row["lines"]):
        account = _account(views, budget, scope)
        account["held_nano"] -= row["amount_nano"]
        account["spent_nano"] += spent
        views.put("accounts", account_key(budget, scope), account)
    views.put("holds", hold, {**row, "state": "settled", "spent_nano": spent, "basis": basis})


def _stopped(views: Views, entry: Entry) -> None:
    run = _text(entry, "run")
    if views.get("stopped", run) is None:  # the first stop is the one that counts
        views.put("stopped", run, {"seq": entry.seq})


def _only_written(views: Views, entry: Entry) -> None:
    """The entry is its own record: no view follows from it."""


RULES: dict[str, Callable[[Views, Entry], None]] = {
    "object.declared": _declared,
    "object.retired": _retired,
    "policy.loaded": _only_written,
    "decision.made": _only_written,
    "approval.requested": _requested,
    "approval.answered": _answered,
    "approval.expired": _expired,
    "approval.consumed": _consumed,
    "effect.started": _only_written,
    "effect.ended": _only_written,
    "budget.set": _budget,
    "hold.taken": _hold,
    "hold.settled": _settled,
    "run.stopped": _stopped,
}


def declared_from(row: Row) -> Declared:
    """A row of the declared view."""
    return Declared(
        row["type"], row["name"], row["digest"], row["version"], json.loads(row["body"]), bool(row["retired"])
    )


def approval_from(key: str, row: Row) -> Approval:
    """A row of the approvals view."""
    return Approval(
        key, ApprovalState(row["state"]), row["decision"], row["run"], row["agent"], row["tool"],
        json.loads(row["arguments"]), row["binding"], row["grp"], row["because"], row["requested"], row["expires"],
        row["answered"], row["by"], row["note"],
    )  # fmt: skip


def budgets_in(views: Views, scope: str) -> list[Budget]:
    """The budgets that constrain a scope, with what is spent and held in it."""
    found = []
    for budget in budgets_on(views, scope):
        account = _account(views, budget["key"], scope)
        found.append(Budget(
            budget["key"], scope, budget["limit_nano"], budget["mode"], account["spent_nano"], account["held_nano"]
        ))  # fmt: skip
    return sorted(found, key=lambda one: one.name)


def all_budgets(budgets: Iterable[tuple[str, Row]], accounts: Iterable[Row]) -> list[Budget]:
    """Every budget as it was set, and every scope in which money was held or spent under it; by scope."""
    set_ = dict(budgets)
    found = {(name, row["scope"]): (0, 0) for name, row in set_.items()}
    for row in accounts:
        budget = set_.get(row["budget"])
        kind = row["scope"].partition(":")[0]
        if budget is not None and budget["scope"] in (row["scope"], f"{kind}:*"):
            found[(row["budget"], row["scope"])] = (row["spent_nano"], row["held_nano"])
    return sorted(
        (Budget(name, scope, set_[name]["limit_nano"], set_[name]["mode"], spent, held)
         for (name, scope), (spent, held) in found.items()),
        key=lambda one: (one.scope, one.name),
    )  # fmt: skip
