"""Clock and ids of the test kit."""

from __future__ import annotations

from tallystick.testing import CountingIds, FakeClock


def test_the_clock_moves_only_when_told():
    clock = FakeClock(5)
    assert [clock.now(), clock.now()] == [5, 5]
    clock.advance(2, seconds=1)
    assert clock.now() == 1_000_000_007


def test_a_ticking_clock_never_gives_the_same_time_twice():
    clock = FakeClock(0, tick=3)
    assert [clock.now() for _ in range(3)] == [0, 3, 6]


def test_ids_count_for_each_prefix():
    ids = CountingIds()
    assert [ids.new("apr"), ids.new("dec"), ids.new("apr")] == ["apr_0001", "dec_0001", "apr_0002"]
