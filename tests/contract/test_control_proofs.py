"""What every control store must do as a transparency log: leaves, proofs, contents, texts, checkpoints."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from journal_samples import accepted, asked, decision, fill, given, note_of, policy, salted
from store_samples import Clock, Ids

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.sqlite import SqliteControl
from tallystick.app.prove.continuity import check_continuity
from tallystick.model.canonical import digest_bytes
from tallystick.model.commitment import COMMITMENT_KEY, Opening
from tallystick.model.errors import BadInput, Conflict, StoreFault, UnknownThing
from tallystick.model.journal import Draft, leaf_bytes
from tallystick.proof.merkle import (
    EMPTY_ROOT,
    is_consistent,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    root_at,
    root_from_inclusion,
    root_of,
)


def test_both_stores_grow_the_same_tree_and_prove_from_it(tmp_path):
    stores = [
        MemoryControl(clock=Clock(), ids=Ids()),
        SqliteControl(tmp_path / "control.db", clock=Clock(), ids=Ids()),
    ]
    for store in stores:
        fill(store, 560)
    size, root = stores[0].head()
    assert stores[1].head() == (size, root)
    entries = stores[1].entries(limit=10_000)
    assert list(entries) == list(stores[0].entries(limit=10_000))
    leaves = [leaf_hash(leaf_bytes(entry)) for entry in entries]
    assert root_of(leaves) == root
    sizes = [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, size - 1, size]
    for store in stores:
        for some in sizes:
            assert root_at(some, store.nodes) == root_of(leaves[:some])
            check_continuity(store, some, root_of(leaves[:some]))
        for index in (0, 1, 254, 255, 256, 511, 512, size - 1):
            path = prove_inclusion(index, size, store.nodes)
            assert root_from_inclusion(index, size, leaves[index], path) == root
        for old, new in pairwise(sizes):
            proof = prove_consistency(old, new, store.nodes)
            assert is_consistent(old, new, root_of(leaves[:old]), root_of(leaves[:new]), proof)
        for tile in ((0, 0, 256), (0, 1, 256), (0, 2, size - 512), (0, 2, 1), (1, 0, 2), (1, 0, 1)):
            assert store.tile(*tile) == stores[0].tile(*tile)
        for tile in (
            (0, 2, size - 511),
            (1, 0, 3),
            (2, 0, 1),
            (0, 3, 1),
            (0, 0, 0),
            (0, 0, 257),
            (0, -1, 1),
            (9, 9, 9),
        ):
            with pytest.raises(UnknownThing):
                store.tile(*tile)
        for node in ((0, size), (9, 1), (10, 0), (40, 0)):
            with pytest.raises(UnknownThing):
                store.nodes([node])
        assert store.verify() == size
        assert store.rebuild()["changed"] == 0
        store.close()


TOOL = {"type": "tool", "name": "x", "digest": "d", "version": "1", "body": {"a": salted({}, 1)}}


def test_entries_of_a_run_are_numbered_without_gaps(control):
    runs = ["a", None, "b", "a", None, "a", "b"]
    for number, run in enumerate(runs):
        control.append(
            [decision(number, run)] if number % 2 else [decision(number, run), accepted("c", number, 2)]
        )
    found = control.entries()
    assert [entry.nth for entry in found if entry.run == "a"] == [1, 2, 3]
    assert [entry.nth for entry in found if entry.run == "b"] == [1, 2]
    assert [entry.nth for entry in found if entry.run is None] == [None, None]


def test_contents_are_committed_and_their_openings_come_back(control):
    amount, secret, large = (
        salted("900.00", 1),
        salted({"iban": "DE1", "n": 1.5}, 2),
        salted("x", 3, keep=False, why="too large"),
    )
    (entry, plain) = control.append(
        [decision(1, "r", amount=amount, to=secret, all=large), accepted("r", 0, 1)]
    )
    assert entry.body["arguments"] == {
        name: {COMMITMENT_KEY: one.commitment}
        for name, one in (("amount", amount), ("to", secret), ("all", large))
    }
    found = control.openings([entry.seq, plain.seq, 99])
    assert found == {
        1: [
            Opening(amount.commitment, amount.salt, b'"900.00"'),
            Opening(secret.commitment, secret.salt, b'{"iban":"DE1","n":1.5}'),
            Opening(large.commitment, None, None, "too large"),
        ]
    }  # fmt: skip
    assert [one.fits for one in found[1]] == [True, True, False]
    assert b"DE1" not in leaf_bytes(entry)


def test_what_is_erased_is_gone_everywhere_and_every_proof_stands(control):
    control.append(asked("apr_1", "r", "call the customer", 1))
    head = control.head()
    assert control.approval("apr_1").arguments == {"amount": "900.00", "to": {"iban": "DE1"}}
    assert control.approval("apr_1").note == "call the customer"
    commitments = [one.commitment for rows in control.openings([1, 2]).values() for one in rows]
    assert control.erase([1, 2, 3, 99, 1]) == commitments
    assert control.erase([1, 2]) == []
    assert [one.why for rows in control.openings([1, 2]).values() for one in rows] == ["erased"] * 3
    approval = control.approval("apr_1")
    assert (approval.arguments, approval.note) == ({"amount": None, "to": None}, None)
    assert control.verify() == 3
    assert control.head() == head
    assert control.rebuild()["changed"] == 0
    assert control.approval("apr_1") == approval
    control.append([decision(1, "r")])


def test_what_comes_for_an_erased_run_is_committed_to_and_not_kept(control):
    body = {"commitments": [], "subject": None, "because": "request 7", "by": "ann"}
    control.append([decision(1, "r", amount=salted("900.00", 1))])
    control.append([Draft("content.erased", "r", body, run="r")])
    late, other = salted("901.00", 2), salted("902.00", 3)
    entries = control.append([decision(2, "r", amount=late), decision(3, "q", amount=other)])
    assert entries[0].body["arguments"] == {"amount": {COMMITMENT_KEY: late.commitment}}
    found = control.openings([entry.seq for entry in entries])
    assert found[entries[0].seq] == [Opening(late.commitment, None, None, "erased")]
    assert found[entries[1].seq] == [Opening(other.commitment, other.salt, b'"902.00"')]
    control.append(asked("apr_1", "r", "call the customer", 4))
    assert (control.approval("apr_1").arguments, control.approval("apr_1").note) == (
        {"amount": None, "to": None}, None,
    )  # fmt: skip
    assert control.verify() == control.head()[0]
    assert control.rebuild()["changed"] == 0


@pytest.mark.parametrize(
    "draft",
    [
        Draft("budget.set", "b", {"budget": "b", "scope": "run:*", "limit_nano": salted(5, 1), "mode": "hard"}),
        Draft("object.declared", "x", TOOL),
        replace(asked("apr_1", "r", "x", 1)[0], body=asked("apr_1", "r", "x", 1)[0].body | {"binding": salted("b", 9)}),
    ],
    ids=lambda draft: draft.kind,
)  # fmt: skip
def test_a_view_never_depends_on_what_may_be_erased(control, draft):
    with pytest.raises(BadInput):
        control.append([draft])
    assert control.head() == (0, EMPTY_ROOT)


def test_texts_are_kept_once_and_by_their_digest(control):
    control.append([policy("permit(a);", "forbid(b);"), decision(1, "r", "the tool")])
    control.append([replace(decision(2, "r", "the tool"), texts={}), policy("permit(a);")])
    assert control.text(digest_bytes(b"the tool")) == "the tool"
    assert control.text(digest_bytes(b"permit(a);")) == "permit(a);"
    with pytest.raises(UnknownThing):
        control.text("0" * 64)
    wrong = [
        replace(decision(3, "r", "new"), texts={}),  # named, and nobody gave it
        replace(decision(3, "r"), texts=given("new")),  # given, and nobody named it
        replace(decision(3, "r", "new"), texts={digest_bytes(b"new"): "old"}),
        replace(decision(3, "r", "new"), texts={digest_bytes(b"new"): "\ud800"}),
    ]
    for draft in wrong:
        with pytest.raises(BadInput):
            control.append([accepted("x", 0, 1), draft])
    assert control.head()[0] == 4
    assert control.verify() == 4


def test_a_leaf_that_is_too_long_is_refused_and_nothing_is_written(control):
    def draft(length: int) -> Draft:
        return Draft("effect.started", "e", {"effect": "e" * length})

    (entry,) = control.append([draft(10)])
    most = 65_535 - len(leaf_bytes(entry)) + 10
    with pytest.raises(BadInput, match="65535"):
        control.append([decision(1, "r"), draft(most + 1)])
    assert control.head()[0] == 1
    (entry,) = control.append([draft(most)])
    assert len(leaf_bytes(entry)) == 65_535
    control.append(
        [Draft("effect.ended", "e", {"result": salted("x" * 100_000, 1)})]
    )  # a content may be long
    assert control.verify() == 3


def test_records_enter_without_gaps(control):
    control.append([accepted("a", 0, 3), accepted("b", 0, 1), accepted("a", 3, 2)])
    for first, count in ((0, 3), (4, 1), (6, 1)):
        with pytest.raises(Conflict) as caught:
            control.append([accepted("a", first, count)])
        assert caught.value.detail["known"] == 5
    for count in (0, -1):
        with pytest.raises(BadInput):
            control.append([accepted("a", 5, count)])
    control.append([accepted("a", 5, 1)])
    assert control.head()[0] == 4


def test_checkpoints_are_of_this_journal_and_gather_signatures(control):
    assert control.checkpoints() == []
    first = note_of(control)
    control.add_checkpoint(*first)
    control.append([accepted("a", 0, 3), accepted("a", 3, 2)])
    size, note = note_of(control, "log", "one")
    other = note_of(control, "log", "two")[1]
    control.add_checkpoint(size, note)
    control.add_checkpoint(size, other)
    both = note_of(control, "log", "one", "two")[1]
    assert control.checkpoints() == [(2, both), first]
    assert control.checkpoints(limit=1) == [(2, both)]
    lines = note.split("\n")
    forked, of_another = lines.copy(), lines.copy()
    forked[2] = "A" * 43 + "="
    of_another[0] = "somebody.else/1"
    for wrong_size, wrong in ((size, "\n".join(forked)), (size, "\n".join(of_another)), (1, note), (3, note)):
        with pytest.raises(Conflict):
            control.add_checkpoint(wrong_size, wrong)
    lines[1] = "3"
    with pytest.raises(Conflict):  # beyond the journal
        control.add_checkpoint(3, "\n".join(lines))
    text = note.partition("\n\n")[0]
    for bad in ("", "x", text, text + "\n\n", note[:-1], note.replace("\n2\n", "\n02\n"), note + "more\n"):
        with pytest.raises(BadInput):
            control.add_checkpoint(size, bad)
    assert control.checkpoints() == [(2, both), first]
    control.append([accepted("a", 5, 2)])
    assert control.verify() == 3


def test_continuity_tells_a_shorter_journal_from_a_forked_one(control):
    control.append([accepted("a", 0, 1), accepted("a", 1, 1)])
    size, root = control.head()
    control.append([accepted("a", 2, 1)])
    check_continuity(control, 0, EMPTY_ROOT)
    check_continuity(control, size, root)
    for wrong_size, wrong_root, finding in ((4, root, "shorter"), (3, root, "forked"), (0, root, "forked")):
        with pytest.raises(StoreFault) as caught:
            check_continuity(control, wrong_size, wrong_root)
        assert (caught.value.detail["finding"], caught.value.detail["entries"]) == (finding, 3)
        assert caught.value.hint
    for wrong_size, wrong_root in ((-1, root), (1, b"short")):
        with pytest.raises(BadInput):
            check_continuity(control, wrong_size, wrong_root)
