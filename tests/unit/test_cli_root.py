"""The root: errors become messages, hints and exit codes; help loads nothing; doctor says what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from cli_parts import FakeParts, call

from tallystick.cli import root as root_module
from tallystick.cli.help import EXIT_CODES, error_tree
from tallystick.cli.root import COMMANDS, invoke, root
from tallystick.model.errors import ConfigError, Denied, StoreFault, TallystickError

HEAVY = (
    "litestar",
    "uvicorn",
    "cedarpy",
    "opentelemetry",
    "rich",
    "openai",
    "jinja2",
    "sqlite3",
    "msgspec",
    "asyncio",
)


def _fail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    @click.option("--json", is_flag=True)
    def broken(json: bool) -> None:
        raise error

    monkeypatch.setitem(root.lazy, "broken", (f"{__name__}:broken", "x"))
    monkeypatch.setattr(sys.modules[__name__], "broken", broken, raising=False)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (
            "uvicorn",
            "tally: this needs uvicorn, which is not installed\n  hint: pip install 'tallystick[server]'\n",
        ),
        (
            "openai.types",
            "tally: this needs openai, which is not installed\n  hint: pip install 'tallystick[server,demo]'\n",
        ),
    ],
)
def test_a_part_that_is_not_installed_is_named_with_its_extra(
    module: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fail(monkeypatch, ModuleNotFoundError(f"No module named {module!r}", name=module))
    assert invoke(["broken"]) == 1
    assert capsys.readouterr().err == said


def test_a_module_that_no_extra_brings_is_a_fault_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fail(monkeypatch, ModuleNotFoundError("No module named 'tallystick.x'", name="tallystick.x"))
    assert invoke(["broken"]) == 1
    assert "something in Tallystick broke" in capsys.readouterr().err


@pytest.mark.parametrize("error", [kind for _, kind in error_tree()], ids=lambda kind: kind.__name__)
def test_each_error_has_its_message_hint_and_exit_code(
    error: type[TallystickError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fail(monkeypatch, error("it \x1b[2Jbroke", hint="mend it", file="bro", line=None))
    assert invoke(["broken"]) == error.exit_code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "tally: it ␛[2Jbroke\n  hint: mend it\n"
    assert invoke(["broken", "--json"]) == error.exit_code
    said = capsys.readouterr()
    assert json.loads(said.err) == {
        "error": {
            "code": error.code,
            "message": "it \x1b[2Jbroke",
            "hint": "mend it",
            "detail": {"file": "bro", "line": None},
        }
    }


def test_each_problem_of_several_has_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = [
        {"file": "a.cedar", "line": 3, "message": "no such tool", "hint": "declare it"},
        {"file": "b.cedar", "line": None, "message": "b.cedar is empty", "hint": ""},
    ]
    _fail(
        monkeypatch, ConfigError("no such tool", hint="declare it", file="a.cedar", line=3, problems=problems)
    )
    assert invoke(["broken"]) == 2
    said = capsys.readouterr().err
    assert said == "tally: a.cedar:3: no such tool\n  hint: declare it\ntally: b.cedar is empty\n"
    _fail(monkeypatch, ConfigError("bad", file="a.toml", line=7))
    assert invoke(["broken"]) == 2
    assert capsys.readouterr().err == "tally: a.toml:7: bad\n"


def test_a_traceback_is_shown_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fail(monkeypatch, ZeroDivisionError("oh"))
    monkeypatch.delenv("TALLYSTICK_DEBUG", raising=False)
    assert invoke(["broken"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "ZeroDivisionError: oh" in said
    assert "TALLYSTICK_DEBUG=1" in said
    monkeypatch.setenv("TALLYSTICK_DEBUG", "1")
    assert invoke(["broken"]) == 1
    assert "Traceback" in capsys.readouterr().err
    _fail(monkeypatch, Denied("no"))
    assert invoke(["broken"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_interruption_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _fail(monkeypatch, KeyboardInterrupt())
    assert invoke(["broken"]) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnus"], "Did you mean 'runs'?"),
        (["runs", "sho"], "Did you mean 'show'?"),
        (["runs", "show"], "Missing argument"),
        (["runs", "ls", "--nope"], "No such option"),
        (["cost", "--by", "moon"], "is not one of"),
        (["runs", "import", "nope", "x"], "is not one of"),
    ],
)
def test_usage_errors_are_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(arguments) == 2
    assert said in capsys.readouterr().err
    assert invoke([*arguments, "--json"]) == 2
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["code"] == "input.invalid"
    assert said in error["message"]


def test_a_json_flag_of_the_program_that_is_run_is_not_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["run", "--", "no-such-program-here", "--json"]) == 2
    assert capsys.readouterr().err.startswith("tally: there is no program")


def test_help_lists_every_command_without_loading_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke([]) == 0
    bare = capsys.readouterr().out
    assert invoke(["--help"]) == 0
    assert capsys.readouterr().out == bare
    for name, (_, text) in COMMANDS.items():
        assert f"  {name} " in bare
        assert text in bare
    assert invoke(["help", "runs", "ls"]) == 0
    assert "Usage: tally runs ls" in capsys.readouterr().out
    assert invoke(["help", "nope"]) == 2


def test_exit_codes_cover_every_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert {kind.exit_code for _, kind in error_tree()} <= set(EXIT_CODES)
    codes = [kind.code for _, kind in error_tree()]
    assert len(codes) == len(set(codes))
    assert invoke(["help", "exit-codes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["exit_codes"]
    assert sorted(code for row in rows for code in row["errors"]) == sorted(codes)


def test_help_stays_light() -> None:
    probe = (
        "import sys\nfrom tallystick.cli.root import invoke\n"
        "invoke(['--help'])\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    assert "tallystick" in loaded
    assert not loaded & set(HEAVY)


def test_both_commands_and_the_module_are_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("tallystick 0.")


def test_a_reader_that_leaves_early_is_no_fault(tmp_path: Path) -> None:
    shell = f"{sys.executable} -m tallystick help exit-codes; echo code $? >&2"
    done = subprocess.run(["sh", "-c", f"({shell}) | true"], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_narrow_encoding_does_not_stop_a_command() -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "TALLYSTICK_TOKEN": "x"}
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", "config", "show"], capture_output=True, env=env, check=True
    )
    assert b"\\u2022" in done.stdout


def _checks(parts: FakeParts) -> tuple[dict[str, dict[str, str]], int]:
    result = call(parts, "doctor", "--json")
    assert result.exception is None, result.exception
    answer = json.loads(result.stdout)
    return {row["check"]: row for row in answer["findings"]}, result.return_value


def test_doctor_is_green_on_a_good_project(tmp_path: Path) -> None:
    parts = FakeParts(tmp_path)
    (tmp_path / "store").mkdir()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "a.cedar").write_text("// x")
    checks, code = _checks(parts)
    assert code == 0
    assert {name for name, row in checks.items() if row["state"] == "fail"} == set()
    assert checks["store"]["state"] == checks["journal"]["state"] == checks["policies"]["state"] == "ok"
    assert checks["prices"]["state"] == "warn"
    assert "refunds" in checks["prices"]["why"]


def test_doctor_fails_on_a_damaged_journal_and_a_bad_setting(tmp_path: Path) -> None:
    parts = FakeParts(tmp_path)
    (tmp_path / "store").mkdir()
    parts.stores.control.damaged = "entry 3 is not what was sealed"
    checks, code = _checks(parts)
    assert code == 3
    assert checks["journal"]["state"] == "fail"
    (tmp_path / "tallystick.toml").write_text("prot = 1")
    checks, code = _checks(parts)
    assert code == 3
    assert checks["settings"]["fix"] == "did you mean port?"


def test_doctor_says_what_a_broken_store_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = FakeParts(tmp_path)
    (tmp_path / "store").mkdir()

    def broken(*_: object, **__: object) -> None:
        raise StoreFault("traces.db is damaged", hint="restore a backup")

    monkeypatch.setattr(parts, "open", broken)
    checks, code = _checks(parts)
    assert code == 3
    assert checks["store"] == {
        "check": "store",
        "state": "fail",
        "why": "traces.db is damaged",
        "fix": "restore a backup",
    }


def test_doctor_names_a_variable_that_is_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_PROT", "1")
    monkeypatch.setenv("TALLYSTICK_DEBUG", "")
    rows = json.loads(call(FakeParts(tmp_path), "doctor", "--json").stdout)["findings"]
    told = [row for row in rows if row["why"] == "TALLYSTICK_PROT is no setting"]
    assert [(row["state"], row["fix"]) for row in told] == [("warn", "did you mean TALLYSTICK_PORT?")]
    assert not any("TALLYSTICK_DEBUG" in row["why"] for row in rows)


def test_doctor_warns_of_a_token_file_that_others_can_read(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    (tmp_path / "token").chmod(0o644)
    (tmp_path / "tallystick.toml").write_text('token_file = "token"')
    checks, _ = _checks(FakeParts(tmp_path))
    assert checks["token"]["state"] == "warn"
    assert "s3cret" not in str(checks)


def test_the_table_of_commands_is_true() -> None:
    context = click.Context(root)
    for name, (_, text) in root_module.COMMANDS.items():
        command = root.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert text.endswith(".")


def test_doctor_tells_what_the_spool_holds_lost_and_refused(tmp_path: Path) -> None:
    from tallystick.model.span import Source, Span
    from tallystick.sdk.adoption import REJECTED_NAME
    from tallystick.sdk.rejects import Rejects
    from tallystick.sdk.spool import Spool

    parts = FakeParts(tmp_path)
    folder = tmp_path / "store" / "spool"
    spool = Spool(folder)
    source = spool.source("k", {}, "s", "", "")
    assert spool.append(("x", source))
    spool.count_lost(3)
    Rejects(folder / REJECTED_NAME).add(Span("t", "s", None, "n", 0, 1, Source()), "no\x1b[2J time")
    rows = json.loads(call(parts, "doctor", "--json").stdout)["findings"]
    told = [row["why"] for row in rows if row["check"] == "spool"]
    assert told[0].endswith("of 1 processes wait to be delivered")
    assert not told[0].startswith("0 B")
    assert told[1:] == [
        "3 records were dropped for want of room",
        "1 records were refused, the last: no\x1b[2J time",
    ]
    assert "\x1b" not in call(parts, "doctor").stdout
    spool.close()
