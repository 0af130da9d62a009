"""A server that decides: a store, a project with three tools and rules, and questions in AuthZEN's words."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tallystick import wiring
from tallystick.api.server import ServerThread, address_of, listen
from tallystick.config import load
from tallystick.model.people import unnamed

LOOK = 'name = "look"\neffect = "read"\n[arguments]\nid = "string"\n'
PAY = """name = "pay"
effect = "irreversible"
data = ["payment"]
authority = ["id", "amount"]
asks = ["pay"]
[arguments]
id = "string"
amount = "decimal"
[from]
amount = ["tool:look.price"]
"""
RULES = """
permit (principal, action == Action::"look", resource);
permit (principal, action == Action::"pay", resource);
@hold("finance") @because("More than 100 needs a yes from finance.")
forbid (principal, action == Action::"pay", resource)
when { context.args.amount.greaterThan(decimal("100.00")) }
unless { context.approvals.contains("finance") };
@because("Nobody pays less than nothing.")
forbid (principal, action == Action::"pay", resource)
when { context.args.amount.lessThan(decimal("0.00")) };
"""
WORDS = "Please pay order A-1: 40.00, and order A-2: 400.00, and -5.00 for A-3"


def lay_out(folder: Path) -> None:
    (folder / "tallystick.toml").write_text('policies = "policies"\n')
    for place, text in (("tools/look.toml", LOOK), ("tools/pay.toml", PAY), ("policies/desk.cedar", RULES)):
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text(text)


class Deciding:
    """A server in a thread over a project folder."""

    def __init__(self, folder: Path, token: str | None = None) -> None:
        self.stores = wiring.open_stores(folder)
        opened = listen("127.0.0.1", 0, token=token)
        self.port: int = opened.getsockname()[1]
        settings = load({}, {"TALLYSTICK_TOKEN": token} if token else {}, folder)
        self._thread = ServerThread(
            wiring.build_app(self.stores, settings, address=address_of(opened)), [opened]
        )
        self._thread.start()

    def stop(self) -> None:
        self._thread.stop()

    def send(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if raw is not None:
            given.setdefault("content-type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, raw, given)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, json.loads(answer.read())
        finally:
            connection.close()

    def post_spans(self, body: bytes, kind: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/v1/traces", body, {"content-type": kind})
        assert connection.getresponse().status == 200
        connection.close()

    def ask(self, question: Any, path: str = "evaluation", **headers: str) -> Any:
        status, _, answer = self.send("POST", f"/access/v1/{path}", question, **headers)
        assert status == 200, answer
        return answer

    def tell(self, decision: str, outcome: str = "landed", **more: Any) -> int:
        body = {"decision": decision, "outcome": outcome, **more}
        return self.send("POST", "/access/v1/outcome", body)[0]

    def answer(self, approval: str, answer: str = "approved") -> None:
        assert self.send("POST", f"/api/approvals/{approval}", {"answer": answer})[0] == 200

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.stores.control.entries() if entry.run]

    def people(self, *roles: str) -> dict[str, str]:
        """Tokens of new people, by role."""
        desk, owner = wiring.people.desk(self.stores), unnamed("root")
        for role in roles:
            desk.add(f"p-{role}", role, [], owner)
        return {role: str(desk.make_token(f"p-{role}", owner)["secret"]) for role in roles}


@contextmanager
def deciding(folder: Path, token: str | None = None) -> Iterator[Deciding]:
    lay_out(folder)
    server = Deciding(folder, token)
    try:
        yield server
    finally:
        server.stop()
        server.stores.close()


def question(tool: str = "pay", run: str = "r1", agent: str = "desk", **args: Any) -> dict[str, Any]:
    return {
        "subject": {"type": "agent", "id": agent, "properties": {"run": run}},
        "action": {"name": tool}, "resource": {"type": "tool", "id": tool}, "context": {"args": args},
    }  # fmt: skip


def said(asked: dict[str, Any], **context: Any) -> dict[str, Any]:
    """The question with more in its context."""
    return {**asked, "context": {**asked["context"], **context}}
