"""Ed25519 verification of RFC 8032, in Python alone: an auditor needs no compiled package to check a signature.

Verification only; nothing here is secret, so nothing needs constant time. A signature holds under one rule everywhere
(see ``keys.verify_ed25519``): encodings are canonical, S is below the group's order, neither the key nor R is a point
of small order, and [S]B = R + [k]A holds without the cofactor (RFC 8032, 5.1.7, the stronger of its two equations).
"""

from __future__ import annotations

from hashlib import sha512
from typing import Final

PRIME: Final = 2**255 - 19
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
_D: Final = -121665 * pow(121666, -1, PRIME) % PRIME
_ROOT_OF_MINUS_ONE: Final = pow(2, (PRIME - 1) // 4, PRIME)
_SIGN: Final = 1 << 255
# y of the eight points whose order divides the cofactor: two of order 8 each way up, (0, ±1), and those with y = 0
_SMALL_ORDER: Final = frozenset(
    {
        0,
        1,
        PRIME - 1,
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
    }
)  # fmt: skip

_Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T of RFC 8032, 5.1.4
_NEUTRAL: Final[_Point] = (0, 1, 1, 0)


def is_sound_point(encoded: bytes) -> bool:
    """Whether 32 bytes are a canonical encoding and not a point of small order (they need not be on the curve)."""
    if len(encoded) != KEY_BYTES:
        return False
    y = int.from_bytes(encoded, "little") & (_SIGN - 1)
    return y < PRIME and y not in _SMALL_ORDER


def is_sound_signature(signature: bytes) -> bool:
    """Whether 64 bytes are a canonical R that is not of small order, and an S below the order of the group."""
    return (
        len(signature) == SIGNATURE_BYTES
        and is_sound_point(signature[:KEY_BYTES])
        and int.from_bytes(signature[KEY_BYTES:], "little") < ORDER
    )


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (64 bytes) over ``message`` was made with the key of ``public`` (32 bytes)."""
    if not is_sound_point(public) or not is_sound_signature(signature):
        return False
    key = _decoded(public)
    if key is None:
        return False
    nonce, scalar = signature[:KEY_BYTES], int.from_bytes(signature[KEY_BYTES:], "little")
    challenge = int.from_bytes(sha512(nonce + public + message).digest(), "little") % ORDER
    x, y, z, t = key
    return _encoded(_sum_of_multiples(scalar, _BASE, challenge, (PRIME - x, y, z, PRIME - t))) == nonce


def _decoded(encoded: bytes) -> _Point | None:
    """The point of a canonical encoding; None when there is none on the curve (RFC 8032, 5.1.3)."""
    number = int.from_bytes(encoded, "little")
    y, odd = number & (_SIGN - 1), number >> 255
    square = (y * y - 1) * pow(_D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * _ROOT_OF_MINUS_ONE % PRIME
    if (x * x - square) % PRIME:
        return None
    if x & 1 != odd:
        x = PRIME - x
    return x, y, 1, x * y % PRIME


def _encoded(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, PRIME)
    x, y = x * inverse % PRIME, y * inverse % PRIME
    return (y | (x & 1) << 255).to_bytes(KEY_BYTES, "little")


def _add(one: _Point, other: _Point) -> _Point:
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a, b = (y1 - x1) * (y2 - x2) % PRIME, (y1 + x1) * (y2 + x2) % PRIME
    c, d = 2 * t1 * t2 * _D % PRIME, 2 * z1 * z2 % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def _double(point: _Point) -> _Point:
    x, y, z, _ = point
    a, b = x * x % PRIME, y * y % PRIME
    h = a + b
    e = h - (x + y) * (x + y)
    g = a - b
    f = 2 * z * z + g
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def _sum_of_multiples(one: int, base: _Point, other: int, point: _Point) -> _Point:
    """[one]base + [other]point with one run of doublings for both."""
    choices = (_NEUTRAL, base, point, _add(base, point))
    total = _NEUTRAL
    for bit in range(max(one.bit_length(), other.bit_length()) - 1, -1, -1):
        total = _double(total)
        choice = (one >> bit & 1) | (other >> bit & 1) << 1
        if choice:
            total = _add(total, choices[choice])
    return total


def _base_point() -> _Point:
    point = _decoded((4 * pow(5, -1, PRIME) % PRIME).to_bytes(KEY_BYTES, "little"))
    assert point is not None
    return point


_BASE: Final = _base_point()
