"""The command line over the real house: real stores, real processes, no fakes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.root import invoke

DATA = Path(
    os.environ.get("TALLYSTICK_SHARED_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data"
)
TRACE = "5b8efff798038103d269b633813fc60c"
BIG = 2**62 + 1  # a 64-bit integer that a double cannot hold


def _attributes(**values: Any) -> list[dict[str, Any]]:
    names = {"bool": "boolValue", "int": "intValue", "float": "doubleValue", "str": "stringValue"}
    return [
        {
            "key": key.replace("__", "."),
            "value": {names[type(value).__name__]: str(value) if type(value) is int else value},
        }
        for key, value in values.items()
    ]


def _span(number: int, parent: int | None, name: str, **attributes: Any) -> dict[str, Any]:
    span = {
        "traceId": TRACE, "spanId": f"{number:016x}", "name": name, "kind": 1,
        "startTimeUnixNano": str(1_763_800_000_000_000_000 + number * 1000),
        "endTimeUnixNano": str(1_763_800_000_500_000_000 - number * 1000),
        "attributes": _attributes(**attributes), "status": {"code": 0},
    }  # fmt: skip
    return span if parent is None else {**span, "parentSpanId": f"{parent:016x}"}


def _document() -> dict[str, Any]:
    spans = [
        _span(1, None, "invoke_agent refunds", gen_ai__operation__name="invoke_agent", gen_ai__agent__name="refunds"),
        _span(2, 1, "chat gpt-4o-mini", gen_ai__operation__name="chat", gen_ai__provider__name="openai",
              gen_ai__request__model="gpt-4o-mini", gen_ai__usage__input_tokens=1000,
              gen_ai__usage__output_tokens=100),
        _span(3, 1, "execute_tool look", gen_ai__operation__name="execute_tool", gen_ai__tool__name="look\x1b[2J",
              gen_ai__tool__call__arguments='{"order": "A-1"}', gen_ai__tool__call__result='{"paid": true}', big=BIG),
    ]  # fmt: skip
    scope = {"scope": {"name": "test", "version": "1"}, "spans": spans}
    return {
        "resourceSpans": [{"resource": {"attributes": _attributes(service__name="t")}, "scopeSpans": [scope]}]
    }


class Tally:
    """Runs commands on one store, in this process unless a test is about processes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        for name in [name for name in os.environ if name.startswith("TALLYSTICK_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(folder / "home"))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: str, code: int = 0) -> str:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            given = invoke([*arguments, "--store", str(self.folder / "store")])
        assert given == code, f"{arguments}: {given}\n{out.getvalue()}\n{err.getvalue()}"
        assert "Traceback" not in err.getvalue()
        return out.getvalue() if code == 0 else err.getvalue()

    def no(self, *arguments: str) -> str:
        """What a command says on stdout when its answer is no."""
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(io.StringIO()):
            assert invoke([*arguments, "--store", str(self.folder / "store")]) == 3
        return out.getvalue()

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))


@pytest.fixture
def tally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tally:
    return Tally(tmp_path, monkeypatch)


@pytest.fixture
def filled(tally: Tally) -> Tally:
    (tally.folder / "run.json").write_text(json.dumps(_document()))
    assert tally.json("runs", "import", "otlp", "run.json")["added"] == 3
    return tally


def test_an_empty_store_says_so(tally: Tally) -> None:
    assert tally.json("runs", "ls") == {"total": 0, "at_least": False, "runs": []}
    assert tally.json("store", "info")["store"] == str(tally.folder / "store")
    assert tally.json("journal", "verify")["verified"] is True


def test_a_run_comes_in_is_shown_and_priced(filled: Tally) -> None:
    (run,) = filled.json("runs", "ls")["runs"]
    assert (run["agent"], run["steps"], run["model_calls"], run["tool_calls"]) == ("refunds", 3, 1, 1)
    shown = filled.json("runs", "show", run["run"][:8])
    by_kind = {step["kind"]: step for step in shown["steps"]}
    assert by_kind["tool"]["arguments"] == {"order": "A-1"}
    assert by_kind["tool"]["result"] == {"paid": True}
    assert by_kind["model"]["usage"]["input_tokens"] == 1000
    assert by_kind["model"]["cost_nano_usd"] > 0
    assert shown["totals"]["cost_nano_usd"] == by_kind["model"]["cost_nano_usd"]
    text = filled("runs", "show", run["run"][:8])
    assert "\x1b" not in text
    assert "look␛[2J" in text


def test_the_silence_that_reads_as_a_crash_is_the_one_that_was_set(
    tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = _document()
    del document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["endTimeUnixNano"]
    (tally.folder / "run.json").write_text(json.dumps(document))
    monkeypatch.setenv("TALLYSTICK_CRASH_AFTER_S", "1")
    tally("runs", "import", "otlp", "run.json")
    deadline = time.monotonic() + 20
    while tally.json("runs", "ls")["runs"][0]["completeness"] == "open":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert tally.json("runs", "ls")["runs"][0]["completeness"] == "crashed"


def test_importing_again_adds_nothing(filled: Tally) -> None:
    before = filled.json("runs", "ls")
    again = filled.json("runs", "import", "otlp", "run.json")
    assert (again["added"], again["repeats"]) == (0, 3)
    after = filled.json("runs", "ls")
    assert [{**run, "seen": None} for run in after["runs"]] == [
        {**run, "seen": None} for run in before["runs"]
    ]


def test_what_is_exported_is_what_came_in(
    filled: Tally, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = filled.json("runs", "ls")["runs"][0]["run"]
    exported = json.loads(filled("runs", "export", run))

    def spans(document: dict[str, Any]) -> list[dict[str, Any]]:
        parts = [part for group in document["resourceSpans"] for part in group["scopeSpans"]]
        found = [span for part in parts for span in part["spans"]]
        for span in found:
            span["attributes"].sort(key=lambda item: item["key"])
        return sorted(found, key=lambda span: span["spanId"])

    assert spans(exported) == spans(_document())
    resource = _document()["resourceSpans"][0]["resource"]
    claim = {
        "key": "tallystick.claimed",
        "value": {"boolValue": True},
    }  # a file said it, and goes on saying so
    assert exported["resourceSpans"][0]["resource"] == {"attributes": [*resource["attributes"], claim]}
    (tmp_path / "other.json").write_text(json.dumps(exported))
    steps = filled.json("runs", "show", run)["steps"]
    (tmp_path / "other").mkdir()
    other = Tally(tmp_path / "other", monkeypatch)
    assert other.json("runs", "import", "otlp", str(tmp_path / "other.json"))["added"] == 3
    assert other.json("runs", "show", run)["steps"] == steps


def test_one_request_a_line_is_read_and_a_bad_line_is_named(tally: Tally) -> None:
    line = json.dumps(_document())
    (tally.folder / "lines.jsonl").write_text(f"{line}\n{line.replace(TRACE, 'a' * 32)}\n")
    assert tally.json("runs", "import", "otlp", "lines.jsonl")["runs"] == 2
    (tally.folder / "bad.jsonl").write_text(f"{line}\n{line}\n{{broken}}\n")
    assert "line 3" in tally("runs", "import", "otlp", "bad.jsonl", code=2)


@pytest.mark.parametrize("content", [b"", b"hello", b"[1]", b"{}", b"\x0a\xff\xff\xff", b"\x1f\x8bnot gzip"])
def test_a_file_of_the_wrong_shape_is_said_to_be(tally: Tally, content: bytes) -> None:
    (tally.folder / "odd.file").write_bytes(content)
    for form in ("otlp", "tau-bench", "who-and-when", "langfuse"):
        said = tally("runs", "import", form, "odd.file", code=2)
        assert said.startswith("tally: odd.file"), form
    assert tally.json("runs", "ls") == {"total": 0, "at_least": False, "runs": []}


def test_budgets_are_kept_and_journalled(tally: Tally) -> None:
    tally("budgets", "set", "every-run", "--scope", "run:*", "--limit", "0.50")
    (budget,) = tally.json("budgets", "ls")["budgets"]
    assert (budget["limit_nano_usd"], budget["available_nano_usd"]) == (500_000_000, 500_000_000)
    assert tally.json("budgets", "show", "every-run") == budget
    assert [entry["kind"] for entry in tally.json("journal", "ls")["entries"]] == ["budget.set"]
    head = tally.json("journal", "head")
    assert tally.json("journal", "verify")["head"] == head
    assert tally.json("store", "rebuild")["changed"] == 0
    assert tally.json("budgets", "show", "every-run") == budget


def test_a_damaged_journal_is_not_verified(tally: Tally) -> None:
    import sqlite3

    tally("budgets", "set", "every-run", "--scope", "run:*", "--limit", "0.50")
    tally("budgets", "set", "other", "--scope", "agent:a", "--limit", "1")
    with sqlite3.connect(tally.folder / "store" / "control.db") as base:
        guards = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in guards:
            base.execute(f'DROP TRIGGER "{name}"')
        changed = base.execute("UPDATE journal SET actor = 'somebody else' WHERE seq = 1").rowcount
    base.close()
    assert changed == 1
    told = json.loads(tally.no("journal", "verify", "--json"))
    assert (told["verified"], told["lamps"]["integrity"]) == (False, "broken")
    (finding,) = [step for step in told["steps"] if step["state"] == "finding"]
    assert finding["step"] == "entries"


def test_things_costs_and_doctor_answer(filled: Tally) -> None:
    names = {row["name"] for row in filled.json("tools", "ls")["tools"]}
    assert names == {"look\x1b[2J"}
    assert filled.json("agents", "show", "refunds")["observed"] is True
    assert filled.json("workflows", "ls")["total"] == 0
    for by in ("agent", "tool", "workflow", "run", "model"):
        assert filled.json("cost", "--by", by)["total_nano_usd"] > 0
    findings = filled.json("doctor")["findings"]
    assert [row for row in findings if row["state"] == "fail"] == []


def test_init_apply_and_policy_check_agree(tally: Tally) -> None:
    tally("init", ".", "--agent", "refunds")
    assert tally.json("policy", "check")["rules"] >= 1
    assert {item["type"] for item in tally.json("apply")["declared"]} == {"agent", "policy", "tool"}
    assert tally.json("apply")["declared"] == []
    assert tally.json("tools", "show", "lookup_order")["declared"] is True
    (tally.folder / "policies" / "bad.cedar").write_text(
        'permit (principal, action == Action::"nope", resource);'
    )
    said = tally("policy", "check", code=2)
    assert "bad.cedar" in said
    (tally.folder / "tools" / "bad.toml").write_text('name = "x"\neffekt = "read"\n')
    assert "effect" in tally("apply", code=2)


def test_run_hands_over_to_the_program(tally: Tally) -> None:
    (tally.folder / "program.py").write_text("import sys; print('mine', sys.argv[1:]); sys.exit(9)")
    command = [
        sys.executable,
        "-m",
        "tallystick",
        "run",
        "--store",
        "s",
        "--",
        sys.executable,
        "program.py",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (9, "mine ['--json']\n")


def test_a_store_that_is_no_store_is_refused_and_left_alone(tally: Tally) -> None:
    (tally.folder / "store").mkdir()
    for name in ("traces.db", "control.db"):
        (tally.folder / "store" / name).write_bytes(b"this is somebody's diary, not a database" * 100)
    assert tally("runs", "ls", code=1).startswith("tally: ")
    for name in ("traces.db", "control.db"):
        assert (tally.folder / "store" / name).read_bytes().startswith(b"this is somebody's diary")


def test_all_recorded_runs_import_and_a_second_time_adds_nothing(tally: Tally) -> None:
    if not DATA.is_dir():
        pytest.skip("the shared data of recorded runs is not here")
    files = {
        "tau-bench": ([DATA / "tau-bench-airline" / "gpt-4o-airline.json.gz"], 200),
        "who-and-when": (sorted((DATA / "who-and-when-generated" / "runs").glob("*.json*")), 126),
    }
    for form, (paths, runs) in files.items():
        names = [str(path) for path in paths]
        first = tally.json("runs", "import", form, *names)
        assert (first["runs"], first["repeats"], first["rejected"]) == (runs, 0, 0)
        again = tally.json("runs", "import", form, *names)
        assert (again["added"], again["steps"]) == (0, first["steps"])
        assert tally.json("runs", "ls", f"source:{form}", "--limit", "1")["total"] == runs
