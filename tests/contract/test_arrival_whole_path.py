"""Any permutation, duplication and splitting of a run's requests gives the same run, along the whole path.

From the bytes of OTLP (spans and log records mixed, in both encodings, packed in different ways) through redaction and
the dialects into a real store, with what has ended sealed into the archive in between.
"""

from __future__ import annotations

import gzip
import json
import random
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_arrival import answers

from tallystick import wiring
from tallystick.api.otlp import read_json, read_json_logs
from tallystick.api.unpack import unpack
from tallystick.model.query import EVERYTHING

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "dialects"
NAMES = sorted(file.stem for file in GOLDEN.glob("*.json") if ".truth" not in file.name)
HOUR = 3_600_000_000_000
PACKED = {"identity": bytes, "gzip": gzip.compress, "deflate": zlib.compress}
Piece = tuple[str, dict[str, Any]]  # "spans" or "logs", and a request that holds one of them


def pieces(name: str) -> list[Piece]:
    """Each span of a recorded run as a request of its own, and for each trace a log record that tells of its root."""
    document = json.loads((GOLDEN / f"{name}.json").read_text())
    found: list[Piece] = []
    for group in document["resourceSpans"]:
        for scoped in group.get("scopeSpans", ()):
            for span in scoped["spans"]:
                one = {**group, "scopeSpans": [{**scoped, "spans": [span]}]}
                found.append(("spans", {"resourceSpans": [one]}))
                if not span.get("parentSpanId"):
                    found.append(("logs", _log(group, span)))
    return found


def _log(group: dict[str, Any], span: dict[str, Any]) -> dict[str, Any]:
    secret = {"stringValue": "the key is AKIAIOSFODNN7EXAMPLE, write to ann@example.org"}
    record = {
        "traceId": span["traceId"], "spanId": span["spanId"], "timeUnixNano": span["startTimeUnixNano"],
        "eventName": "exception", "severityNumber": 17, "body": secret,
        "attributes": [{"key": "exception.message", "value": secret}],
    }  # fmt: skip
    resource = {key: group[key] for key in ("resource",) if key in group}
    return {
        "resourceLogs": [{**resource, "scopeLogs": [{"scope": {"name": "logs"}, "logRecords": [record]}]}]
    }


def request(batch: list[Piece], kind: str) -> bytes:
    groups = {"spans": "resourceSpans", "logs": "resourceLogs"}[kind]
    return json.dumps({groups: [one for of, piece in batch if of == kind for one in piece[groups]]}).encode()


def send(recorder: Any, batch: list[Piece], how: str) -> None:
    for kind, read in (("spans", read_json), ("logs", read_json_logs)):
        body = request(batch, kind)
        got = read(unpack(PACKED[how](body), how, limit=10**8))
        assert not got.rejected
        receipt = recorder.record(got.spans)
        assert not receipt.rejected


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """What each recorded run is when all of it comes at once."""
    found = {}
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            stores = wiring.open_stores(Path(folder))
            send(wiring.recorder(stores), pieces(name), "identity")
            found[name] = told(stores)
            stores.close()
    return found


def told(stores: Any) -> Any:
    later = time.time_ns() + HOUR
    kept = [
        (span.span, sorted(map(repr, span.attributes.items())), [event.name for event in span.events])
        for run in stores.traces.runs(EVERYTHING, now=later).runs
        for span in stores.traces.spans(
            run.run, [step.span for step in stores.traces.steps(run.run)]
        ).values()
    ]
    return [answers(stores.traces, later), sorted(kept)]


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(NAMES), seed=st.integers(0, 2**32), twice=st.integers(0, 5),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3), how=st.sampled_from(sorted(PACKED)),
    seal=st.sets(st.integers(0, 12)),
)  # fmt: skip
def test_the_way_a_run_came_decides_nothing(
    whole: dict[str, Any], name: str, seed: int, twice: int, sizes: list[int], how: str, seal: set[int]
) -> None:
    chance = random.Random(seed)
    arriving = pieces(name)
    arriving += chance.choices(arriving, k=twice)
    chance.shuffle(arriving)
    with tempfile.TemporaryDirectory() as folder:
        stores = wiring.open_stores(Path(folder))
        recorder, place, turn = wiring.recorder(stores), 0, 0
        while place < len(arriving):
            size = sizes[turn % len(sizes)]
            send(recorder, arriving[place : place + size], how)
            if turn in seal:
                stores.traces.archive(before=2**62, now=2**62, say=pytest.fail)
            place, turn = place + size, turn + 1
        assert told(stores) == whole[name]
        assert list(stores.traces.flaws()) == []
        stores.close()
