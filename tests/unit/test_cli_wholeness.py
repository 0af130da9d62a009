"""``tally runs completeness``: counts for people, fields for pipes, one document for programs."""

from __future__ import annotations

import json
from pathlib import Path

from cli_parts import FakeParts, call


def test_rows_are_told_plainly(tmp_path: Path) -> None:
    parts = FakeParts(tmp_path)
    shown = call(parts, "runs", "completeness", "agent:refunds", "--by", "day")
    assert shown.exit_code == 0, shown.stderr
    assert "\x1b" not in shown.stdout
    header, first, _ = shown.stdout.splitlines()
    fields = ["key", "runs", "complete", "lossy", "open", "crashed", "missing", "missing_unknown"]
    assert header.split("\t") == fields
    assert first.split("\t")[1:] == ["4", "1", "2", "0", "1", "3", "1"]
    assert "tally runs ls completeness:lossy" in shown.stderr


def test_json_is_what_the_read_model_says(tmp_path: Path) -> None:
    told = json.loads(call(FakeParts(tmp_path), "runs", "completeness", "--json").stdout)
    assert told["by"] == "agent"
    assert [row["key"] is None for row in told["rows"]] == [False, True]
