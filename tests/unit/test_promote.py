"""Promotion: gated, compared and swapped, journalled, and never a change of a version."""

from __future__ import annotations

import pytest

from tallystick.adapters.memory.control import MemoryControl
from tallystick.app.registry.promote import Wish, promote
from tallystick.model.errors import AnswerIsNo, BadInput, Conflict, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.registry import Version, version_digest
from tallystick.registry.readiness_shapes import Gap, Layer, Readiness
from tallystick.registry.version_refs import split_ref
from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds

GATED = ("production",)
READY = Readiness("refunds", "1", True, "refunds has all of it.", (Layer("cost", True, "why"),))
LACKS = Readiness(
    "refunds", "1", True, "refunds is not ready: 1 thing is missing in cost.",
    (Layer("cost", True, "why", (), (Gap("no budget limits it", "tally budgets set refunds"),)),),
)  # fmt: skip


def control(*labels: str | None) -> MemoryControl:
    made = MemoryControl(clock=FakeClock(), ids=CountingIds())
    for number, label in enumerate(labels):
        made.append([declared(label, {"tools": [f"t{number}"]})])
    return made


def declared(label: str | None, body: dict[str, object]) -> Draft:
    card = {"owner": "ann", "purpose": "x", "lifecycle": "active", "links": {}, "origin": None}
    entry = {"type": "agent", "name": "refunds", "digest": version_digest("agent", "refunds", label, body),
             "version": label, "body": body, "card": card, "because": None}  # fmt: skip
    return Draft("object.declared", "agent:refunds", entry, actor="ann")


def move(
    store: MemoryControl,
    which: str | None,
    alias: str = "production",
    judged: Readiness = READY,
    **more: object,
):  # type: ignore[no-untyped-def]
    asked: list[Version] = []

    def ready(agent: str, version: Version) -> Readiness:
        assert agent == "refunds"
        asked.append(version)
        return judged

    because, override = more.get("because"), more.get("override")
    wish = Wish("refunds", which, alias, because, override)  # type: ignore[arg-type]
    answer = promote(store, ready, wish, gated=GATED, by="ann", dry_run=bool(more.get("dry_run")))
    return answer | {"asked": [one.label for one in asked]}


def alias_of(store: MemoryControl, alias: str = "production") -> str | None:
    labels = {one.digest: one.label for one in store.versions("agent", "refunds")}
    return next((labels[one.digest] for one in store.aliases("agent", "refunds") if one.alias == alias), None)


def test_what_is_ready_is_promoted_and_the_way_back_is_the_same() -> None:
    store = control("1.0.0", "1.1.0")
    first = move(store, "1.0.0", because="the first")
    assert (first["changed"], first["from"], first["to"]["version"]) == (True, None, "1.0.0")
    assert first["asked"] == ["1.0.0"]  # the version that is promoted is the one that is judged
    second = move(store, None)
    assert (second["from"]["version"], second["to"]["version"]) == ("1.0.0", "1.1.0")
    versions = store.versions("agent", "refunds")
    back = move(store, "1.0.0")
    assert back["from"]["version"] == "1.1.0"
    assert alias_of(store) == "1.0.0"
    assert store.versions("agent", "refunds") == versions
    entry = store.entries(kind="alias.moved")[0]
    assert (entry.actor, entry.body["because"], entry.body["override"], entry.body["missing"]) == (
        "ann", "the first", None, [],
    )  # fmt: skip


def test_what_lacks_something_is_refused_with_reasons() -> None:
    store = control("1.0.0")
    with pytest.raises(AnswerIsNo, match="refunds is not promoted to production") as caught:
        move(store, "1.0.0", judged=LACKS)
    assert caught.value.exit_code == 3
    assert caught.value.detail["missing"] == [
        {"layer": "cost", "what": "no budget limits it", "fix": "tally budgets set refunds"}
    ]
    assert [one["message"] for one in caught.value.detail["problems"]][1] == "cost: no budget limits it"
    assert alias_of(store) is None
    assert move(store, "1.0.0", alias="staging", judged=LACKS)["missing"] == []  # nobody gated staging
    assert alias_of(store, "staging") == "1.0.0"


def test_an_override_goes_on_and_is_journalled_with_what_was_missing() -> None:
    store = control("1.0.0")
    answer = move(store, "1.0.0", judged=LACKS, override="a  pilot with key sk-abcdefghijklmnopqrstuv")
    assert answer["missing"] == ["cost: no budget limits it"]
    entry = store.entries(kind="alias.moved")[0]
    assert entry.body["override"] == "a pilot with key ‹redacted:secret›"
    assert entry.body["missing"] == ["cost: no budget limits it"]
    ready = move(control("1.0.0"), "1.0.0", override="not needed")
    assert ready["override"] is None  # nothing was overridden


@pytest.mark.parametrize("reason", ["", "   ", "x" * 1_001])
def test_an_override_needs_a_reason(reason: str) -> None:
    with pytest.raises(BadInput):
        move(control("1.0.0"), "1.0.0", judged=LACKS, override=reason)


def test_the_version_it_has_changes_nothing() -> None:
    store = control("1.0.0")
    move(store, "1.0.0")
    size = store.head()[0]
    again = move(store, "1.0.0", judged=LACKS)
    assert (again["changed"], again["entry"], again["asked"]) == (False, None, [])
    assert store.head()[0] == size


def test_a_dry_run_changes_nothing_and_still_refuses() -> None:
    store = control("1.0.0")
    assert move(store, "1.0.0", dry_run=True)["changed"]
    assert alias_of(store) is None
    with pytest.raises(AnswerIsNo):
        move(store, "1.0.0", judged=LACKS, dry_run=True)


def test_of_two_who_promote_at_once_one_is_told() -> None:
    store = control("1.0.0", "1.1.0")

    def ready(agent: str, version: Version) -> Readiness:
        if version.label == "1.0.0":  # while this one is judged, somebody else promotes the other
            promote(store, lambda *_: READY, Wish("refunds", "1.1.0", "production"), gated=GATED, by="bob")
        return READY

    with pytest.raises(Conflict) as caught:
        promote(store, ready, Wish("refunds", "1.0.0", "production"), gated=GATED, by="ann")
    assert caught.value.exit_code == 7
    assert alias_of(store) == "1.1.0"


def test_versions_are_named_by_label_alias_and_digest() -> None:
    store = control("1.0.0", "1.1.0", None)
    newest, middle, oldest = store.versions("agent", "refunds")
    assert move(store, "1.0.0", alias="staging")["to"]["digest"] == oldest.digest
    assert move(store, middle.digest[:12], alias="canary")["to"]["version"] == "1.1.0"
    assert move(store, "staging")["to"]["version"] == "1.0.0"
    assert move(store, None, alias="next")["to"]["digest"] == newest.digest
    with pytest.raises(UnknownThing) as caught:
        move(store, "stagin")
    assert caught.value.hint == "did you mean staging?"
    with pytest.raises(UnknownThing, match="no version"):
        move(store, "9.9.9")


@pytest.mark.parametrize(
    "alias", ["", "Production", "1.0", "a b", "x\u202ey", "../x", "beef", "a" * 65, "rel-1"]
)
def test_an_alias_is_a_word_that_is_nothing_else(alias: str) -> None:
    store = control("1.0.0", "rel-1")
    with pytest.raises(BadInput):
        move(store, "1.0.0", alias=alias)


def test_who_is_unknown_or_retired_is_not_promoted() -> None:
    store = control("1.0.0")
    with pytest.raises(UnknownThing) as caught:
        promote(store, lambda *_: READY, Wish("refund", None, "production"), gated=GATED, by="ann")
    assert caught.value.hint == "did you mean refunds?"
    store.append(
        [Draft("object.retired", "agent:refunds", {"type": "agent", "name": "refunds", "because": None})]
    )
    with pytest.raises(AnswerIsNo, match="retired"):
        move(store, "1.0.0")


def test_references() -> None:
    assert split_ref("refunds") == ("refunds", None)
    assert split_ref("refunds@1.0") == ("refunds", "1.0")
    assert split_ref("team@home@1.0") == ("team@home", "1.0")
    for text in ("", "@", "@1.0", "refunds@"):
        with pytest.raises(BadInput):
            split_ref(text)
