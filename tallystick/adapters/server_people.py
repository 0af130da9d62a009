"""The people of a server, with the methods of ``app.people.desk.PeopleDesk``; and its approvals.

Who acts is whoever the token belongs to: what is given as ``by`` is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from tallystick.adapters.server_door import ServerDoor
from tallystick.app.people.desk import KEEP, TOKEN_DAYS


class ServerPeople:
    """One server, asked with one token. Every method raises what the server says went wrong, and Unreachable."""

    def __init__(self, server: str, *, token: str | None) -> None:
        """``server``: http(s)://host[:port][/prefix]. Raises ConfigError for anything else."""
        self._door = ServerDoor(server, token=token)

    def list(self) -> Mapping[str, Any]:
        """Everybody and all delegations."""
        return self._door.get("/api/people")

    def show(self, name: str, *, log: int = 50) -> Mapping[str, Any]:
        """One person."""
        return self._door.get(f"/api/people/{_in(name)}?log={log}")

    def add(
        self, name: str, role: str, groups: Sequence[str], _by: object = None, *, os_user: str | None = None,
        because: str | None = None,
    ) -> Mapping[str, Any]:  # fmt: skip
        """Add a person."""
        body = {"person": name, "role": role, "groups": list(groups), "os_user": os_user, "because": because}
        return self._door.post("/api/people", body)

    def change(
        self, name: str, _by: object = None, *, role: Any = KEEP, groups: Any = KEEP, os_user: Any = KEEP,
        because: str | None = None,
    ) -> Mapping[str, Any]:  # fmt: skip
        """Change a person; what is left out stays."""
        given = {"role": role, "groups": groups, "os_user": os_user}
        body = {key: value for key, value in given.items() if value is not KEEP}
        return self._door.post(f"/api/people/{_in(name)}", {**body, "because": because})

    def remove(self, name: str, _by: object = None, *, because: str | None = None) -> Mapping[str, Any]:
        """Remove a person."""
        return self._door.post(f"/api/people/{_in(name)}/remove", {"because": because})

    def make_token(
        self, name: str, _by: object = None, *, days: int = TOKEN_DAYS, label: str | None = None
    ) -> Mapping[str, Any]:
        """A new token, with what it is."""
        return self._door.post(f"/api/people/{_in(name)}/tokens", {"days": days, "label": label})

    def revoke_token(
        self, token: str, _by: object = None, *, because: str | None = None
    ) -> Mapping[str, Any]:
        """End a token."""
        return self._door.post(f"/api/tokens/{_in(token)}/revoke", {"because": because})

    def delegate(
        self, group: str, to: str, until: int, _by: object = None, *, giver: str | None = None,
        because: str | None = None,
    ) -> Mapping[str, Any]:  # fmt: skip
        """Delegate a group."""
        body = {"group": group, "to": to, "until": str(until), "giver": giver, "because": because}
        return self._door.post("/api/delegations", body)

    def end_delegation(
        self, delegation: str, _by: object = None, *, because: str | None = None
    ) -> Mapping[str, Any]:
        """End a delegation."""
        return self._door.post(f"/api/delegations/{_in(delegation)}/revoke", {"because": because})

    def approvals(self, state: str | None = None) -> Mapping[str, Any]:
        """Approvals, newest first."""
        return self._door.get("/api/approvals" + (f"?{urlencode({'state': state})}" if state else ""))

    def approval(self, approval: str) -> Mapping[str, Any]:
        """One approval."""
        return self._door.get(f"/api/approvals/{_in(approval)}")

    def answer(self, approval: str, answer: str, *, note: str | None) -> Mapping[str, Any]:
        """Approve or reject one held call."""
        return self._door.post(f"/api/approvals/{_in(approval)}", {"answer": answer, "note": note})

    def me(self) -> Mapping[str, Any]:
        """Whom the server takes this process for."""
        return self._door.get("/api/me")


def _in(name: str) -> str:
    return quote(name, safe="") or "-"
