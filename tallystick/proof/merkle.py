"""The Merkle tree of RFC 6962 (and RFC 9162, section 2.1): hashes, roots, inclusion and consistency.

Nodes are named by level and index: node (0, i) is leaf i's hash, node (l, i) covers leaves [i·2^l, (i+1)·2^l) and
exists once all of them do. Proofs are made through ``Nodes``, a function that gives the hashes of such complete
subtrees, so a log of any size needs only a few look-ups. A verifier needs no log at all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice, pairwise
from typing import Final

from tallystick.model.errors import BadInput

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()

Node = tuple[int, int]  # level, index
Nodes = Callable[[Sequence[Node]], Sequence[bytes]]  # hashes of complete subtrees, in the order asked for


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 ‖ leaf)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


class CompactRange:
    """The right edge of a growing tree: the roots of its complete subtrees, largest first. Appending is cheap."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        if len(self.peaks) != size.bit_count() or any(len(peak) != HASH_BYTES for peak in self.peaks):
            raise BadInput("these are not the peaks of a tree of that size")

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        size, peaks, node = self.size, self.peaks, leaf
        while size & 1:
            node = sha256(b"\x01" + peaks.pop() + node).digest()  # node_hash, without the call
            size >>= 1
        peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The root hash of all leaves so far."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    edge = CompactRange()
    for leaf in leaves:
        edge.append(leaf)
    return edge.root()


def peak_nodes(size: int) -> list[Node]:
    """The complete subtrees that make up a tree of ``size`` leaves, largest first."""
    nodes, start = [], 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            nodes.append((level, start >> level))
            start += 1 << level
    return nodes


def root_at(size: int, nodes: Nodes) -> bytes:
    """The root of the first ``size`` leaves of a log."""
    return CompactRange(size, nodes(peak_nodes(size))).root()


# ── proofs ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def _cover(first: int, last: int) -> list[Node]:
    """The complete subtrees of [first, last), where ``first`` is where an RFC 6962 subtree begins."""
    return [(level, index + (first >> level)) for level, index in peak_nodes(last - first)]


def _hashes_of(ranges: Sequence[tuple[int, int]], nodes: Nodes) -> list[bytes]:
    """The hashes of subtrees [first, last). ``nodes`` is asked once, so that a log answers from one moment."""
    covers = [_cover(first, last) for first, last in ranges]
    hashes = iter(nodes([node for cover in covers for node in cover]))
    return [
        CompactRange(last - first, islice(hashes, len(cover))).root()
        for (first, last), cover in zip(ranges, covers, strict=True)
    ]


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The subtrees [first, last) whose hashes prove leaf ``index`` of ``size``, from the leaf up."""
    ranges, first, last = [], 0, size
    while last - first > 1:
        middle = first + _split(last - first)
        if index < middle:
            ranges.append((middle, last))
            last = middle
        else:
            ranges.append((first, middle))
            first = middle
    return ranges[::-1]


def prove_inclusion(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """The audit path of leaf ``index`` (from 0) in the tree of ``size`` leaves (RFC 9162, 2.1.3.1).

    Raises BadInput for a leaf that is not in the tree.
    """
    if not 0 <= index < size:
        raise BadInput(f"leaf {index} is not in a tree of {size}")
    return _hashes_of(inclusion_ranges(index, size), nodes)


def root_from_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes | None:
    """The root that an audit path leads to; None when the path has the wrong length (RFC 9162, 2.1.3.2)."""
    ranges = inclusion_ranges(index, size) if 0 <= index < size else None
    if ranges is None or len(path) != len(ranges):
        return None
    node = leaf
    for (first, _), other in zip(ranges, path, strict=True):
        node = node_hash(node, other) if first > index else node_hash(other, node)
    return node


def _consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """The subtrees of a consistency proof, from the bottom up; the first is a complete subtree of the old tree."""
    ranges, first, last, whole = [], 0, new, True
    while old - first != last - first:
        middle = first + _split(last - first)
        if old <= middle:
            ranges.append((middle, last))
            last = middle
        else:
            ranges.append((first, middle))
            first, whole = middle, False
    if not whole:
        ranges.append((first, last))
    return ranges[::-1]


def prove_consistency(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """The proof that the tree of ``old`` leaves is a prefix of that of ``new`` (RFC 9162, 2.1.4.1).

    Raises BadInput for sizes that do not ascend.
    """
    if not 0 <= old <= new:
        raise BadInput(f"a tree of {old} is no prefix of one of {new}")
    if old in (0, new):
        return []
    return _hashes_of(_consistency_ranges(old, new), nodes)


def roots_from_consistency(
    old: int, new: int, old_root: bytes, proof: Sequence[bytes]
) -> tuple[bytes, bytes] | None:
    """The roots of ``old`` and ``new`` leaves that a proof leads to, for 0 < old < new (RFC 9162, 2.1.4.2).

    None when the proof has the wrong length. A proof that leads to a new root which the log signed, and to another old
    root than ``old_root``, shows that the new tree does not continue the old one. Where the old tree is one complete
    subtree of the new, the proof begins with ``old_root`` itself and can lead to no other.
    """
    ranges = _consistency_ranges(old, new) if 0 < old < new else None
    if ranges is None or len(proof) != len(ranges):
        return None
    whole = old & (old - 1) == 0 and ranges[0][0] == old  # the old tree is itself a complete subtree
    pairs = list(zip(ranges, proof, strict=True))
    before = after = old_root if whole else pairs.pop(0)[1]
    for (first, _), other in pairs:
        if first >= old:
            after = node_hash(after, other)
        else:
            before, after = node_hash(other, before), node_hash(other, after)
    return before, after


def is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that the tree with ``old_root`` is a prefix of the one with ``new_root``."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    return roots_from_consistency(old, new, old_root, proof) == (old_root, new_root)


# ── many leaves at once ─────────────────────────────────────────────────────────────────────────────────────────


def _gaps(first: int, last: int, wanted: Sequence[int], low: int, high: int) -> Iterator[tuple[int, int]]:
    """Subtrees of [first, last) without any wanted leaf, left to right; ``wanted[low:high]`` lie in the range."""
    if low == high:
        yield first, last
    elif last - first > 1:
        middle = first + _split(last - first)
        cut = bisect_left(wanted, middle, low, high)
        yield from _gaps(first, middle, wanted, low, cut)
        yield from _gaps(middle, last, wanted, cut, high)


def prove_many(indexes: Sequence[int], size: int, nodes: Nodes) -> list[bytes]:
    """The hashes that together with some leaves give the root: subtrees without any of them, left to right.

    ``indexes`` are different, ascending and below ``size``; BadInput otherwise.
    """
    if list(indexes) != sorted(set(indexes)) or (indexes and not 0 <= indexes[0] <= indexes[-1] < size):
        raise BadInput("indexes must be ascending and below the size")
    return _hashes_of(list(_gaps(0, size, indexes, 0, len(indexes))), nodes) if size else []


def root_from_many(
    indexes: Sequence[int], leaves: Sequence[bytes], size: int, proof: Sequence[bytes]
) -> bytes | None:
    """The root that leaves and a proof of ``prove_many`` lead to; None when they do not fit together."""
    ordered = all(low < high for low, high in pairwise(indexes))
    if len(indexes) != len(leaves) or not ordered or (indexes and not 0 <= indexes[0] <= indexes[-1] < size):
        return None
    if size == 0:
        return EMPTY_ROOT if not proof else None
    given = iter(proof)

    def fold(first: int, last: int, low: int, high: int) -> bytes:
        if low == high:
            return next(given)
        if last - first == 1:
            return leaves[low]
        middle = first + _split(last - first)
        cut = bisect_left(indexes, middle, low, high)
        return node_hash(fold(first, middle, low, cut), fold(middle, last, cut, high))

    try:
        root = fold(0, size, 0, len(indexes))
    except StopIteration:
        return None
    return root if next(given, None) is None else None
