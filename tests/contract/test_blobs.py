"""Large binaries lie once beside the store, for as long as a run names them (ports/blobs.py)."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tallystick.adapters.blobs import BlobFolder
from tallystick.adapters.memory.blobs import MemoryBlobs
from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.parquet import ParquetArchive
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.app.recording.blobs import BlobTaker
from tallystick.app.recording.record import Recorder
from tallystick.app.recording.redacting import SpanRedactor
from tallystick.model.attributes import BLOBS
from tallystick.model.blob import Blob, references
from tallystick.model.errors import UnknownThing
from tallystick.model.span import Source, Span
from tallystick.ports import Blobs, Traces
from tallystick.wiring.machine import rate_card
from tallystick.wiring.redacting import text_redactor

NOW = 1_795_000_000_000_000_000
IMAGE = b"\x89PNG\r\n\x1a\n" + random.Random(5).randbytes(30_000)
OTHER = b"\x89PNG\r\n\x1a\n" + random.Random(6).randbytes(30_000)
DIGEST = sha256(IMAGE).hexdigest()


class Still:
    def now(self) -> int:
        return NOW + 50


class World:
    """A store, its blobs, and the way into both."""

    def __init__(self, traces: Traces, blobs: Blobs, *, limit: int = 10**6) -> None:
        self.traces, self.blobs = traces, blobs
        redactor = text_redactor(("secrets",))
        self.recorder = Recorder(
            traces,
            rate_card(),
            Still(),
            redactor=SpanRedactor(redactor, (), BlobTaker(blobs, redactor, limit=limit)),
        )

    def record(self, *spans: Span) -> None:
        assert not self.recorder.record(spans).rejected

    def held(self) -> set[str]:
        return {one for one, _ in self.blobs.found()}


@pytest.fixture(params=["memory", "sqlite", "archived"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        held: Blobs = MemoryBlobs()
        store: Any = MemoryTraces(blobs=held)
    else:
        held = BlobFolder(tmp_path / "blobs")
        archive = ParquetArchive(tmp_path / "archive")
        store = SqliteTraces(tmp_path / "traces.db", archive=archive, blobs=held)
    made = World(store, held)
    if request.param == "archived":
        record = made.record

        def archiving(*spans: Span) -> None:
            record(*spans)
            store.archive(before=2**62, now=NOW * 2, say=pytest.fail)

        made.record = archiving  # type: ignore[method-assign]
    yield made
    store.close()


def message(raw: bytes, words: str = "see") -> str:
    url = "data:image/png;base64," + base64.b64encode(raw).decode()
    parts = [{"type": "text", "text": words}, {"type": "image_url", "image_url": {"url": url}}]
    return json.dumps([{"role": "user", "content": parts}])


def span(run: int, raw: bytes | None = IMAGE, *, number: int = 1, subject: str = "ann", **more: Any) -> Span:
    trace = f"{run:032x}"
    attributes: dict[str, Any] = {
        "tallystick.run.id": trace, "user.id": subject, "gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
        "gen_ai.input.messages": message(raw) if raw is not None else "[]",
    }  # fmt: skip
    if number == 1:
        attributes |= {"tallystick.run.root": True, "tallystick.run.steps": 1, "tallystick.seq": 1}
    return Span(
        trace,
        f"{run * 100 + number:016x}",
        None,
        "chat",
        NOW,
        NOW + 9,
        Source({}, "tests"),
        attributes=attributes | more,
    )


def test_a_binary_is_kept_once_and_named_by_its_runs(world: World) -> None:
    world.record(span(1), span(2, subject="bob"), span(3, None))
    assert world.held() == {DIGEST}
    expected = Blob(DIGEST, len(IMAGE), "image/png")
    assert [world.traces.blobs(f"{run:032x}") for run in (1, 2, 3)] == [[expected], [expected], []]
    assert world.traces.blob(DIGEST) == (expected, IMAGE)
    for one in world.traces.spans(f"{1:032x}").values():
        assert one.attributes[BLOBS] == 1
        url = json.loads(one.attributes["gen_ai.input.messages"])[0]["content"][1]["image_url"]["url"]
        assert list(references(url)) == [expected]
    for unknown in ("0" * 64, "../../etc/passwd", "", "zz"):
        with pytest.raises(UnknownThing):
            world.traces.blob(unknown)
    with pytest.raises(UnknownThing):
        world.traces.blobs("f" * 32)


def test_erasing_one_subject_keeps_what_another_has_too(world: World) -> None:
    world.record(span(1), span(1, OTHER, number=2), span(2, subject="bob"))
    world.traces.erase([f"{1:032x}"])
    assert world.held() == {DIGEST}
    assert world.traces.blobs(f"{1:032x}") == []
    with pytest.raises(UnknownThing):
        world.traces.blob(sha256(OTHER).hexdigest())
    world.traces.erase([f"{2:032x}"])
    assert world.held() == set()
    with pytest.raises(UnknownThing):
        world.traces.blob(DIGEST)
    world.record(span(3))  # the same again, by somebody else
    assert world.traces.blob(DIGEST)[1] == IMAGE


def test_runs_that_become_one_keep_their_blobs(world: World) -> None:
    talk = {"gen_ai.conversation.id": "c-1"}
    first = span(1, number=5, **talk)
    second = span(2, OTHER, number=6, **{**talk, "gen_ai.conversation.id": "c-2"})
    for one in (first, second):
        one.attributes.pop("tallystick.run.id")  # type: ignore[attr-defined]
    world.record(first)
    world.record(second)
    third = replace(
        span(3, None, number=7, **{"tallystick.run.id": f"{9:032x}"}), trace=first.trace, span=f"{77:016x}"
    )
    fourth = replace(third, trace=second.trace, span=f"{78:016x}")
    world.record(third, fourth)
    run = world.traces.resolve(f"{9:032x}")
    assert {one.sha256 for one in world.traces.blobs(run)} == {DIGEST, sha256(OTHER).hexdigest()}
    world.traces.erase([run])
    assert world.held() == set()


def test_bytes_without_a_run_go_after_an_hour(world: World) -> None:
    world.record(span(1))
    stray = sha256(OTHER).hexdigest()
    world.blobs.put(stray, OTHER)  # whoever did it died before the commit
    ((_, at),) = [one for one in world.blobs.found() if one[0] == stray]
    assert (world.traces.sweep_blobs(now=at + 60 * 10**9), world.held()) == (0, {DIGEST, stray})
    assert (world.traces.sweep_blobs(now=at + 3_700 * 10**9), world.held()) == (1, {DIGEST})


def test_bytes_that_come_for_an_erased_run_go_at_once(world: World) -> None:
    world.record(span(1, None), span(2))
    world.traces.erase([f"{1:032x}"])
    world.record(span(1, number=3), span(1, OTHER, number=4))
    assert (world.held(), world.traces.blobs(f"{1:032x}")) == ({DIGEST}, [])
    assert world.traces.blob(DIGEST)[1] == IMAGE  # another run has it
    flawed = replace(span(3, OTHER), ended=NOW - 1)
    assert len(world.recorder.record([flawed]).rejected) == 1
    assert world.held() == {DIGEST}


def test_bytes_that_went_just_before_the_commit_are_put_again(world: World) -> None:
    write = world.traces.write

    def late(*given: Any, **more: Any) -> Any:
        world.blobs.remove(DIGEST)  # an erasure of the only other run that named it
        return write(*given, **more)

    world.traces.write = late  # type: ignore[method-assign]
    world.record(span(1))
    assert world.traces.blob(DIGEST)[1] == IMAGE


def test_of_what_is_too_large_the_digest_is_kept(world: World) -> None:
    World(world.traces, world.blobs, limit=20_000).record(span(1))
    assert world.held() == set()
    assert world.traces.blobs(f"{1:032x}") == [Blob(DIGEST, len(IMAGE), "image/png", kept=False)]
    with pytest.raises(UnknownThing, match="only the digest"):
        world.traces.blob(DIGEST)


def test_texts_among_binaries_are_redacted(world: World) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    letter = (f"my key is {secret}\n" + "dear all, " * 3_000).encode()
    url = "data:text/plain;base64," + base64.b64encode(letter).decode()
    world.record(span(1, None, **{"tallystick.input": url}))
    (found,) = world.traces.blobs(f"{1:032x}")
    raw = world.traces.blob(found.sha256)[1]
    assert secret.encode() not in raw
    assert "‹redacted:secret›" in raw.decode()


def test_a_forged_reference_names_nothing_that_is_not_there(world: World) -> None:
    told = {"tallystick.blob": {"sha256": "a" * 64, "bytes": 9, "media_type": "text/html"}}
    world.record(span(1, None, **{BLOBS: 1, "tallystick.input": json.dumps(told)}))
    with pytest.raises(UnknownThing):
        world.traces.blob("a" * 64)
    assert [blob.kept for blob in world.traces.blobs(f"{1:032x}")] == [False]
    assert flaws(world) == []  # or anybody could make the store look damaged
    claim = {"tallystick.blob": {"sha256": DIGEST, "bytes": 9, "media_type": "text/html"}}
    world.record(span(2, None, **{BLOBS: 1, "tallystick.input": json.dumps(claim)}))
    world.record(span(3))  # now the bytes come after all
    assert (world.traces.blob(DIGEST)[1], flaws(world)) == (IMAGE, [])


def flaws(world: World, *, whole: bool = True, now: int | None = None) -> list[tuple[str, str | None]]:
    now = time.time_ns() if now is None else now
    return [(one.text, one.run) for one in world.traces.blob_flaws(whole=whole, now=now)]


def test_missing_and_altered_and_extra_bytes_are_named(world: World) -> None:
    world.record(span(1), span(2, OTHER))
    other, stray = sha256(OTHER).hexdigest(), sha256(b"stray").hexdigest()
    assert flaws(world) == []
    world.blobs.remove(DIGEST)
    assert flaws(world, whole=False) == [(f"blob {DIGEST} is missing", f"{1:032x}")]
    world.blobs.put(DIGEST, IMAGE[:-1] + b"!")
    assert flaws(world, whole=False) == []  # as long as it was
    assert flaws(world) == [(f"blob {DIGEST} was altered: its bytes have another digest", f"{1:032x}")]
    world.blobs.remove(other)
    world.blobs.put(other, b"short")
    said = f"blob {other} was altered: it has 5 bytes, and {len(OTHER):,} were put"
    assert (said, f"{2:032x}") in flaws(world, whole=False)
    world.blobs.put(stray, b"stray")
    later = time.time_ns() + 3_700 * 10**9
    extra = (f"blob {stray} lies in the store, and no run names it", None)
    assert extra not in flaws(world)
    assert extra in flaws(world, now=later)
    world.traces.erase([f"{1:032x}", f"{2:032x}"])
    assert flaws(world) == []


def test_what_is_no_blob_is_named(tmp_path: Path) -> None:
    world = World(
        SqliteTraces(tmp_path / "traces.db", blobs=BlobFolder(tmp_path / "blobs")),
        BlobFolder(tmp_path / "blobs"),
    )
    world.record(span(1))
    folder = tmp_path / "blobs"
    (folder / "notes\x1b[2J.txt").write_text("x")
    (folder / DIGEST[:2] / "short").write_text("x")
    (folder / "zz").mkdir()
    said = [text for text, _ in flaws(world)]
    assert len(said) == 3
    assert all("lies among the blobs of the store and is none" in text for text in said)
    assert "\x1b" not in "".join(said)
    world.traces.close()
