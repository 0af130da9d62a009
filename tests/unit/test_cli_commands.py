"""Each command against known parts: its answer as text and as JSON, and what it asked of the rest of the house."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_parts import APPROVAL, HOSTILE, RUNS, FakeParts, call, run_row

from tallystick.cli.imports import read
from tallystick.cli.person import this_person
from tallystick.model.errors import BadInput, Conflict, StoreFault, TooLarge, UnknownThing
from tallystick.ports import Change


@pytest.fixture
def parts(tmp_path: Path) -> FakeParts:
    return FakeParts(tmp_path)


def _json(parts: FakeParts, *arguments: str) -> object:
    result = call(parts, *arguments, "--json")
    assert result.exception is None, result.exception
    return json.loads(result.stdout)


def test_runs_ls_gives_the_read_models_page(parts: FakeParts) -> None:
    assert _json(parts, "runs", "ls") == {"total": 2, "at_least": False, "runs": RUNS}


def test_runs_ls_in_a_pipe_is_one_header_and_one_line_a_run(parts: FakeParts) -> None:
    lines = call(parts, "runs", "ls").stdout.splitlines()
    assert lines[0].split("\t")[:3] == ["run", "status", "completeness"]
    assert [line.split("\t")[0] for line in lines[1:]] == [run["run"] for run in RUNS]
    unknown = dict(zip(lines[0].split("\t"), lines[2].split("\t"), strict=True))
    assert unknown["cost_nano_usd"] == ""
    assert unknown["started"] == ""


def test_runs_ls_pages_beyond_what_the_read_model_gives_at_once(parts: FakeParts) -> None:
    parts.reading.listed = [run_row(f"{number:024}") for number in range(2300)]
    page = _json(parts, "runs", "ls", "--limit", "2200")
    assert [run["run"] for run in page["runs"]] == [f"{number:024}" for number in range(2200)]
    assert page["total"] == 2300


def test_runs_ls_says_when_it_shows_only_a_part(parts: FakeParts) -> None:
    result = call(parts, "runs", "ls", "--limit", "1")
    assert "1 of 2 runs" in result.stderr
    assert f"--before {RUNS[0]['run']}" in result.stderr


@pytest.mark.parametrize(
    ("words", "query"),
    [
        (["agent:refunds", "cost:>0.50"], "agent:refunds cost:>0.50"),
        (["late refund"], '"late refund"'),
        (["agent:the desk"], 'agent:"the desk"'),
        (['agent:refunds "late refund"'], 'agent:refunds "late refund"'),
    ],
)
def test_words_become_one_query(parts: FakeParts, words: list[str], query: str) -> None:
    call(parts, "runs", "ls", *words)
    assert parts.reading.asked[-1][0] == query


def test_runs_show_in_a_pipe_lists_every_step_with_its_depth(parts: FakeParts) -> None:
    lines = [line.split("\t") for line in call(parts, "runs", "show", "aaaa").stdout.splitlines()]
    head = lines[0]
    rows = [dict(zip(head, line, strict=True)) for line in lines[1:]]
    assert [(row["step"], row["depth"]) for row in rows] == [
        ("s1", "0"),
        ("s2", "1"),
        ("s3", "1"),
        ("s4", "0"),
    ]
    assert rows[2]["decision"] == "deny"
    assert rows[3]["cost_nano_usd"] == ""
    assert rows[3]["cost_gap"] == "no price"


def test_runs_show_json_is_what_the_read_model_says(parts: FakeParts) -> None:
    assert _json(parts, "runs", "show", "aaaa") == parts.reading.run("aaaa")


def test_nothing_that_agents_wrote_reaches_the_terminal_raw(parts: FakeParts) -> None:
    for command in (["runs", "ls"], ["runs", "show", "aaaa"], ["runs", "ls", "--json"]):
        out = call(parts, *command).stdout
        assert not set(out) & set("\x1b\x07\x9b\u202e"), command


def test_json_keeps_hostile_text_exactly(parts: FakeParts) -> None:
    assert _json(parts, "runs", "ls")["runs"][0]["goal"] == HOSTILE


def test_runs_show_of_an_unknown_run_is_unknown(parts: FakeParts) -> None:
    assert isinstance(call(parts, "runs", "show", "zzzz").exception, UnknownThing)


def test_tail_tells_each_changed_run_once_a_look_and_stops_when_told(parts: FakeParts) -> None:
    one, two = RUNS[0]["run"], RUNS[1]["run"]
    parts.stores.traces.feed = [Change(1, one), Change(2, one), Change(3, two)]
    result = call(parts, "runs", "tail", "--most", "2", "--json")
    assert [json.loads(line)["run"] for line in result.stdout.splitlines()] == [one, two]
    assert parts.stores.closed


def test_import_hands_files_over_whole_and_is_idempotent(parts: FakeParts, tmp_path: Path) -> None:
    file = tmp_path / "runs.json"
    file.write_bytes(b"[1]")
    first = _json(parts, "runs", "import", "tau-bench", str(file))
    second = _json(parts, "runs", "import", "tau-bench", str(file))
    assert (first["added"], first["repeats"]) == (3, 0)
    assert (second["added"], second["repeats"]) == (0, 3)
    assert parts.imported["runs.json"] == file.read_bytes()


def test_import_of_one_bad_file_raises_its_error(parts: FakeParts, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text("{}")
    error = call(parts, "runs", "import", "otlp", str(file)).exception
    assert isinstance(error, BadInput)
    assert "bad.json" in error.message


def test_import_keeps_the_good_files_of_several_and_exits_2(parts: FakeParts, tmp_path: Path) -> None:
    for name, text in (("a.json", "[1]"), ("b.json", "{}"), ("c.json", "[2]")):
        (tmp_path / name).write_text(text)
    files = [str(tmp_path / name) for name in ("a.json", "b.json", "c.json")]
    result = call(parts, "runs", "import", "otlp", *files, "--json")
    answer = json.loads(result.stdout)
    assert result.return_value == 2
    assert answer["runs"] == 2
    assert [Path(row["file"]).name for row in answer["failed"]] == ["b.json"]
    assert answer["failed"][0]["error"]["code"] == "input.invalid"


def test_missing_and_oversized_files_are_named(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"0" * 2000)
    with pytest.raises(TooLarge, match="large"):
        read(large, limit=1999)
    assert len(read(large, limit=2000)) == 2000
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(BadInput, match="cannot be read"):
            read(path)


def test_refused_spans_are_told(parts: FakeParts, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    parts.refused = [{"trace": "t", "span": f"s{number}\x1b", "reason": "no time"} for number in range(12)]
    result = call(parts, "runs", "import", "otlp", str(tmp_path / "a.json"))
    assert result.stderr.count("no time") == 10
    assert "and 2 more refused" in result.stderr
    assert "\x1b" not in result.stderr
    answer = _json(parts, "runs", "import", "otlp", str(tmp_path / "a.json"))
    assert (answer["rejected"], len(answer["files"][0]["rejected"])) == (12, 12)


def test_export_never_overwrites(parts: FakeParts, tmp_path: Path) -> None:
    assert json.loads(call(parts, "runs", "export", "aaaa").stdout) == {"resourceSpans": []}
    target = tmp_path / "run.json"
    assert call(parts, "runs", "export", "aaaa", "-o", str(target)).exception is None
    before = target.read_bytes()
    assert isinstance(call(parts, "runs", "export", "aaaa", "-o", str(target)).exception, Conflict)
    assert target.read_bytes() == before


def test_cost_says_that_a_sum_is_not_whole(parts: FakeParts) -> None:
    result = call(parts, "cost", "--by", "model", "since:7d")
    assert "≥ $0.00500 (2 unpriced)" in result.stderr
    row = dict(zip(*[line.split("\t") for line in result.stdout.splitlines()], strict=True))
    assert row["cost_nano_usd"] == ""
    assert _json(parts, "cost", "--by", "tool")["by"] == "tool"


def test_approvals_are_listed_shown_and_answered(parts: FakeParts) -> None:
    assert _json(parts, "approvals", "ls") == {"approvals": [APPROVAL]}
    assert _json(parts, "approvals", "ls", "--state", "expired") == {"approvals": []}
    assert "amount" in call(parts, "approvals", "show", "apr_1").stdout
    assert _json(parts, "approvals", "approve", "apr_1", "--note", "ok by me")["state"] == "approved"
    assert call(parts, "approvals", "reject", "apr_1").exception is None
    me = this_person()
    assert parts.answered == [("apr_1", "approved", me, "ok by me"), ("apr_1", "rejected", me, None)]


def test_nobody_answers_in_another_name(parts: FakeParts, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "somebody-else")
    assert call(parts, "approvals", "approve", "apr_1").exception is None
    assert parts.answered[0][2] != "somebody-else"


def test_a_budget_is_journalled(parts: FakeParts) -> None:
    answer = _json(parts, "budgets", "set", "every-run", "--scope", "run:*", "--limit", "0.50")
    assert answer["limit_nano_usd"] == 500_000_000
    entry = parts.stores.control.entries_[-1]
    assert (entry.kind, entry.subject) == ("budget.set", "every-run")
    assert entry.body == {"budget": "every-run", "scope": "run:*", "limit_nano": 500_000_000, "mode": "hard"}


@pytest.mark.parametrize(
    ("scope", "limit"),
    [("everything", "1"), ("run:*", "-1"), ("run:*", "much"), ("agent:", "1"), ("run:*", "nan")],
)
def test_a_bad_budget_changes_nothing(parts: FakeParts, scope: str, limit: str) -> None:
    error = call(parts, "budgets", "set", "b", "--scope", scope, "--limit", limit).exception
    assert isinstance(error, BadInput)
    assert parts.stores.control.entries_ == []


def test_a_dry_run_changes_nothing(parts: FakeParts) -> None:
    answer = _json(parts, "budgets", "set", "b", "--scope", "run:*", "--limit", "1", "--dry-run")
    assert (answer["changed"], answer["entry"]) == (False, None)
    assert parts.stores.control.entries_ == []


def test_budgets_are_listed_and_shown(parts: FakeParts) -> None:
    assert _json(parts, "budgets", "ls")["total"] == 1
    assert _json(parts, "budgets", "ls", "--scope", "agent:x")["budgets"] == []
    assert _json(parts, "budgets", "show", "every-run")["scope"] == "run:*"


def test_the_journal_is_verified_or_the_answer_is_no(parts: FakeParts) -> None:
    call(parts, "budgets", "set", "b", "--scope", "run:*", "--limit", "1")
    size, root = parts.stores.control.head()
    assert _json(parts, "journal", "head") == {"size": size, "root": root.hex()}
    verified = _json(parts, "journal", "verify")
    assert (verified["verified"], verified["head"]) == (True, {"size": 1, "root": root.hex()})
    assert verified["lamps"]["integrity"] == "holds"
    assert verified["lamps"]["completeness"] == "grey"
    assert {step["state"] for step in verified["steps"]} == {"holds", "not checked"}
    parts.stores.control.damaged = "entry 3 is not what was sealed"
    result = call(parts, "journal", "verify")
    assert result.return_value == 3
    assert "finding      entries" in result.stdout
    assert "integrity: broken" in result.stdout


def test_a_journal_in_doubt_is_read_with_a_warning_and_never_written(parts: FakeParts) -> None:
    parts.stores.doubt = StoreFault("the newest entries are gone", hint="put a backup in its place")
    assert "beware: the newest entries are gone" in call(parts, "journal", "head").stderr
    for command in (
        ("budgets", "set", "b", "--scope", "run:*", "--limit", "1"), ("apply",), ("journal", "checkpoint"),
        ("approvals", "approve", "apr_1"), ("journal", "key"),
    ):  # fmt: skip
        assert isinstance(call(parts, *command).exception, StoreFault), command


def test_rebuild_answers_no_where_the_views_were_not_true(parts: FakeParts) -> None:
    assert call(parts, "store", "rebuild").return_value == 0
    parts.stores.control.changed = 2
    result = call(parts, "store", "rebuild", "--json")
    assert result.return_value == 3
    assert json.loads(result.stdout) == {"views": {"approvals": 1, "budgets": 1}, "changed": 2}


def test_store_info_does_not_make_a_store(parts: FakeParts, tmp_path: Path) -> None:
    answer = _json(parts, "store", "info", "--store", str(tmp_path / "elsewhere"))
    assert answer["exists"] is False
    assert answer["origin"] == "flag --store"
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "store").mkdir()
    assert _json(parts, "store", "info")["control"] == {"schema": 1, "entries": 0}


def test_config_show_masks_secrets_and_names_origins(tmp_path: Path) -> None:
    parts = FakeParts(tmp_path, {"TALLYSTICK_TOKEN": "s3cret", "TALLYSTICK_PORT": "5000"})
    answer = _json(parts, "config", "show", "--origin")
    assert answer["settings"]["token"] == {"value": "••••••", "origin": "TALLYSTICK_TOKEN"}
    assert answer["settings"]["port"] == {"value": 5000, "origin": "TALLYSTICK_PORT"}
    assert "s3cret" not in call(parts, "config", "show").stdout


def test_up_serves_the_store_with_flags_above_the_environment(tmp_path: Path) -> None:
    parts = FakeParts(tmp_path, {"TALLYSTICK_PORT": "5000"})
    assert call(parts, "up", "--port", "6000", "--store", "here").exception is None
    ((path, settings),) = parts.served
    assert (path, settings.port) == (tmp_path / "here", 6000)


def test_run_switches_recording_on_and_hands_over(parts: FakeParts, tmp_path: Path) -> None:
    result = call(parts, "run", "--agent", "refunds", "--store", "s", "--", "python3", "-c", "pass", "--json")
    assert result.exception is None
    ((command, environment),) = parts.executed
    assert command == ("python3", "-c", "pass", "--json")
    assert environment["TALLYSTICK_AGENT"] == "refunds"
    assert environment["TALLYSTICK_STORE"] == str(tmp_path / "s")
    assert environment["PATH"]


def test_run_without_a_program_or_with_an_unknown_one(parts: FakeParts) -> None:
    assert isinstance(call(parts, "run").exception, BadInput)
    assert isinstance(call(parts, "run", "--", "no-such-program-here").exception, UnknownThing)
    assert parts.executed == []


def _scene(agrees: bool) -> dict[str, object]:
    return {
        "name": "good",
        "expected": "ok",
        "observed": "ok" if agrees else HOSTILE,
        "agrees": agrees,
        "run": "a",
    }


def test_demo_headless_exits_0_only_where_all_agree(parts: FakeParts) -> None:
    parts.scenes = [_scene(True), _scene(True)]
    result = call(parts, "demo", "--headless", "--json")
    assert result.return_value == 0
    assert set(json.loads(result.stdout)) == {"scenes", "store"}
    parts.scenes = [_scene(True), _scene(False)]
    result = call(parts, "demo", "--headless")
    assert result.return_value == 3
    assert "expected: ok" in result.stdout
    assert "\x1b" not in result.stdout
    assert "tally evidence" in result.stderr
    assert "tally verify refund.evidence.jsonl --key" in result.stderr
    assert parts.served == []


def test_demo_serves_afterwards_with_what_was_asked(parts: FakeParts, tmp_path: Path) -> None:
    parts.scenes = [_scene(True)]
    assert call(parts, "demo", "--port", "0").exception is None
    ((path, settings),) = parts.served
    assert (path, settings.port) == (tmp_path / "demo", 0)


def test_apply_and_policy_check_pass_their_answers_on(parts: FakeParts) -> None:
    assert _json(parts, "apply", "--dry-run")["items"] == []
    assert _json(parts, "apply")["unchanged"] == 2
    shown = call(parts, "apply").stdout
    assert "agent\trefunds" in shown
    assert "retire" in shown
    assert "\x1b" not in shown
    assert _json(parts, "policy", "check")["rules"] == 7


def test_init_writes_a_project_that_reads_and_touches_nothing_twice(parts: FakeParts, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    dry = _json(parts, "init", str(folder), "--dry-run")
    assert not folder.exists()
    first = _json(parts, "init", str(folder), "--agent", "refunds")
    assert sorted(first["written"]) == sorted(name.replace("my-agent", "refunds") for name in dry["written"])
    (folder / "tools" / "lookup_order.toml").write_text("mine")
    second = _json(parts, "init", str(folder), "--agent", "refunds")
    assert second["written"] == []
    assert (folder / "tools" / "lookup_order.toml").read_text() == "mine"
    parts.folder = folder
    assert parts.settings({}).agent == "refunds"


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", 'a"b'])
def test_init_refuses_a_name_that_is_a_path(parts: FakeParts, tmp_path: Path, name: str) -> None:
    assert isinstance(call(parts, "init", str(tmp_path / "p"), "--agent", name).exception, BadInput)
    assert not (tmp_path / "p").exists()
