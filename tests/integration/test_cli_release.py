"""The commands of release and exchange, on a real store: what they say, their JSON, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp_kit import bookshop, hostile

from tallystick.cli.root import invoke

AGENT = """
name = "refunds"
version = "1.0.0"
owner = "ann"
purpose = "Pays money back."
tools = ["refund"]
"""
TOOL = 'name = "refund"\neffect = "irreversible"\n[arguments]\nid = "string"\n'
HOSTILE = "x\u202e\x1b[31m"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tallystick.toml").write_text("")
    for folder, text in (("agents/refunds.toml", AGENT), ("tools/refund.toml", TOOL)):
        path = tmp_path / folder
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Said:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = invoke(arguments)
        out, err = self._capsys.readouterr()
        return code, out, err

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        place = arguments.index("--") if "--" in arguments else len(arguments)
        got, out, err = self(*arguments[:place], "--json", *arguments[place:])
        assert got == code, err
        return dict(json.loads(out))


@pytest.fixture
def tally(capsys: pytest.CaptureFixture[str], project: Path) -> Said:
    said = Said(capsys)
    assert said("apply")[0] == 0
    return said


def test_ready_says_what_is_missing_and_promote_refuses(tally: Said, project: Path) -> None:
    code, out, _ = tally("ready", "refunds")
    assert code == 3
    assert "refunds is not ready" in out
    assert 'autonomy = "acts" in agents/refunds.toml' in out
    answer = tally.json("ready", "refunds@1.0.0", code=3)
    missing = {layer["layer"] for layer in answer["layers"] if layer["missing"]}
    assert missing == {"registry", "observability", "evaluation", "governance"}
    code, _, err = tally("promote", "refunds@1.0.0", "--to", "production")
    assert code == 3
    assert "observability: no run of it was recorded" in err
    assert "--override REASON" in err
    code, _, err = tally("promote", "refunds", "--to", "production", "--json")
    assert code == 3
    assert json.loads(err)["error"]["detail"]["missing"]
    assert (
        tally.json("promote", "refunds", "--to", "production", "--override", "a pilot", "--dry-run")["entry"]
        is None
    )
    moved = tally.json("promote", "refunds@1.0.0", "--to", "production", "--override", "a pilot")
    assert moved["changed"]
    assert moved["override"] == "a pilot"
    assert (
        tally("promote", "refunds", "--to", "production")[2].strip() == "refunds@production is 1.0.0 already"
    )
    assert tally("ready", "refund")[2].splitlines()[1].strip() == "hint: did you mean refunds?"
    (project / "tallystick.toml").write_text('gated_aliases = ["staging"]\n')
    assert tally("promote", "refunds", "--to", "staging")[0] == 3
    assert tally("promote", "refunds", "--to", "canary")[0] == 0


def test_a_drafter_is_ready(tally: Said, project: Path) -> None:
    (project / "agents" / "drafter.toml").write_text('name = "drafter"\nautonomy = "drafts"\ntools = []\n')
    assert tally("apply")[0] == 0
    code, out, _ = tally("ready", "drafter")
    assert code == 0
    assert out.startswith("drafter needs none of the five layers")
    assert len(out.splitlines()) == 1
    assert tally("promote", "drafter", "--to", "production")[0] == 0


def test_tools_are_imported_and_quarantined(tally: Said, project: Path) -> None:
    code, out, err = tally("tools", "import", "mcp", "--name", "shop", "--write", "--", *bookshop())
    assert code == 3
    assert out.splitlines()[0].startswith("new\tshop.lookup\t")
    assert "wrote tools/shop.lookup.toml" in err
    for tool in ("shop.lookup", "shop.order"):
        assert tally("tools", "accept", tool)[0] == 0
    again = tally.json("tools", "import", "mcp", "--name", "shop", "--", *bookshop(), code=0)
    assert again["counts"] == {"unchanged": 2}
    code, out, _ = tally("tools", "import", "mcp", "--name", "shop", "--", *bookshop("--words"))
    assert code == 3
    assert "  + description: Find a book by its title. Before you call this" in out
    assert "shop.lookup" in tally("tools", "quarantine")[1]


def test_hostile_servers_cannot_paint_the_terminal(tally: Said) -> None:
    code, out, err = tally("tools", "import", "mcp", "--name", "bad", "--", *hostile("names"))
    assert code == 3
    assert "\u202e" not in out + err
    code, out, err = tally("tools", "import", "mcp", "--name", "bad", "--", *hostile("contents"))
    assert "\x1b" not in out + err
    code, _, err = tally("tools", "import", "mcp", "--timeout", "5", "--", *hostile("dies"))
    assert code == 5
    assert "no config file" in err


def test_what_cannot_be_asked_is_said(tally: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tally("tools", "import", "mcp")[0] == 2
    assert "--env names variables" in tally("tools", "import", "mcp", "--env", "NO_SUCH_ONE", "--", "x")[2]
    assert (
        "--token-env is for an address"
        in tally("tools", "import", "mcp", "--token-env", "PATH", "--", "x")[2]
    )
    monkeypatch.setenv("EMPTY_TOKEN", " ")
    assert (
        "holds no token"
        in tally("tools", "import", "mcp", "--token-env", "EMPTY_TOKEN", "http://127.0.0.1:9")[2]
    )
    assert "cannot be started" in tally("tools", "import", "mcp", "--name", "x", "--", "/no/such/thing")[2]


def test_cards_in_and_out(tally: Said, project: Path) -> None:
    code, out, _ = tally("cards", "export", "refunds", "--url", "https://a.example/refunds")
    assert code == 0
    card = json.loads(out)
    (project / "card.json").write_text(
        json.dumps({**card, "name": f"Other {HOSTILE} agent", "extra": HOSTILE})
    )
    code, out, err = tally("cards", "import", "card.json")
    assert code == 0
    assert out.startswith("other-x-31m-agent 1.0.0 declared (")
    assert "A2A 1.0 has no field extra" in err
    assert tally("cards", "import", "card.json")[1].split()[2] == "unchanged"
    (project / "card.json").write_text(json.dumps(card))
    assert tally("cards", "import", "card.json")[0] == 7
    assert tally("cards", "import", "no-such-file")[0] == 2
    assert tally("cards", "export", "refunds")[0] == 2
    code, _, err = tally("cards", "export", "refunds", "--url", "https://a.example", "-o", "out.json")
    assert code == 0
    assert (
        json.loads((project / "out.json").read_text())["supportedInterfaces"][0]["url"] == "https://a.example"
    )
    assert tally.json("ready", "other-x-31m-agent", code=3)["needed"]  # nobody knows what it can do


def test_a_bill_of_materials(tally: Said, project: Path) -> None:
    code, out, _ = tally("bom", "refunds")
    assert code == 0
    assert json.loads(out)["bomFormat"] == "CycloneDX"
    assert tally("bom", "-o", "bom.json")[0] == 0
    assert json.loads((project / "bom.json").read_text())["services"][0]["name"] == "refund"
    assert tally("bom", "nobody")[0] == 2
    assert tally("bom", "-o", "no/such/folder/bom.json")[0] == 2
