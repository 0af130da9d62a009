"""``tally evidence`` and ``tally verify`` over a store on disk, as a person uses them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import tallystick
from tallystick.cli.evidence import file_name
from tallystick.cli.root import invoke

POLICY = 'permit (principal, action == Action::"look", resource);\n'


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project in which one guarded run was recorded; its id."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "desk.cedar").write_text(POLICY)
    (tmp_path / "tallystick.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tallystick.sdk.tools._declared", {})  # tools of other tests are not this project's
    tallystick.init("desk", project=tmp_path, instrument=False)
    try:

        @tallystick.tool(effect="read")
        def look(id: str) -> str:
            """Read one order."""
            return f"order {id}"

        @tallystick.tool(effect="write")
        def pay(id: str) -> str:
            """Nobody permits this."""
            raise AssertionError(id)

        with tallystick.run(goal="one ticket") as handle:
            assert look("7") == "order 7"
            assert pay("7") == "This action was not allowed."
    finally:
        tallystick.shutdown()
    return handle.id


def test_a_run_is_proved_on_another_machine(
    played: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke(["evidence", played[:8], "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    file = tmp_path / answer["file"]
    assert answer == {
        "run": played,
        "file": file_name(played),
        "bytes": file.stat().st_size,
        "redacted": False,
    }
    assert [path.name for path in tmp_path.glob(".*evidence*")] == []
    key = str(tmp_path / ".tallystick" / "journal.pub")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    assert invoke(["verify", str(file), "--key", key]) == 0
    told = capsys.readouterr().out
    for line in ("✓ signature", "✓ conduct", "✓ decisions", "✓ readings", "– consistency", "– completeness"):
        assert line in told
    assert "What this does not prove:" in told
    assert list(elsewhere.iterdir()) == []  # no store is made, none is needed

    assert invoke(["verify", str(file), "--json"]) == 0
    answered = capsys.readouterr()
    assert json.loads(answered.out)["lamps"]["integrity"] == "unchecked"
    assert "no key was given" in answered.err

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(file.read_bytes())))
    assert invoke(["verify", "-", "--key", Path(key).read_text().strip()]) == 0
    capsys.readouterr()

    changed = elsewhere / "changed.jsonl"
    changed.write_bytes(file.read_bytes().replace(b'"answer":"deny"', b'"answer":"allow"', 1))
    assert invoke(["verify", str(changed), "--key", key]) == 3
    assert "✗ integrity" in capsys.readouterr().out


def test_a_file_is_not_written_over(played: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "there.jsonl"
    there.write_text("mine")
    assert invoke(["evidence", played, "-o", str(there)]) == 7
    assert there.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert invoke(["evidence", played, "-o", str(there), "--force", "--redact"]) == 0
    assert invoke(["verify", str(there)]) == 0
    assert invoke(["evidence", played, "-o", str(tmp_path / "no" / "folder" / "x")]) == 2
    assert invoke(["evidence", "ffff" * 8]) == 2


def test_what_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = tmp_path / "x"
    assert invoke(["verify", str(nothing)]) == 2
    nothing.write_bytes(b"\x1b[31mno evidence\n")
    assert invoke(["verify", str(nothing)]) == 2
    assert invoke(["verify", str(nothing), "--key", "no key"]) == 2
    assert invoke(["verify", str(nothing), "--checkpoint", str(nothing)]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_run_cannot_choose_where_its_file_goes() -> None:
    assert file_name("../../etc/passwd") == "run-------etc-pa.evidence.jsonl"
    assert file_name("\x1b[2J") == "run---2J.evidence.jsonl"
    assert file_name("") == "run-x.evidence.jsonl"
