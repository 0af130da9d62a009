"""What a user sees who has no extra: every command answers or says what to install, once, and nothing breaks."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.root import invoke
from tallystick.wiring import redacting

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
INSTALL = "pip install 'tallystick[archive]'"


def nothing(name: str) -> None:
    return None


@pytest.fixture
def archived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(GOLDEN / "archive-1", tmp_path / "store")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tallystick.adapters.parquet.engine.find_spec", nothing)
    return tmp_path / "store"


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = invoke(words)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_without_duckdb_lists_answer_and_steps_say_what_to_install(
    archived: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = ask(capsys, "runs", "ls", "--json", "--store", str(archived))
    runs = json.loads(out)["runs"]
    assert (code, len(runs) > 1) == (0, True)
    assert err.count("could not be listed") <= 1
    assert "archived runs in" not in err or "reading the archived runs in" in err
    for words in (("show", runs[0]["run"]), ("find", runs[0]["run"], "x"), ("export", runs[0]["run"])):
        code, _, err = ask(capsys, "runs", *words, "--store", str(archived))
        assert code == 1
        assert INSTALL in err
        assert "broke" not in err


def test_doctor_says_that_archived_runs_cannot_be_read(
    archived: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = ask(capsys, "doctor", "--json", "--store", str(archived))
    found: dict[str, Any] = {one["check"]: one for one in json.loads(out)["findings"]}
    assert found["archive"]["state"] == "warn"
    assert found["archive"]["fix"] == INSTALL


def test_a_redaction_that_cannot_be_done_stops_a_program_before_it_starts_and_no_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tallystick.toml").write_text('redact = ["personal"]\n')
    (tmp_path / ".tallystick" / "spool").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(redacting, "find_spec", nothing)
    redacting.text_redactor.cache_clear()
    code, _, err = ask(capsys, "run", "--", sys.executable, "-c", "raise SystemExit(9)")
    assert code == 2
    assert "tallystick[privacy]" in err
    code, _, err = ask(capsys, "runs", "ls")
    assert code == 0
    assert "tallystick[privacy]" in err


def test_a_contrast_with_an_empty_set_finds_nothing_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = ask(capsys, "runs", "contrast", "agent:nobody", "--json", "--store", str(tmp_path))
    answer = json.loads(out)
    assert (code, answer["attributes"], answer["tested"]) == (0, [], 0)
    assert "Set A has no runs: there is nothing to hold the other against." in answer["notes"]
