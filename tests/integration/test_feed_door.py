"""The feed's door, and the commands that change what it says, over real stores."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tallystick import wiring
from tallystick.api.server import ServerThread, address_of, listen
from tallystick.app.acting.feed import known_from
from tallystick.app.acting.pins import shown_entry
from tallystick.cli import policy as policy_commands
from tallystick.cli.output import Out
from tallystick.cli.root import invoke, root
from tallystick.config import load
from tallystick.govern.pinning import NEW, Judged
from tallystick.model.registry import Card, Channel, Declared, Definition, Trust, version_digest
from tallystick.registry.drafts import declared_draft

TOKEN = "a token of twenty letters"
FREEZE = 'forbid (principal, action == Action::"care", resource);\n'
HOSTILE = "care\u202e<b>\x07"


def declared(kind: str, name: str, body: dict[str, Any]) -> Any:
    made = Declared(kind, name, version_digest(kind, name, None, body), None, body, card=Card())
    return declared_draft(made, actor="ada")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a tool that touches customer data and an agent that may call it."""
    monkeypatch.chdir(tmp_path)
    stores = wiring.open_stores(tmp_path / "store")
    tool = {"effect": "read", "data": ["customer_pii"], "arguments": {"id": "string"}}
    stores.control.append([declared("tool", "care", tool), declared("agent", "desk", {"tools": ["care"]})])
    shown = Definition("care", f"Look.\n{HOSTILE}", {"id": "string"}, server="mcp-care")
    stores.control.append([shown_entry(shown, Channel.MCP, Judged(Trust.QUARANTINED, NEW), actor="ada")])
    stores.close()
    (tmp_path / "freeze.cedar").write_text(FREEZE)
    return tmp_path / "store"


@pytest.fixture
def door(store: Path) -> Iterator[int]:
    stores = wiring.open_stores(store)
    opened = listen("127.0.0.1", 0, token=TOKEN)
    settings = load({}, {"TALLYSTICK_TOKEN": TOKEN}, store)
    thread = ServerThread(wiring.build_app(stores, settings, address=address_of(opened)), [opened])
    thread.start()
    yield opened.getsockname()[1]
    thread.stop()
    stores.close()


def get(port: int, **headers: str) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(
            "GET", "/api/feed", headers={key.replace("_", "-"): value for key, value in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.getheader("etag"), answer.read()
    finally:
        connection.close()


def run(store: Path, *arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(root, [*arguments, "--store", str(store)], input=given)


def as_json(store: Path, *arguments: str) -> Any:
    done = run(store, *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_feed_is_told_to_those_with_a_token_and_once(store: Path, door: int) -> None:
    assert get(door)[0] == 401
    allowed = {"authorization": f"Bearer {TOKEN}"}
    status, tag, body = get(door, **allowed)
    known = known_from(body)
    mark = hashlib.sha256(body).hexdigest()[:16]  # another store may have the same revision
    assert (status, tag) == (200, f'"{known.revision}-{mark}"')
    assert [tool.name for tool in known.tools] == ["care"]
    assert known.tools[0].data == ("customer_pii",)
    assert known.snapshot is None  # no policy has a scope
    assert tag is not None
    assert get(door, if_none_match=tag, **allowed) == (304, tag, b"")
    as_json(store, "policy", "push", "freeze.cedar", "--scope", "touches:customer_pii")
    status, fresh, body = get(door, if_none_match=tag, **allowed)
    known = known_from(body)
    assert (status, fresh == tag) == (200, False)
    assert [(one.name, one.scope, one.text) for one in known.policies] == [
        ("freeze", "touches:customer_pii", FREEZE)
    ]
    assert known.snapshot is not None


def test_a_push_says_whom_it_reaches_and_asks_at_a_terminal(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = ("policy", "push", "freeze.cedar", "--scope", "touches:customer_pii")
    dry = as_json(store, *push, "--dry-run")
    assert dry["pushed"] == 0
    assert dry["policies"][0]["reaches"][0]["because"] == [{"tool": "care", "classes": ["customer_pii"]}]
    monkeypatch.setattr(Out, "talks", True)
    monkeypatch.setattr(policy_commands, "_terminal", lambda: True)
    refused = run(store, *push, given="n\n")
    assert "put this policy in force for 1 agent?" in refused.output
    assert "nothing was changed" in refused.output
    assert as_json(store, "policy", "ls")["total"] == 0
    done = run(store, *push, "--because", "an incident", given="y\n")
    assert "desk\tcare (customer_pii)\t! no other policy" in done.output
    assert "1 put in force, 0 unchanged" in done.output
    again = run(store, *push)
    assert "it is in force so already" in again.output
    shown = as_json(store, "policy", "show", "freeze")
    assert shown["text"] == FREEZE
    assert "desk" in run(store, "policy", "show", "freeze").output
    assert "touches:customer_pii" in run(store, "policy", "ls").output
    gone = as_json(store, "policy", "withdraw", "freeze", "--because", "over")
    assert gone["digest"] == shown["digest"]
    assert as_json(store, "policy", "ls")["policies"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("policy", "push", "gone.cedar", "--scope", "kind:agent"), 2, "cannot be read"),
        (("policy", "push", "wrong.cedar", "--scope", "kind:agent"), 2, "no tool is called 'core'"),
        (("policy", "push", "freeze.cedar", "--scope", "touchs:x"), 2, "did you mean touches:?"),
        (("policy", "push", "freeze.cedar"), 2, "--scope"),
        (("policy", "show", "freeze"), 2, "no policy is called"),
        (("policy", "withdraw", "freeze", "--because", " "), 2, "the reason is empty"),
        (("policy", "withdraw", "freeze", "--because", "x"), 2, "no policy is called"),
        (("tools", "accept", "care", "--definition", "zz"), 2, "never showed a definition"),
        (("tools", "accept", "other"), 2, "nothing of tool other waits"),
    ],
)
def test_what_cannot_be_done_is_said(
    store: Path, arguments: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (store.parent / "wrong.cedar").write_text(FREEZE.replace("care", "core"))
    assert invoke([*arguments, "--store", str(store)]) == code
    assert said in capsys.readouterr().err


def test_a_hostile_definition_is_listed_harmlessly_and_accepted(store: Path) -> None:
    (waiting,) = as_json(store, "tools", "quarantine")["definitions"]
    assert (waiting["tool"], waiting["channel"], waiting["before"]) == ("care", "mcp", None)
    listed = run(store, "tools", "quarantine").output
    assert "description: Look.⏎care\\u202e<b>␇" in listed
    assert "\u202e" not in listed
    given = as_json(store, "tools", "accept", "care", "--because", "read it")
    assert given == {"tool": "care", "channel": "mcp", "definition": waiting["definition"]}
    assert "no definition waits" in run(store, "tools", "quarantine").output
