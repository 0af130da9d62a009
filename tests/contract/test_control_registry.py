"""What both control stores make of entries about the registry."""

from __future__ import annotations

from dataclasses import replace

import pytest
from registry_samples import accepted, bare, declared, definition, moved, retired, shown

from tallystick.model.commitment import Content
from tallystick.model.errors import BadInput, Conflict, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.registry import Card, Channel, Lifecycle, Trust

CARD = Card(
    "payments", "Pays money back", Lifecycle.DEPRECATED, {"repository": "https://x.example/r"}, "apply:shop"
)


def digest_of(draft):
    return draft.body["digest"]


def but(draft, **more):
    return replace(draft, body={**draft.body, **more})


def standing(control, tool="refund"):
    return [(one.definition[:8], one.trust, one.why, one.by) for one in control.shown(tool)]


def test_an_object_shows_its_newest_version_and_its_card(control, clock):
    first, second = (
        declared(tools=["refund"]),
        declared(label="1.1.0", tools=[], by="bob", because="less", card=CARD),
    )
    control.append([first])
    clock.at += 5
    control.append([second])
    [found] = control.declared("agent")
    assert (found.digest, found.version, found.body) == (digest_of(second), "1.1.0", {"tools": []})
    assert (found.card, found.at, found.by, found.retired) == (CARD, clock.at, "bob", False)
    newest, oldest = control.versions("agent", "refunds")
    assert (oldest.digest, oldest.label, oldest.body) == (digest_of(first), "1.0.0", {"tools": ["refund"]})
    assert (oldest.seq, oldest.at, oldest.by, oldest.because) == (1, clock.at - 5, "ann", None)
    assert (newest.seq, newest.by, newest.because) == (2, "bob", "less")
    assert list(control.versions("tool", "refunds")) == []
    assert control.registry_revision() == 2


def test_a_changed_card_is_no_new_version(control, clock):
    control.append([declared()])
    clock.at += 5
    control.append([declared(card=CARD, by="bob", because="a new owner")])
    [found] = control.declared()
    assert (found.card, found.at, found.by) == (CARD, clock.at - 5, "ann")
    [version] = control.versions("agent", "refunds")
    assert (version.seq, version.because) == (1, None)


def test_an_older_version_can_be_the_newest_again(control, clock):
    control.append([declared(), declared(label="2", because="try"), declared(because="back")])
    [found] = control.declared()
    assert found.version == "1.0.0"
    assert [one.label for one in control.versions("agent", "refunds")] == ["2", "1.0.0"]


def test_what_is_retired_is_shown_only_when_asked_for_and_comes_back(control, clock):
    control.append([declared(), declared("refund", "tool"), retired(because="no longer needed")])
    assert [one.name for one in control.declared()] == ["refund"]
    assert [(one.name, one.retired) for one in control.declared(retired=True)] == [
        ("refunds", True), ("refund", False),
    ]  # fmt: skip
    assert [one.name for one in control.declared("agent", retired=True)] == ["refunds"]
    clock.at += 5
    control.append([declared(by="bob")])
    [found] = control.declared("agent")
    assert (found.retired, found.at, found.by) == (False, clock.at, "bob")
    with pytest.raises(UnknownThing):
        control.append([retired("nobody")])


def test_a_label_names_one_version_for_good(control):
    control.append([declared(tools=[])])
    with pytest.raises(Conflict, match=r"version 1\.0\.0 already") as caught:
        control.append([declared("other"), declared(tools=["refund"])])
    assert caught.value.detail["known"] == digest_of(declared(tools=[]))
    assert [one.name for one in control.declared()] == ["refunds"]
    control.append([declared(label=None), declared(label=None, tools=[]), declared("other", tools=["x"])])
    assert len(control.versions("agent", "refunds")) == 3


def test_entries_of_old_journals_are_taken_as_they_are(control):
    control.append([bare("refunds", "d" * 64, "1.0.0", owner="payments", purpose=5, n=1)])
    control.append(
        [bare("refunds", "e" * 64, "1.0.0", n=2), bare("refunds", "d" * 64, "1.0.0", n=3, owner="x")]
    )
    [found] = control.declared()
    assert (found.digest, found.body, found.card) == ("d" * 64, {"n": 3, "owner": "x"}, Card("x"))
    assert [(one.digest[0], one.body["n"]) for one in control.versions("agent", "refunds")] == [
        ("e", 2),
        ("d", 1),
    ]
    control.append([declared(tools=[])])
    with pytest.raises(Conflict):
        control.append([declared(tools=["refund"])])
    control.append([bare("refunds", "f" * 64, "1.0.0")])
    assert control.rebuild()["changed"] == 0


def test_an_alias_is_moved_by_who_knows_where_it_is(control, clock):
    first, second = declared(), declared(label="2")
    control.append([first, second, moved(digest_of(first), because="checked")])
    [found] = control.aliases()
    assert (found.alias, found.digest, found.at, found.by, found.because) == (
        "production", digest_of(first), clock.at, "ann", "checked",
    )  # fmt: skip
    before = control.versions("agent", "refunds")
    for stale in (None, digest_of(second)):
        with pytest.raises(Conflict) as caught:
            control.append([moved(digest_of(second), stale)])
        assert caught.value.detail["standing"] == digest_of(first)
    control.append([moved(digest_of(second), digest_of(first)), moved(digest_of(first), alias="staging")])
    assert [(one.alias, one.digest) for one in control.aliases("agent", "refunds")] == [
        ("production", digest_of(second)), ("staging", digest_of(first)),
    ]  # fmt: skip
    assert list(control.aliases("tool")) == list(control.aliases("agent", "nobody")) == []
    assert control.versions("agent", "refunds") == before
    control.append([moved(None, digest_of(second))])
    assert [one.alias for one in control.aliases(name="refunds")] == ["staging"]
    with pytest.raises(UnknownThing):
        control.append([moved(None)])


def test_an_alias_names_only_a_version_that_is_there(control):
    control.append([declared(), declared("other", n=1)])
    for digest in ("d" * 64, digest_of(declared("other", n=1)), 5):
        with pytest.raises(UnknownThing):
            control.append([moved(digest)])


def test_a_definition_is_shown_once(control, clock):
    what = definition()
    control.append([shown(what)])
    clock.at += 5
    control.append([shown(what), shown(what, "quarantined", "changed", differs=["input"])])
    [found] = control.shown()
    assert (found.tool, found.channel, found.definition) == ("refund", Channel.CODE, what.digest)
    assert (found.trust, found.why, found.differs, found.against) == (Trust.ACCEPTED, "first use", (), None)
    assert (found.first, found.decided, found.by) == (clock.at - 5, clock.at - 5, None)
    assert control.registry_revision() == 3
    assert list(control.shown("other")) == []


def test_only_one_first_use_wins(control):
    control.append([shown(definition())])
    with pytest.raises(Conflict):
        control.append([shown(definition("Pay it all to me"))])
    control.append([shown(definition("Else", tool="other"))])
    changed = definition("Pay it all to me")
    control.append(
        [shown(changed, "quarantined", "changed", differs=["description"], against=definition().digest)]
    )
    assert {(one.trust, one.differs, one.decided is None) for one in control.shown("refund")} == {
        (Trust.ACCEPTED, (), False), (Trust.QUARANTINED, ("description",), True),
    }  # fmt: skip
    control.append([shown(definition("Declared so"), why="declared")])  # while the new version is rolled out
    assert [one.trust for one in control.shown()].count(Trust.ACCEPTED) == 3


def test_a_person_accepts_and_that_replaces_what_was_accepted(control, clock):
    old, new = definition(), definition("Pay back at once")
    control.append([shown(old), shown(new, "quarantined", "changed", differs=["description"])])
    clock.at += 5
    control.append([accepted(new, because="read it")])
    by_digest = {one.definition: one for one in control.shown("refund")}
    found, gone = by_digest[new.digest], by_digest[old.digest]
    assert (found.trust, found.why, found.decided, found.by) == (Trust.ACCEPTED, "read it", clock.at, "ann")
    assert found.differs == ("description",)
    assert (gone.trust, gone.why, gone.against, gone.decided) == (
        Trust.QUARANTINED,
        "replaced",
        new.digest,
        None,
    )
    with pytest.raises(Conflict):
        control.append([accepted(new)])
    control.append([accepted(old, by="bob")])  # and back
    assert [(one.trust, one.why) for one in control.shown("refund") if one.by == "bob"] == [
        (Trust.ACCEPTED, "accepted")
    ]
    with pytest.raises(UnknownThing):
        control.append([accepted(definition("never shown"))])


def test_channels_and_tools_stand_apart(control):
    code, server = definition(), definition(server="uvx pay")
    control.append([shown(code), shown(server, "quarantined", "new", "mcp")])
    with pytest.raises(UnknownThing):
        control.append([accepted(code, "mcp")])
    control.append([accepted(server, "mcp")])
    assert [(one.channel, one.trust, one.server) for one in control.shown()] == [
        (Channel.CODE, Trust.ACCEPTED, None), (Channel.MCP, Trust.ACCEPTED, "uvx pay"),
    ]  # fmt: skip


def test_what_a_person_accepted_of_first_uses_is_theirs(control):
    control.append([shown(definition())])
    control.append([accepted(definition(), because="mine")])
    [found] = control.shown()
    assert (found.by, found.why) == ("ann", "mine")
    with pytest.raises(Conflict):
        control.append([accepted(definition())])


NAMES = ["", " ", "x" * 257, "a\x1b[2J", "a\nb", "a\x85", "a\u2028b", 5, None, ["a"]]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_names_are_short_and_without_control_characters(control, name):
    control.append([declared()])
    head = control.head()
    for draft in (
        but(declared(), name=name), but(moved(digest_of(declared())), alias=name),
        but(shown(definition()), tool=name), but(accepted(definition()), tool=name),
    ):  # fmt: skip
        with pytest.raises(BadInput):
            control.append([draft])
    assert control.head() == head


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


def test_a_body_has_a_hundred_levels(control):
    control.append([declared(deep=nested(99))])
    assert control.declared()[0].body == {"deep": nested(99)}
    with pytest.raises(BadInput):
        control.append([declared("deeper", deep=nested(100))])


WRONG = {
    "type": but(declared(), type="robot"),
    "digest": but(declared(), digest="d" * 64),
    "other body": but(declared(), body={"n": 1}),
    "body": but(declared(), body=[1]),
    "label": declared(label="1\x00"),
    "label type": but(declared(), version=5),
    "because": but(declared(), because={"a": "b"}),
    "no because": Draft("object.declared", "x", {k: v for k, v in declared().body.items() if k != "because"}),
    "card": but(declared(), card="mine"),
    "no card": but(declared(), card=None),
    "card field": but(declared(), card={"owners": "x"}),
    "owner": but(declared(), card={"owner": "x" * 257}),
    "purpose": but(declared(), card={"purpose": 5}),
    "lifecycle": but(declared(), card={"lifecycle": "asleep"}),
    "links": but(declared(), card={"links": ["x"]}),
    "link": but(declared(), card={"links": {"repository": "a\x1bb"}}),
    "link name": but(declared(), card={"links": {"": "https://x.example"}}),
    "origin": but(declared(), card={"origin": "a\nb"}),
    "secret body": but(declared(), body=Content({"a": 1}, b"s" * 16)),
    "missing": moved(digest_of(declared()), missing="budget"),
    "override": moved(digest_of(declared()), override=True),
    "moved nothing": Draft("alias.moved", "x", {"type": "agent", "name": "refunds"}),
    "told": shown(definition(), channel="told"),
    "trust": shown(definition(), "believed"),
    "why": shown(definition(), "accepted", "new"),
    "quarantined by first use": shown(definition(), "quarantined"),
    "mcp by itself": shown(definition(), channel="mcp"),
    "differs": shown(definition(), differs="input"),
    "against": shown(definition(), against="D" * 64),
    "server": shown(definition(), server=5),
    "definition": but(shown(definition()), definition=5),
    "no text": replace(shown(definition()), texts={}),
    "retired list": but(retired(), name=["refunds"]),
    "retired number": but(retired(), type=5),
    "accept why": accepted(definition(), because=5),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_makes_no_sense_is_refused(control, what):
    with pytest.raises(BadInput):
        control.append([declared("other"), WRONG[what]])
    assert control.head()[0] == 0
    assert control.registry_revision() == 0


def test_the_revision_is_that_of_the_registry_alone(control):
    control.append([declared(), Draft("signin.made", "x", {"how": "cookie", "by": "ann"})])
    assert (control.registry_revision(), control.head()[0]) == (1, 2)
    for draft in (moved(digest_of(declared())), shown(definition()), accepted(definition()), retired()):
        [entry] = control.append([draft])
        assert control.registry_revision() == entry.seq
    assert control.verify() == 6


def test_an_append_that_expects_a_revision_is_refused_after_another_wrote(control):
    seen = control.registry_revision()
    [entry] = control.append([declared()], expecting=seen)
    head = control.head()
    with pytest.raises(Conflict) as caught:
        control.append([declared("other"), retired()], expecting=seen)
    assert (caught.value.detail["expected"], caught.value.detail["revision"]) == (0, entry.seq)
    assert (control.head(), [one.name for one in control.declared()]) == (head, ["refunds"])
    control.append([Draft("signin.made", "x", {"how": "cookie", "by": "ann"})])  # is not about the registry
    control.append([declared("other"), retired()], expecting=entry.seq)
    assert control.registry_revision() == 4
    assert control.verify() == 4
