"""The Merkle tree against the definitions of RFC 6962, against pymerkle, and against someone who changes proofs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import pairwise

import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.model.errors import BadInput
from tallystick.proof.merkle import (
    EMPTY_ROOT,
    CompactRange,
    Node,
    is_consistent,
    leaf_hash,
    peak_nodes,
    prove_consistency,
    prove_inclusion,
    prove_many,
    root_at,
    root_from_inclusion,
    root_from_many,
    root_of,
    roots_from_consistency,
)

# The eight leaves of Certificate Transparency's reference tests, and the roots published for them
CT_LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
_A, _B, _C, _D, _E, _F, _G = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
)
CT_INCLUSION = [  # index from 0, size, audit path
    (0, 1, []),
    (0, 8, [_A, _B, _C]),
    (5, 8, [_D, _E, CT_ROOTS[4]]),
    (2, 3, [CT_ROOTS[2]]),
    (1, 5, [CT_ROOTS[1], _B, _D]),
]
CT_CONSISTENCY = [  # old size, new size, proof
    (1, 1, []),
    (1, 8, [_A, _B, _C]),
    (6, 8, [_F, _E, CT_ROOTS[4]]),
    (2, 5, [_B, _D]),
    (6, 7, [_F, _G, CT_ROOTS[4]]),
]

leaf_lists = st.lists(st.binary(max_size=6), min_size=1, max_size=70)


class Tree:
    """All complete subtrees of a list of leaf hashes, as a store would keep them."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.levels = [list(leaves)]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            self.levels.append([
                sha256(b"\x01" + below[at] + below[at + 1]).digest() for at in range(0, len(below) - 1, 2)
            ])  # fmt: skip

    def __call__(self, wanted: Sequence[Node]) -> list[bytes]:
        return [self.levels[level][index] for level, index in wanted]


# ── RFC 6962, 2.1, word for word and slowly ─────────────────────────────────────────────────────────────────────


def rfc_root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = rfc_split(len(leaves))
    return sha256(b"\x01" + rfc_root(leaves[:k]) + rfc_root(leaves[k:])).digest()


def rfc_split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def rfc_path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = rfc_split(len(leaves))
    if m < k:
        return [*rfc_path(m, leaves[:k]), rfc_root(leaves[k:])]
    return [*rfc_path(m - k, leaves[k:]), rfc_root(leaves[:k])]


def rfc_subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [rfc_root(leaves)]
    k = rfc_split(len(leaves))
    if m <= k:
        return [*rfc_subproof(m, leaves[:k], whole), rfc_root(leaves[k:])]
    return [*rfc_subproof(m - k, leaves[k:], False), rfc_root(leaves[:k])]


# ── vectors and definitions ─────────────────────────────────────────────────────────────────────────────────────


def test_published_roots_and_proofs_of_certificate_transparency() -> None:
    hashes = [leaf_hash(leaf) for leaf in CT_LEAVES]
    nodes = Tree(hashes)
    assert [root_of(hashes[:size]).hex() for size in range(9)] == CT_ROOTS
    for index, size, path in CT_INCLUSION:
        assert [one.hex() for one in prove_inclusion(index, size, nodes)] == path
    for old, new, proof in CT_CONSISTENCY:
        assert [one.hex() for one in prove_consistency(old, new, nodes)] == proof


@settings(max_examples=40, deadline=None)
@given(leaf_lists)
def test_every_root_and_proof_is_the_one_of_the_definition(leaves: list[bytes]) -> None:
    hashes = [leaf_hash(leaf) for leaf in leaves]
    nodes, size = Tree(hashes), len(leaves)
    assert root_at(size, nodes) == root_of(hashes) == rfc_root(leaves)
    for index in range(size):
        path = prove_inclusion(index, size, nodes)
        assert path == rfc_path(index, leaves)
        assert root_from_inclusion(index, size, hashes[index], path) == rfc_root(leaves)
    for old in range(1, size + 1):
        proof = prove_consistency(old, size, nodes)
        assert proof == ([] if old == size else rfc_subproof(old, leaves, True))
        assert is_consistent(old, size, rfc_root(leaves[:old]), rfc_root(leaves), proof)


@settings(max_examples=25, deadline=None)
@given(leaf_lists, st.data())
def test_pymerkle_agrees(leaves: list[bytes], data: st.DataObject) -> None:
    theirs = pymerkle.InmemoryTree(algorithm="sha256")
    for leaf in leaves:
        theirs.append_entry(leaf)
    hashes = [leaf_hash(leaf) for leaf in leaves]
    nodes, size = Tree(hashes), len(leaves)
    for at in range(1, size + 1):
        assert theirs.get_root(at) == root_at(at, nodes)
    index = data.draw(st.integers(0, size - 1))
    theirs_path = theirs.prove_inclusion(index + 1, size)
    assert list(theirs_path.path[1:]) == prove_inclusion(index, size, nodes)  # theirs begins with the leaf
    pymerkle.verify_inclusion(hashes[index], root_of(hashes), theirs_path)
    old = data.draw(st.integers(1, size))
    pymerkle.verify_consistency(
        root_of(hashes[:old]), root_of(hashes), theirs.prove_consistency(old, size)
    )  # raises when it does not hold; its own form of proof differs from the RFC's, so ours is held to the definition


def test_growing_one_by_one_and_resuming_from_peaks_give_one_tree() -> None:
    hashes = [leaf_hash(bytes([number])) for number in range(130)]
    nodes, edge = Tree(hashes), CompactRange()
    for size, leaf in enumerate(hashes):
        resumed = CompactRange(size, nodes(peak_nodes(size)))
        assert resumed.root() == edge.root() == rfc_root([bytes([number]) for number in range(size)])
        edge.append(leaf)


# ── one who changes proofs ──────────────────────────────────────────────────────────────────────────────────────


def changed(proof: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Every proof that is one bit, one hash more, one hash less or one swap away."""
    stranger = sha256(b"stranger").digest()
    for at, one in enumerate(proof):
        bit = 1 << at % 8
        yield [*proof[:at], bytes([one[0] ^ bit]) + one[1:], *proof[at + 1 :]]
        yield [*proof[:at], one[:-1] + bytes([one[-1] ^ bit]), *proof[at + 1 :]]
        yield [*proof[:at], *proof[at + 1 :]]
        yield [*proof[:at], one, *proof[at:]]
    for at in range(len(proof) + 1):
        yield [*proof[:at], stranger, *proof[at:]]
    for low in range(len(proof)):
        for high in range(low + 1, len(proof)):
            swapped = list(proof)
            swapped[low], swapped[high] = swapped[high], swapped[low]
            yield swapped


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8, 12, 16, 21, 33])
def test_no_changed_proof_holds(size: int) -> None:
    hashes = [leaf_hash(bytes([number])) for number in range(size)]
    nodes, root = Tree(hashes), root_of(hashes)
    for index in range(size):
        path = prove_inclusion(index, size, nodes)
        for other in changed(path):
            assert root_from_inclusion(index, size, hashes[index], other) != root
        for wrong in range(size):
            held = root_from_inclusion(wrong, size, hashes[index], path) == root
            assert held == (wrong == index)
        assert root_from_inclusion(index, size, leaf_hash(b"forged"), path) != root
    for old in range(1, size):
        proof, before = prove_consistency(old, size, nodes), root_of(hashes[:old])
        for other in changed(proof):
            assert not is_consistent(old, size, before, root, other)
        for wrong in range(size + 2):
            assert is_consistent(wrong, size, before, root, proof) == (wrong == old)
        assert not is_consistent(old, size, leaf_hash(b"forged"), root, proof)
        assert not is_consistent(old, size, before, leaf_hash(b"forged"), proof)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.data())
def test_many_leaves_are_proved_as_single_ones_are(size: int, data: st.DataObject) -> None:
    hashes = [leaf_hash(number.to_bytes(2, "big")) for number in range(size)]
    nodes, root = Tree(hashes), root_of(hashes)
    indexes = sorted(data.draw(st.sets(st.integers(0, size - 1))))
    proof, leaves = prove_many(indexes, size, nodes), [hashes[index] for index in indexes]
    assert root_from_many(indexes, leaves, size, proof) == root
    if len(indexes) == 1:  # the same hashes, ordered from left to right and not from the leaf up
        assert sorted(proof) == sorted(prove_inclusion(indexes[0], size, nodes))
    for other in changed(proof):
        assert root_from_many(indexes, leaves, size, other) != root
    for other_leaves in changed(leaves):
        assert root_from_many(indexes, other_leaves, size, proof) != root
    for low, high in pairwise(range(len(indexes))):
        swapped = [*indexes[:low], indexes[high], indexes[low], *indexes[high + 1 :]]
        assert root_from_many(swapped, leaves, size, proof) is None
    assert root_from_many([*indexes, size], [*leaves, hashes[0]], size, proof) is None


def test_a_tree_of_nothing() -> None:
    nodes = Tree([])
    assert root_at(0, nodes) == EMPTY_ROOT == root_from_many([], [], 0, prove_many([], 0, nodes))
    assert root_from_many([], [], 0, [EMPTY_ROOT]) is None
    assert is_consistent(0, 5, EMPTY_ROOT, leaf_hash(b"any"), [])
    assert not is_consistent(0, 5, leaf_hash(b"any"), leaf_hash(b"any"), [])
    assert root_from_inclusion(0, 0, leaf_hash(b"a"), []) is None
    with pytest.raises(BadInput):
        prove_inclusion(0, 0, nodes)
    for refused in (
        lambda: prove_consistency(1, 0, nodes),
        lambda: prove_many([0], 0, nodes),
        lambda: prove_many([1, 0], 2, nodes),
        lambda: CompactRange(1),
        lambda: CompactRange(1, [b"short"]),
    ):
        with pytest.raises(BadInput):
            refused()


def test_a_proof_of_the_forks_own_tree_gives_the_fork_away() -> None:
    """The log went on from another tree of ``old`` leaves: its proof leads to its new root, and to that other root."""
    shared, seen, hidden = ([leaf_hash(word + bytes([n])) for n in range(20)] for word in (b"a", b"b", b"c"))
    for old in range(1, 20):
        known, new = root_of([*shared[: old - 1], seen[0]]), [*shared[: old - 1], *hidden[: 21 - old]]
        proof = prove_consistency(old, 20, Tree(new))
        assert not is_consistent(old, 20, known, root_of(new), proof)
        before, after = roots_from_consistency(old, 20, known, proof) or (b"", b"")
        if old.bit_count() > 1:
            assert (before, after) == (root_of(new[:old]), root_of(new))
        else:  # the proof has no hash of the old tree in it, it begins with the root that is known
            assert before == known
            assert after != root_of(new)


def test_proofs_of_large_logs_need_few_hashes() -> None:
    asked = []

    def nodes(wanted: Sequence[Node]) -> list[bytes]:
        asked.extend(wanted)
        return [sha256(b"%d %d" % node).digest() for node in wanted]

    chosen = random.Random(7)
    for _ in range(50):
        size = chosen.randrange(1, 2**40)
        prove_inclusion(chosen.randrange(size), size, nodes)
        prove_consistency(chosen.randrange(size), size, nodes)
        assert len(asked) <= 4 * 40
        asked.clear()
