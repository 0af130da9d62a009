"""Promotion where labels pose as digests, versions go back, and the registry changes in the meantime."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "contract"))

from registry_samples import declared, moved, retired

from tallystick.adapters.memory.control import MemoryControl
from tallystick.app.registry.promote import Wish, promote
from tallystick.model.errors import Conflict, UnknownThing
from tallystick.model.registry import Version
from tallystick.registry.readiness_shapes import Readiness
from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds

FIRST, SECOND = declared(label="1", n=1), declared(label="2", n=2)
READY = Readiness("refunds", "1", True, "refunds has all of it.", ())


@pytest.fixture
def store() -> MemoryControl:
    made = MemoryControl(clock=FakeClock(), ids=CountingIds())
    made.append([FIRST, SECOND])
    return made


def test_a_label_does_not_stand_for_the_digest_of_another_version(store: MemoryControl) -> None:
    digest = FIRST.body["digest"]
    store.append([declared(label=digest[:12], n=3), declared(label=digest, n=4), declared(label="beef", n=5)])
    for which in (digest[:12], digest):
        with pytest.raises(UnknownThing, match="versions of refunds are called"):
            promote(store, lambda *_: READY, Wish("refunds", which, "staging"), gated=(), by="ann")
    for which, label in ((digest[:13], "1"), ("beef", "beef")):
        answer = promote(store, lambda *_: READY, Wish("refunds", which, "staging"), gated=(), by="ann")
        assert answer["to"]["version"] == label


def test_without_a_version_it_is_the_one_that_is_declared_now(store: MemoryControl) -> None:
    store.append([FIRST])  # the second did not prove itself: its project went back
    judged: list[str | None] = []

    def ready(agent: str, version: Version) -> Readiness:
        judged.append(version.label)
        return READY

    answer = promote(store, ready, Wish("refunds", None, "production"), gated=("production",), by="ann")
    assert (answer["to"]["version"], judged) == ("1", ["1"])


@pytest.mark.parametrize(
    "meanwhile", [retired(), declared(label="3"), moved(FIRST.body["digest"], None, "staging")]
)
def test_what_was_judged_is_what_stands_when_the_alias_moves(store: MemoryControl, meanwhile) -> None:  # type: ignore[no-untyped-def]
    def ready(agent: str, version: Version) -> Readiness:
        store.append([meanwhile])
        return READY

    with pytest.raises(Conflict) as caught:
        promote(store, ready, Wish("refunds", "2", "production"), gated=("production",), by="ann")
    assert "promote" in (caught.value.hint or "")
    assert [one.alias for one in store.aliases() if one.alias == "production"] == []
