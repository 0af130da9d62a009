"""``tally runs export``: as OTLP, as JSON lines and as Parquet, of one run and of many, archived or not."""

from __future__ import annotations

import json

import duckdb
import pytest

from tallystick import wiring
from tallystick.cli import main
from tallystick.model.span import Source, Span

SOURCE = Source({"service.name": "shop"}, "test", "1")


@pytest.fixture
def folder(tmp_path):
    stores = wiring.open_stores(tmp_path / "store")
    for run in range(3):
        wiring.recorder(stores).record([
            Span(
                f"{run + 1:032x}", f"{run * 1000 + number + 1:016x}", None, "chat\x1b[2J‮", 10**18 + number,
                10**18 + 1000, SOURCE,
                attributes={"gen_ai.agent.name": f"agent-{run % 2}", "said": "words " * 100, "odd": b"\xff"},
            )
            for number in range(600)
        ])  # fmt: skip
    stores.traces.archive(before=2**62, now=2**62)
    stores.close()
    return tmp_path / "store"


def tally(capsys, folder, *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["runs", "export", *words, "--store", str(folder)])
    assert not ended.value.code
    return capsys.readouterr().out


def test_many_runs_as_otlp(capsys, folder):
    document = json.loads(tally(capsys, folder, "agent:agent-0"))
    spans = [
        span for one in document["resourceSpans"] for scope in one["scopeSpans"] for span in scope["spans"]
    ]
    assert len(spans) == 1200
    assert len({span["spanId"] for span in spans}) == 1200


def test_json_lines(capsys, folder):
    text = tally(capsys, folder, f"{2:032x}", "--format", "jsonl")
    assert "\x1b" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["type"] for line in lines[:2]] == ["run", "step"]
    assert len(lines) == 601
    assert lines[0]["archived"]


def test_a_parquet_file_that_anybody_reads(capsys, folder, tmp_path):
    file = tmp_path / "it's.parquet"
    tally(capsys, folder, "agent:agent-0", "--format", "parquet", "-o", str(file))
    found = duckdb.connect().execute(
        "SELECT agent, count(*), max(json_extract_string(attributes, '$.said')) FROM read_parquet($1) GROUP BY agent",
        [str(file)],
    ).fetchall()  # fmt: skip
    assert found == [("agent-0", 1200, "words " * 100)]


@pytest.mark.parametrize("words", [("nobody",), (f"{1:032x}", "--format", "parquet")])
def test_what_cannot_be_exported_writes_nothing(capsys, folder, words):
    with pytest.raises(SystemExit) as ended:
        main(["runs", "export", *words, "--store", str(folder)])
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""
