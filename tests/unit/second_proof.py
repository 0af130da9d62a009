"""Hashes, trees, keys, notes and envelopes as docs/reference/proof-format.md has them, and no line of Tallystick."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SAFE, P = 2**53 - 1, 2**255 - 19
EIGHTH = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
SMALL_ORDER = {0, 1, P - 1, EIGHTH, P - EIGHTH}  # the y of every point whose order is 1, 2, 4 or 8


class Wrong(Exception):
    """What was read is not what the page says."""


# ── section 1 and the head of the page: JSON, base64, hashes, trees ─────────────────────────────────────────────


def canonical(value: Any) -> bytes:
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise Wrong(f"no canonical JSON: {error}") from error


def load(data: bytes) -> Any:
    """Canonical JSON; its numbers are doubles, so that longer digits are read as floats."""

    def number(digits: str) -> int | float:
        return int(digits) if len(digits) < 18 and abs(int(digits)) <= SAFE else float(digits)

    try:
        value = json.loads(data.decode(), parse_int=number)
    except (ValueError, RecursionError) as error:
        raise Wrong(f"no JSON: {error}") from error
    if canonical(value) != data:
        raise Wrong("not canonical")
    return value


def unbase64(text: str, *, url: bool = False) -> bytes:
    plain = text.replace("-", "+").replace("_", "/") if url else text
    try:
        data = base64.b64decode(plain, validate=True)
    except ValueError as error:
        raise Wrong("no base64") from error
    if base64.b64encode(data).decode() != plain:
        raise Wrong("base64 with bits after its end")
    return data


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def leaf_hash(value: Any) -> bytes:
    return sha256(b"\x00" + canonical(value)).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


def root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    at = split(len(leaves))
    return node(root(leaves[:at]), root(leaves[at:]))


def fold(leaves: dict[int, bytes], low: int, size: int, hashes: Iterator[bytes]) -> bytes:
    """Section 6, inclusion of many leaves: the root of leaves low … low+size−1."""
    if not any(low <= at < low + size for at in leaves):
        return next(hashes)
    if size == 1:
        return leaves[low]
    at = split(size)
    left = fold(leaves, low, at, hashes)
    return node(left, fold(leaves, low + at, size - at, hashes))


def folded(leaves: dict[int, bytes], size: int, hashes: Iterable[str]) -> bytes:
    rest = iter([bytes.fromhex(one) for one in hashes])
    try:
        made = fold(leaves, 0, size, rest)
    except StopIteration:
        raise Wrong("hashes are missing") from None
    if next(rest, None) is not None or any(at >= size for at in leaves):
        raise Wrong("more hashes or leaves than the tree has")
    return made


def path_root(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2."""
    if size == 1 and index == 0 and not path:
        return leaf
    if not 0 <= index < size or not path:
        raise Wrong("no audit path")
    at = split(size)
    if index < at:
        return node(path_root(leaf, index, at, path[:-1]), path[-1])
    return node(path[-1], path_root(leaf, index - at, size - at, path[:-1]))


def is_prefix(old: int, old_root: bytes, new: int, new_root: bytes, hashes: Sequence[bytes]) -> bool:
    """RFC 9162, 2.1.4.2, by the definition of the proof (2.1.4.1)."""
    rest = list(hashes)
    if old in (0, new):
        return not rest and old_root == (new_root if old else sha256(b"").digest())

    def both(old: int, new: int, whole: bool) -> tuple[bytes, bytes]:
        if old == new:
            one = old_root if whole else rest.pop(0)
            return one, one
        at = split(new)
        if old <= at:
            one, two = both(old, at, whole)
            return one, node(two, rest.pop(0))
        one, two = both(old - at, new - at, False)
        left = rest.pop(0)
        return node(left, one), node(left, two)

    try:
        return old < new and both(old, new, True) == (old_root, new_root) and not rest
    except IndexError:
        return False


# ── section 4: keys, notes, checkpoints ─────────────────────────────────────────────────────────────────────────


class Key:
    """A C2SP verifier key."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self.name, number, rest = self.text.split("+", 2)
        data = unbase64(rest)
        self.type, self.public = data[0], data[1:]
        self.id = sha256(self.name.encode() + b"\n" + data).digest()[:4]
        if self.id.hex() != number:
            raise Wrong("the key's id is another")

    def holds(self, signature: bytes, message: bytes) -> bool:
        points = [self.public, signature[:32]]
        ys = [int.from_bytes(point, "little") & (2**255 - 1) for point in points]
        if len(signature) != 64 or any(y >= P or y in SMALL_ORDER for y in ys):
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def note(text: str, keys: Iterable[Key]) -> tuple[str, list[Key]]:
    """The text of a signed note and the keys that signed it."""
    if len(text.encode()) > 1_000_000 or any((ord(c) < 32 and c != "\n") for c in text):
        raise Wrong("no note")
    body, gap, below = text.rpartition("\n\n")
    lines = below.split("\n")
    if not gap or lines.pop() != "" or not 1 <= len(lines) <= 100:
        raise Wrong("no note")
    body, signed = body + "\n", []
    for line in lines:
        dash, name, coded = (*line.split(" "), "", "")[:3]
        data = unbase64(coded)
        if line != f"{dash} {name} {coded}" or dash != "—" or not name or "+" in name or len(data) < 5:
            raise Wrong("no signature line")
        for key in keys:
            if (key.name, key.id) != (name, data[:4]) or key.type not in (1, 4):
                continue
            signature, message = data[4:], body.encode()
            if key.type == 4:
                seconds = int.from_bytes(signature[:8], "big")
                signature, message = signature[8:], f"cosignature/v1\ntime {seconds}\n{body}".encode()
            if not key.holds(signature, message):
                raise Wrong(f"a signature of {name} fails")
            signed.append(key)
    return body, signed


def checkpoint(text: str, keys: Iterable[Key]) -> tuple[str, int, bytes, list[Key]]:
    body, signed = note(text, keys)
    lines = body.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines) or not (lines[1].isascii() and lines[1].isdigit()):
        raise Wrong("no checkpoint")
    size, top = int(lines[1]), unbase64(lines[2])
    if str(size) != lines[1] or size >= 2**63 or len(top) != 32:
        raise Wrong("no checkpoint")
    if not any(key.type == 1 and key.name == lines[0] for key in signed):
        raise Wrong("the checkpoint is not signed by a given key of its origin")
    return lines[0], size, top, signed


# ── section 6: envelopes ────────────────────────────────────────────────────────────────────────────────────────


def statement(kind: str, name: str, subject: str, predicate: Any) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1", "predicate": predicate,
        "predicateType": f"https://tallystick.dev/statement/{kind}/v1",
        "subject": [{"digest": {"sha256": subject}, "name": name}],
    }  # fmt: skip


def signed_payload(envelope: Any, keys: Iterable[Key]) -> bytes:
    """The payload of a DSSE envelope that one of the keys signed."""
    kind, payload = envelope["payloadType"], unbase64(envelope["payload"], url=True)
    if kind != "application/vnd.in-toto+json":
        raise Wrong("an envelope of another type")
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    signatures = [unbase64(one["sig"], url=True) for one in envelope["signatures"]]
    if not any(key.type == 1 and key.holds(one, message) for key in keys for one in signatures):
        raise Wrong("no given key signed this envelope")
    return payload
