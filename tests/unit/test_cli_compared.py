"""What the command line says where runs are compared, searched and put away: plain, escaped, and JSON as it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli_parts import HOSTILE, RUNS, FakeParts, FakeReader, call

from tallystick.app.keeping.retention import Expired
from tallystick.ports.archive import Archived

BRIEF: dict[str, Any] = {
    "step": "b" * 16, "kind": "tool", "name": HOSTILE, "agent": HOSTILE, "tool": "refund", "model": None,
    "status": "ok", "depth": 1, "cost_nano_usd": None, "duration_ns": None,
}  # fmt: skip
SIGNAL = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 4, "unmeasured": 1}
UNKNOWN = {"value": None, "low": None, "high": None, "n": 0, "unmeasured": 4}
NOBODY_KNOWS = {
    "completion": SIGNAL, "tool_calls": UNKNOWN, "adherence": UNKNOWN, "cost_per_run_nano_usd": UNKNOWN,
    "cost_per_success_nano_usd": UNKNOWN,
}  # fmt: skip


class Comparing(FakeReader):
    """A read model that compares as if everything had hostile names."""

    def diff(self, a: str, b: str, *, every: bool = False) -> Mapping[str, Any]:
        changes = [{"field": f"arguments.{HOSTILE}", "a": 40, "b": HOSTILE}]
        row = {"op": "changed", "a": BRIEF, "b": BRIEF, "changes": changes, "equal_before": 2}
        return {
            "a": RUNS[0], "b": RUNS[1], "same": False, "first": 0, "hidden": 2, "rows": [row],
            "cause": {"kind": "arguments", "text": "The tool step was given something else."},
            "totals": [{"field": "steps", "a": 3, "b": 4}], "notes": [HOSTILE],
        }  # fmt: skip

    def contrast(self, a: str, b: str | None = None) -> Mapping[str, Any]:
        sides = {"a": {"with": 3, "of": 4}, "b": {"with": 0, "of": 8}}
        row = {
            "attribute": "attr.shop", "value": HOSTILE, **sides, "difference": 0.75, "low": 0.2, "high": 0.9,
            "p": 0.01, "q": 0.02, "confidence": "strong", "aliases": [],
        }  # fmt: skip
        of = {"query": HOSTILE, "runs": 4, "measured": 4}
        return {"a": of, "b": of, "attributes": [row], "tested": 7, "notes": ["few runs"]}

    def find(self, prefix: str, text: str, *, limit: int = 1, after: str | None = None) -> Mapping[str, Any]:
        match = {
            "step": "s1",
            "field": f"attribute:{HOSTILE}",
            "snippet": f"say {text}",
            "at": 4,
            "length": len(text),
        }
        return {
            "run": prefix,
            "query": text,
            "matches": [match],
            "searched": 3,
            "more": None if after else "7",
        }

    def signals_over(self, agent: str, by: str, since: str | None = None) -> Mapping[str, Any]:
        row = {"version": HOSTILE, "from": None, "to": None, "runs": 4, **NOBODY_KNOWS}
        return {"agent": agent, "since": None, "by": by, "rows": [row]}


class Keeping(FakeParts):
    """Parts that put runs away without a store."""

    def catalog(self, stores: Any) -> Any:
        return self.reading

    def archive(self, stores: Any, *, days: int, dry_run: bool, say: Any) -> Archived:
        return Archived(3, 30, 0 if dry_run else 4096, 1, busy=days == 9)

    def expire(self, stores: Any, settings: Any, *, dry_run: bool) -> Expired:
        return Expired(2, 0 if dry_run else 20, 1, (("environment:dev=7d", 2),))

    def backup(self, stores: Any, folder: Path, *, with_key: bool, say: Any) -> Any:
        return SimpleNamespace(files=4, bytes=9000, linked=1)

    def eraser(self, stores: Any) -> Any:
        done = SimpleNamespace(
            runs=["a" * 32], steps=3, records=3, openings=1, bytes=10, done=True, log_emptied=False
        )
        return SimpleNamespace(
            runs_of=lambda _subject, _run: done.runs,
            plan=lambda _: SimpleNamespace(**{**vars(done), "done": False}),
            erase=lambda _runs, **_how: done,
        )


@pytest.fixture
def parts(tmp_path: Path) -> FakeParts:
    made = Keeping(tmp_path)
    made.reading = Comparing()
    return made


COMPARED = {
    "diff": (["runs", "diff", "aaaa", "bbbb"], "diff", ["aaaa", "bbbb"]),
    "contrast": (["runs", "contrast", "status:failed"], "contrast", ["status:failed"]),
    "find": (["runs", "find", "aaaa", "hello", "--limit", "1"], "find", ["aaaa", "hello"]),
    "signals": (["agents", "signals", "refunds", "--by", "version"], "signals_over", ["refunds", "version"]),
}


@pytest.mark.parametrize("name", COMPARED)
def test_nothing_that_an_agent_wrote_reaches_a_terminal_as_it_is(parts: FakeParts, name: str) -> None:
    shown = call(parts, *COMPARED[name][0])
    assert shown.exit_code == 0, (shown.stderr, shown.exception)
    assert shown.stdout.strip()
    for said in (shown.stdout, shown.stderr):
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(said)


@pytest.mark.parametrize("name", COMPARED)
def test_json_is_the_answer_of_the_read_model(parts: FakeParts, name: str) -> None:
    arguments, method, given = COMPARED[name]
    told = json.loads(call(parts, *arguments, "--json").stdout)
    assert told == json.loads(json.dumps(getattr(parts.reading, method)(*given)))


def test_a_pipe_gets_the_columns_of_what_separates(parts: FakeParts) -> None:
    header, row = call(parts, "runs", "contrast", "status:failed").stdout.splitlines()
    told = dict(zip(header.split("\t"), row.split("\t"), strict=True))
    assert [told[name] for name in ("with_a", "of_a", "with_b", "of_b", "q")] == ["3", "4", "0", "8", "0.02"]


def test_what_was_not_measured_is_an_empty_field_and_never_nought(parts: FakeParts) -> None:
    header, row = call(parts, "agents", "signals", "refunds", "--by", "version").stdout.splitlines()
    told = dict(zip(header.split("\t"), row.split("\t"), strict=True))
    assert (told["completion.value"], told["tool_calls.value"], told["tool_calls.unmeasured"]) == (
        "0.5",
        "",
        "4",
    )


def test_more_matches_are_told_with_the_way_to_them(parts: FakeParts) -> None:
    assert "--after 7" in call(parts, "runs", "find", "aaaa", "hello", "--limit", "1").stderr
    further = call(parts, "runs", "find", "aaaa", "hello")  # the first answer did not come to the run's end
    assert "--after" not in further.stderr
    assert further.stdout.count("hello") == 2


def test_archiving_says_what_it_did_what_it_would_do_and_that_another_does_it(parts: FakeParts) -> None:
    assert "archived 3 runs with 30 steps in 4,096 bytes" in call(parts, "store", "archive").stderr
    assert "would archive 3 runs" in call(parts, "store", "archive", "--dry-run").stderr
    busy = call(parts, "store", "archive", "--before", "9d", "--json")
    assert (busy.return_value, json.loads(busy.stdout)["busy"]) == (7, True)


def test_expiring_names_each_rule_and_what_stays(parts: FakeParts) -> None:
    shown = call(parts, "store", "expire")
    assert "environment:dev=7d" in shown.stdout
    assert "deleted 2 runs with 20 steps" in shown.stderr
    assert "1 runs are due and stay" in shown.stderr
    told = json.loads(call(parts, "store", "expire", "--dry-run", "--json").stdout)
    assert told == {"runs": 2, "steps": 0, "kept": 1, "dry_run": True,
                    "rules": [{"rule": "environment:dev=7d", "runs": 2}]}  # fmt: skip


def test_a_backup_and_an_erasure_say_what_they_did(parts: FakeParts, tmp_path: Path) -> None:
    assert "4 files, 9,000 bytes" in call(parts, "store", "backup", str(tmp_path / "copy")).stderr
    erase = ["store", "erase", "--subject", "s", "--because", "request 7"]
    assert "run this again" in call(parts, *erase).stderr
    assert "nothing was erased" in call(parts, *erase, "--dry-run").stderr
    told = json.loads(call(parts, *erase, "--json").stdout)
    assert (told["runs"], told["steps"], told["log_emptied"]) == (["a" * 32], 3, False)


def test_the_doctor_tells_each_index_the_journal_and_old_runs(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    said = call(FakeParts(tmp_path), "doctor").stdout
    for line in (
        "1 runs wait to be indexed for full text", "5 records and the ends of 1 runs are not in the journal yet",
        "runs older than 30 days stay where they are", "nothing could be deleted",
    ):  # fmt: skip
        assert line in said, said
    assert "\x1b" not in said
