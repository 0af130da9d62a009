"""One rule for signatures, whoever computes it: RFC 8032's vectors, and everything that libraries disagree about."""

from __future__ import annotations

import sys
from hashlib import sha512

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.proof import ed25519, keys
from tallystick.proof.ed25519 import ORDER, PRIME

VECTORS = [  # RFC 8032, 7.1: private key, message, signature
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
        "b00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
        "c027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e"
        "2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17a"
        "d9bef1177331a704",
    ),
]  # fmt: skip
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SECRET.public_key().public_bytes_raw()


def both(public: bytes, message: bytes, signature: bytes) -> bool:
    """The answer that both ways give; a test fails when they differ."""
    answers = {
        keys.verify_ed25519(public, message, signature), ed25519.verify(public, message, signature)
    }  # fmt: skip
    assert len(answers) == 1, (public.hex(), message.hex(), signature.hex())
    return answers.pop()


def library_alone(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def test_the_shared_way_is_the_library_where_it_is_installed() -> None:
    assert keys._verifier() is not ed25519.verify


@pytest.mark.parametrize(("private", "message", "signature"), VECTORS)
def test_vectors_of_rfc_8032(private: str, message: str, signature: str) -> None:
    secret = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private))
    public, text, signed = (
        secret.public_key().public_bytes_raw(),
        bytes.fromhex(message),
        bytes.fromhex(signature),
    )
    assert secret.sign(text) == signed
    assert both(public, text, signed)
    assert not both(public, text + b"x", signed)


@settings(max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80))
def test_every_signature_holds_and_no_neighbour_of_it_does(seed: bytes, message: bytes) -> None:
    secret = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = secret.public_key().public_bytes_raw(), secret.sign(message)
    assert both(public, message, signature)
    assert not both(public, message + b"\x00", signature)
    bit = 1 + int.from_bytes(sha512(seed + message).digest()[:2], "big") % 511
    for place in (0, bit, 255, 256, 511):
        other = bytearray(signature)
        other[place // 8] ^= 1 << place % 8
        assert not both(public, message, bytes(other))
    other = bytearray(public)
    other[bit % 32] ^= 1 << bit % 8
    assert not both(bytes(other), message, signature)


@settings(max_examples=60)
@given(st.binary(max_size=70), st.binary(max_size=20), st.binary(max_size=70))
def test_any_bytes_get_the_same_answer(public: bytes, message: bytes, signature: bytes) -> None:
    assert not both(public, message, signature)
    assert not both(public.ljust(32, b"\x07")[:32], message, signature.ljust(64, b"\x01")[:64])


def test_a_second_signature_by_adding_the_order_is_refused() -> None:
    message = b"pay 10"
    signature = SECRET.sign(message)
    scalar = int.from_bytes(signature[32:], "little")
    for times in range(1, 16):
        if (larger := scalar + times * ORDER) < 2**256:
            assert not both(PUBLIC, message, signature[:32] + larger.to_bytes(32, "little"))
    for wrong in (b"", signature[:63], signature + b"\x00", signature[:32]):
        assert not both(PUBLIC, message, wrong)
    for wrong in (b"", PUBLIC[:31], PUBLIC + b"\x00"):
        assert not both(wrong, message, signature)


# ── points of small order, and their sums with honest ones ──────────────────────────────────────────────────────


def small_order_points() -> list[ed25519._Point]:
    """The eight multiples of a point of order 8."""
    eighth = ed25519._decoded(
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
    )
    assert eighth is not None
    points, point = [], ed25519._NEUTRAL
    for _ in range(8):
        points.append(point)
        point = ed25519._add(point, eighth)
    assert ed25519._encoded(point) == ed25519._encoded(ed25519._NEUTRAL)
    return points


def encodings(encoded: bytes) -> set[bytes]:
    """The canonical encoding of a point and those others that careless decoders take for it."""
    number = int.from_bytes(encoded, "little")
    y, sign = number % 2**255, number >> 255
    forms = {(y, sign), (y, 1 - sign)} if y in (1, PRIME - 1) else {(y, sign)}
    forms |= {(y + PRIME, sign) for y, sign in forms if y + PRIME < 2**255}
    return {(y | sign << 255).to_bytes(32, "little") for y, sign in forms}


def test_small_order_keys_sign_nothing_in_any_encoding() -> None:
    """A key of small order would make one signature hold for many messages; the library alone allows it."""
    allowed_by_the_library = set()
    scalar = 77
    honest = ed25519._encoded(ed25519._sum_of_multiples(scalar, ed25519._BASE, 0, ed25519._BASE))
    nonces = [(form, 0) for one in small_order_points() for form in encodings(ed25519._encoded(one))]
    for point in small_order_points():
        for public in encodings(ed25519._encoded(point)):
            for nonce, s in (*nonces, (honest, scalar)):
                for message in (b"allow", b"deny", b"3", b"4"):
                    signature = nonce + s.to_bytes(32, "little")
                    if library_alone(public, message, signature):
                        allowed_by_the_library.add(public)
                    assert not both(public, message, signature)
    assert (PRIME + 1).to_bytes(
        32, "little"
    ) in allowed_by_the_library  # the neutral point in a second encoding
    assert len(allowed_by_the_library) > 8
    with pytest.raises(Exception, match="sound"):
        keys.VerifierKey.of("example.com/log", keys.ED25519, ed25519._encoded(ed25519._NEUTRAL))


def test_keys_with_a_part_of_small_order_get_one_answer() -> None:
    """[S]B = R + [k](A + T) without the cofactor: it holds exactly where [k]T vanishes, and both ways say so."""
    scalar, nonce = 12345678901234567890, 98765432109876543210
    base = ed25519._BASE

    def times(factor: int, point: ed25519._Point) -> ed25519._Point:
        return ed25519._sum_of_multiples(factor, point, 0, point)

    honest, commitment = times(scalar, base), ed25519._encoded(times(nonce, base))
    answers = set()
    for order, extra in enumerate(small_order_points()):
        public = ed25519._encoded(ed25519._add(honest, extra))
        for number in range(24):
            message = b"message %d" % number
            challenge = int.from_bytes(sha512(commitment + public + message).digest(), "little") % ORDER
            signature = commitment + ((nonce + challenge * scalar) % ORDER).to_bytes(32, "little")
            vanishes = challenge * order % 8 == 0
            assert both(public, message, signature) == vanishes == library_alone(public, message, signature)
            answers.add(vanishes)
    assert answers == {True, False}


def test_a_nonce_of_small_order_is_refused() -> None:
    """R of small order with an honest key: S = k·a makes the equation hold, and the rule says no."""
    scalar = 1234567
    public = ed25519._encoded(ed25519._sum_of_multiples(scalar, ed25519._BASE, 0, ed25519._BASE))
    nonce = ed25519._encoded(ed25519._NEUTRAL)
    challenge = int.from_bytes(sha512(nonce + public + b"m").digest(), "little") % ORDER
    signature = nonce + (challenge * scalar % ORDER).to_bytes(32, "little")
    assert library_alone(public, b"m", signature)
    assert not both(public, b"m", signature)


def test_keys_that_are_no_points_of_the_curve_are_refused() -> None:
    message, refused = b"m", 0
    signature = SECRET.sign(message)
    for y in range(2, 60):
        public = y.to_bytes(32, "little")
        assert not both(public, message, signature)
        refused += ed25519._decoded(public) is None
    assert refused > 10


def test_without_the_library_the_answer_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    keys._verifier.cache_clear()
    try:
        assert keys._verifier() is ed25519.verify
        assert keys.verify_ed25519(PUBLIC, b"m", SECRET.sign(b"m"))
        assert not keys.verify_ed25519(PUBLIC, b"n", SECRET.sign(b"m"))
    finally:
        keys._verifier.cache_clear()
