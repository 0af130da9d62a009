"""The audit of stored steps is silent on honest stores, old and new, and misses what was lost."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
import test_framework_spans as frameworks
from audit_shop import NOW, Shop, model, work

from tallystick.model.journal import Draft
from tallystick.model.query import EVERYTHING
from tallystick.observe.normalise import read_span
from tallystick.proof.records import (
    content_bytes,
    reading_of,
    source_bytes,
    source_digest,
    source_of,
    span_of,
)


def test_an_honest_store_has_no_flaw_at_any_time(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    sent = 0
    for batch in work():
        shop.record(batch)
        assert shop.flaws() == []  # nothing is attested yet
        shop.attest()
        assert shop.flaws() == []
        sent += len(batch)
    found = shop.audit()
    assert sum(one.records for one in found) == sent
    assert sum(one.waiting + one.uncovered for one in found) == 0
    shop.record([model(40, 4001, None)])
    assert [(one.waiting, one.flaws) for one in shop.audit() if one.waiting] == [(1, ())]
    shop.close()


@pytest.mark.skipif(not frameworks.TRUTH, reason="the recorded framework spans are not here")
def test_spans_of_real_frameworks_are_read_as_their_records_say(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    names = sorted(frameworks.TRUTH)
    for name in names:
        if (frameworks.DATA / f"{name}.pb").exists():
            shop.record(frameworks._load(name, "pb"))
    shop.attest()
    assert shop.flaws() == []
    assert sum(one.records for one in shop.audit()) > 100
    for run in shop.traces.logs():
        for one in shop.traces.kept(run):  # as a verifier does it, from the opened content
            source = source_of(json.loads(source_bytes(one.span.source)))
            content = json.loads(content_bytes(one.span, source_digest(source)))
            place = (one.span.trace, one.span.span, one.span.parent, one.span.started, one.span.ended)
            again = read_span(span_of(content, *place, source))[0][0]
            again.cost_nano, again.cost_gap = one.step.cost_nano, one.step.cost_gap
            assert reading_of(again) == reading_of(one.step)
    shop.close()


def test_steps_from_before_there_were_records_are_counted_as_not_covered(tmp_path: Path) -> None:
    golden = Path(__file__).resolve().parent.parent / "golden" / "store-1"
    for name in ("traces.db", "control.db"):
        shutil.copy(golden / name, tmp_path / name)
    shop = Shop(tmp_path)
    found = shop.audit()
    assert sum(one.uncovered for one in found) == sum(one.steps for one in found) == 10
    assert [flaw for one in found for flaw in one.flaws] == []
    for batch in work():
        shop.record(batch)
        shop.attest()
    found = shop.audit()
    assert sum(one.uncovered for one in found) == 10
    assert [flaw for one in found for flaw in one.flaws] == []
    size = shop.control.head()[0]
    shop.attest()
    assert shop.control.head()[0] == size  # what is old is sealed only when it is asked for
    shop.close()
    connection = sqlite3.connect(tmp_path / "traces.db")
    body = connection.execute("SELECT body FROM step WHERE id=1").fetchone()[
        0
    ]  # an old body: it names no record
    connection.execute("UPDATE step SET body=? WHERE id=(SELECT max(id) FROM step)", (body,))
    connection.commit()
    connection.close()
    shop = Shop(tmp_path)
    assert any("a step has no record" in one.text for one in shop.flaws())
    shop.close()


def test_records_of_an_older_version_still_fit(tmp_path: Path) -> None:
    golden = Path(__file__).resolve().parent.parent / "golden" / "shop-2"
    for name in ("traces.db", "control.db"):
        shutil.copy(golden / name, tmp_path / name)
    shop = Shop(tmp_path)
    found = shop.audit()
    assert [flaw for one in found for flaw in one.flaws] == []
    assert (sum(one.records for one in found), sum(one.uncovered + one.waiting for one in found)) == (29, 0)
    shop.record([model(50, 5001, None)])
    shop.attest()
    runs = shop.traces.runs(EVERYTHING, now=NOW).runs
    assert shop.list_uses() == len(runs)  # those from before are listed too
    assert {one.type for one in shop.traces.uses()} >= {"tool", "model"}
    assert shop.flaws() == []
    shop.close()


@pytest.mark.parametrize(
    ("lie", "text"),
    [
        ({"records": 99, "denials": 0}, "seals 99 records"),
        ({"records": "all", "denials": 0}, "seals all records"),
        ({"completeness": "open", "denials": 7}, "says another denials"),
        ({"denials": 7}, "says another denials"),
    ],
)
def test_a_seal_that_was_never_true_is_found(tmp_path: Path, lie: dict[str, object], text: str) -> None:
    """Whoever can write to the journal seals a run once more, with figures that nobody would compare."""
    shop = Shop(tmp_path)
    for batch in work():
        shop.record(batch)
    shop.attest()
    assert shop.flaws() == []
    true = [one for one in shop.control.entries(limit=1_000, kind="run.sealed") if one.run == "run-1"][-1]
    shop.control.append([Draft("run.sealed", "run-1", {**true.body, **lie}, "run-1")])
    assert any(text in one.text for one in shop.flaws()), shop.flaws()
    shop.close()
