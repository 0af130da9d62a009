from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sdk_kit import Remembering

from tallystick.model.errors import StoreFull, Unreachable
from tallystick.sdk.adoption import adopt, read_segment, waiting_bytes
from tallystick.sdk.edge import faults
from tallystick.sdk.frames import MAGIC, OLD_MAGIC, SOURCE, SPAN, frame, read_frames
from tallystick.sdk.segments import Written, may_map
from tallystick.sdk.shipping import Shipper, spool_info
from tallystick.sdk.spool import Spool, encode_record


def record(number: int, size: int = 10, source: int = 0, **attributes: Any) -> tuple[Any, ...]:
    facts = {"n": number, "body": "x" * size, **attributes}
    return (
        SPAN, source, number.to_bytes(16, "big"), number.to_bytes(8, "big"), None, f"step {number}", number, number + 1,
        1, 0, "", facts, (), (), 0,
    )  # fmt: skip


def numbers(sink: Remembering) -> list[int]:
    return [span.attributes["n"] for span in sink.spans]


@given(st.lists(st.binary(max_size=80), max_size=12), st.data())
def test_a_cut_at_any_byte_loses_only_the_tail(payloads: list[bytes], data: st.DataObject) -> None:
    frames = [frame(payload) for payload in payloads]
    whole = b"".join(frames)
    cut = data.draw(st.integers(0, len(whole)))
    ends = [sum(map(len, frames[: index + 1])) for index in range(len(frames))]
    kept = [payload for payload, end in zip(payloads, ends, strict=True) if end <= cut]
    assert [payload for payload, _ in read_frames(whole[:cut])] == kept


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6), st.data())
def test_a_damaged_byte_never_yields_a_wrong_record(payloads: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(b"".join(frame(payload) for payload in payloads))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    found = [payload for payload, _ in read_frames(bytes(whole))]
    assert found == payloads[: len(found)]
    assert len(found) < len(payloads)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.data())
def test_a_dead_owner_cut_at_any_byte_is_adopted_up_to_the_cut(count: int, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spool = Spool(folder)
        source = spool.source("k", {"service.name": "s"}, "scope", "1", "")
        for number in range(1, count + 1):
            assert spool.append(record(number, source=source))
        path = spool.segments[0].path
        raw = path.read_bytes()
        ends = [end for payload, end in read_frames(raw, len(MAGIC)) if payload[1] == SPAN]
        cut = data.draw(st.integers(len(MAGIC), len(raw)))
        spool.close()
        os.truncate(path, cut)
        sink = Remembering()
        done = adopt(folder, sink)
        assert numbers(sink) == list(range(1, sum(1 for end in ends if end <= cut) + 1))
        assert done.owners == 1
        assert all(span.source.scope == "scope" for span in sink.spans)
        assert not list(folder.iterdir())


def test_a_record_is_on_disk_before_append_returns(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    source = spool.source("k", {"service.name": "s", "n": 3}, "scope", "1.0", "url")
    assert spool.append(record(7, source=source, deep={"a": [1, 2.5, None, True, b"raw"]}))
    spans, torn, _ = read_segment(spool.segments[0].path)
    assert torn == 0
    assert spans[0].attributes["deep"] == {"a": [1, 2.5, None, True, b"raw"]}
    assert spans[0].source.resource == {"service.name": "s", "n": 3}
    assert (spans[0].trace, spans[0].span) == (f"{7:032x}", f"{7:016x}")


def test_values_that_msgpack_refuses_are_written_as_text(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert spool.append(record(1, huge=2**80, broken="a\ud800b", strange=object))
    spans, _, _ = read_segment(spool.segments[0].path)
    assert spans[0].attributes["huge"] == str(2**80)
    assert spans[0].attributes["broken"] == "a?b"
    assert "object" in spans[0].attributes["strange"]


def test_segments_roll_and_are_deleted_once_delivered(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment=1_000)
    source = spool.source("k", {}, "scope", "", "")
    for number in range(1, 51):
        assert spool.append(record(number, 100, source))
    assert len(spool.segments) > 3
    sink = Remembering()
    shipper = Shipper(spool, lambda: sink)
    assert shipper.ship()
    assert numbers(sink) == list(range(1, 51))
    assert {span.source.scope for span in sink.spans} == {"scope"}  # known in every segment
    assert len(spool.segments) == 1
    assert shipper.close(1)
    spool.close()
    assert not list(tmp_path.iterdir())


def test_nothing_is_deleted_before_the_sink_took_it(tmp_path: Path) -> None:
    spool, sink = Spool(tmp_path, segment=500), Remembering()
    for number in range(1, 21):
        spool.append(record(number, 100))
    shipper = Shipper(spool, lambda: sink)
    for error in (Unreachable("down"), StoreFull("full")):

        def refuse(_spans: Any, error: Exception = error) -> None:
            raise error

        sink.fail = refuse
        files = sorted(path.name for path in tmp_path.rglob("*.seg"))
        assert not shipper.ship()
        assert sorted(path.name for path in tmp_path.rglob("*.seg")) == files
        assert shipper.trouble is not None
    sink.fail = None
    assert shipper.ship()
    assert numbers(sink) == list(range(1, 21))
    shipper.close(1)
    spool.close()


def test_a_record_the_sink_can_never_take_is_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    spool, sink = Spool(tmp_path), Remembering()
    for number in range(1, 31):
        spool.append(record(number))

    def poison(spans: Any) -> None:
        if any(span.attributes["n"] == 13 for span in spans):
            raise ValueError("cannot be read")

    sink.fail = poison
    shipper = Shipper(spool, lambda: sink)
    assert shipper.ship()
    assert sorted(numbers(sink)) == [number for number in range(1, 31) if number != 13]
    reason, _, span = shipper.rejects.listed()[0]
    assert "cannot be read" in reason
    assert span == f"{13:016x}"
    assert spool_info(tmp_path)["rejected"] == 1
    assert faults()["shipping.rejected"] >= 1
    assert shipper.rejects.retry(sink) == (0, 1)
    sink.fail = None
    assert shipper.rejects.retry(sink) == (1, 0)
    assert sink.spans[-1].attributes == record(13)[11]
    assert spool_info(tmp_path)["rejected"] == 0


def test_the_bound_holds_and_losses_ride_on_the_next_record(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=4_000)
    written = [spool.append(record(number, 200)) for number in range(1, 41)]
    lost = written.count(False)
    assert lost > 10
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.seg")) <= 4_000
    assert spool.lost == lost
    sink = Remembering()
    shipper = Shipper(spool, lambda: sink)
    assert shipper.ship()
    spool.seal()
    assert shipper.ship()
    assert spool.append(record(99))
    assert spool.append(record(100))
    assert shipper.ship()
    carried = {span.attributes["n"]: span.attributes.get("tallystick.spool.lost") for span in sink.spans}
    assert carried[99] == lost
    assert carried[100] is None
    assert len(sink.spans) + lost == 42


def test_losses_of_a_killed_owner_are_not_forgotten(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=4_000)
    lost = [spool.append(record(number, 200)) for number in range(1, 41)].count(False)
    spool.after_fork()  # lets go of the descriptors without tidying up: what a kill does
    sink = Remembering()
    done = adopt(tmp_path, sink)
    assert done.lost == 0
    assert sink.spans[-1].attributes["tallystick.spool.lost"] == lost
    assert sum(span.attributes.get("tallystick.spool.lost", 0) for span in sink.spans) == lost


def test_the_last_record_of_a_run_may_use_the_reserve(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=2_000)
    while spool.append(record(1, 200)):
        pass
    assert not spool.append(record(2, 200))
    assert spool.append(record(3, 200), last=True)


def test_a_living_owner_is_left_alone(tmp_path: Path) -> None:
    spool, sink = Spool(tmp_path), Remembering()
    spool.append(record(1))
    assert adopt(tmp_path, sink).owners == 0
    assert sink.spans == []
    assert waiting_bytes(tmp_path) > 0
    assert waiting_bytes(tmp_path, keep=spool.own) == 0


def test_a_failed_adoption_keeps_everything(tmp_path: Path) -> None:
    spool, sink = Spool(tmp_path), Remembering()
    for number in range(1, 6):
        spool.append(record(number))
    spool.after_fork()

    def refuse(_spans: Any) -> None:
        raise Unreachable("down")

    sink.fail = refuse
    with pytest.raises(Unreachable):
        adopt(tmp_path, sink)
    sink.fail = None
    assert adopt(tmp_path, sink).spans == 5
    assert numbers(sink) == [1, 2, 3, 4, 5]


def test_many_threads_write_whole_records(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment=5_000)
    source = spool.source("k", {}, "scope", "", "")

    def work(base: int) -> None:
        for number in range(base, base + 200):
            spool.append(record(number, 50, source))

    threads = [threading.Thread(target=work, args=(base * 1_000,)) for base in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink = Remembering()
    assert Shipper(spool, lambda: sink).ship()
    assert sorted(numbers(sink)) == sorted(
        n for base in range(1, 6) for n in range(base * 1_000, base * 1_000 + 200)
    )


def test_a_full_disk_is_counted_and_leaves_whole_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, segment=1_000)
    assert spool.append(record(1, 400))

    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patched:
        patched.setattr("tallystick.sdk.segments.os.posix_fallocate", full)
        assert not spool.append(record(2, 900))
    assert spool.append(record(3))
    found = [read_segment(segment.path) for segment in spool.segments]
    assert [torn for _, torn, _ in found] == [0, 0]
    spans = [span for spans, _, _ in found for span in spans]
    assert [span.attributes["n"] for span in spans] == [1, 3]
    assert spans[1].attributes["tallystick.spool.lost"] == 1
    assert len(list(tmp_path.rglob("*.seg"))) == 2


def test_a_filesystem_that_is_not_known_is_written_to_instead_of_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.sdk.spool.may_map", lambda _folder: False)
    spool = Spool(tmp_path)
    assert spool.append(record(1))
    real = os.pwrite

    def short(descriptor: int, data: bytes, offset: int) -> int:
        return real(descriptor, data[: len(data) // 2], offset)

    with monkeypatch.context() as patched:
        patched.setattr("tallystick.sdk.segments.os.pwrite", short)
        assert not spool.append(record(2))
    assert spool.append(record(3))
    assert spool.append(record(4))
    assert isinstance(spool.segments[0].map, Written)
    spans, _, _ = read_segment(spool.segments[0].path)
    assert [span.attributes["n"] for span in spans] == [1, 3, 4]
    assert [span.attributes.get("tallystick.spool.lost") for span in spans] == [None, 1, None]


def test_only_filesystems_that_keep_an_allocation_are_mapped(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    line = "36 35 {}:{} / /mnt rw,noatime shared:1 - {} /dev/sda1 rw\n"
    for kind, expected in (("ext4", True), ("nfs4", False), ("btrfs", False), ("tmpfs", True)):
        mounts.write_text(
            line.format(999, 999, "ext4") + line.format(os.major(device), os.minor(device), kind)
        )
        assert may_map(tmp_path, mounts) is expected
    mounts.write_text(line.format(999, 999, "ext4"))
    assert not may_map(tmp_path, mounts)
    assert not may_map(tmp_path, tmp_path / "absent")


class Interrupted:
    """A mapping in whose copying a finaliser runs."""

    def __init__(self, inner: Any, run: Callable[[], None]) -> None:
        self.inner, self.run = inner, run

    def __setitem__(self, where: slice, data: bytes) -> None:
        self.run()
        self.inner[where] = data

    def close(self) -> None:
        self.inner.close()


def test_a_step_ended_by_a_finaliser_inside_a_write_is_written_too(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert spool.append(record(1))
    nested: list[bool] = []

    def finaliser() -> None:
        if not nested:
            nested.append(spool.append(record(3)))

    segment = spool.segments[0]
    segment.map = Interrupted(segment.map, finaliser)
    assert spool.append(record(2))
    assert nested == [True]
    spans, torn, _ = read_segment(segment.path)
    assert torn == 0
    assert [span.attributes["n"] for span in spans] == [1, 2, 3]


def test_a_segment_of_the_former_format_is_still_read(tmp_path: Path) -> None:
    owner = tmp_path / "4711"
    owner.mkdir()
    (owner / "lock").touch()
    source = encode_record((SOURCE, 0, {"service.name": "old"}, "scope", "1", ""))
    whole = OLD_MAGIC + frame(source, 0) + b"".join(frame(encode_record(record(n)), 0) for n in (1, 2))
    (owner / "00000001.seg").write_bytes(whole + frame(encode_record(record(3)), 0)[:-1])
    (owner / "00000002.seg").write_bytes(
        OLD_MAGIC + frame(encode_record(record(4)))
    )  # another format's frame
    sink = Remembering()
    done = adopt(tmp_path, sink)
    assert numbers(sink) == [1, 2]
    assert sink.spans[0].source.resource == {"service.name": "old"}
    assert done.torn > 0


def test_a_stamp_is_put_on_the_span_when_it_is_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    stamp = msgspec.Raw(msgspec.msgpack.encode({"tallystick.agent.name": "around", "tallystick.run.id": "r"}))
    spool.append((*record(1), stamp, 7))
    spool.append((*record(2, **{"gen_ai.agent.name": "own", "tallystick.run.id": "forged"}), stamp, None))
    spool.append((*record(3, huge=2**80), stamp, 9))  # what msgpack refuses does not spoil the stamp
    spool.append((*record(4), None, None))
    spans, _, _ = read_segment(spool.segments[0].path)
    facts = [
        {
            name.removeprefix("tallystick."): value
            for name, value in span.attributes.items()
            if "tally" in name
        }
        for span in spans
    ]
    assert facts == [
        {"agent.name": "around", "run.id": "r", "seq": 7},
        {"agent.name": "own", "run.id": "r"},
        {"agent.name": "around", "run.id": "r", "seq": 9},
        {},
    ]


def test_an_open_segment_is_cut_down_when_it_is_closed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=1_000_000)
    spool.append(record(1))
    path, size = spool.segments[0].path, spool.segments[0].size
    assert path.stat().st_size == spool.pending > size
    spool.close()
    assert path.stat().st_size == size
    assert read_segment(path)[1] == 0
