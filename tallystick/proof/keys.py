"""Keys as they are handed out (C2SP verifier keys) and the one way in which Ed25519 signatures are verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Final

from tallystick.model.errors import BadInput
from tallystick.proof import ed25519
from tallystick.proof.base64text import from_base64, to_base64

ED25519: Final = 0x01  # signs a note's text
COSIGNATURE: Final = 0x04  # a witness: signs the time and the text of a checkpoint
LONGEST_KEY: Final = 10_000  # characters; an ML-DSA-44 key has 1,312 bytes

Verify = Callable[[bytes, bytes, bytes], bool]  # public key, message, signature
Sign = Callable[[bytes], bytes]  # message to Ed25519 signature

_ID_BYTES: Final = 4


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (64 bytes) over ``message`` was made with the private key of ``public`` (32 bytes).

    One rule, whichever code computes it: canonical encodings, S below the group's order, no point of small order as
    key or R, and RFC 8032's equation without the cofactor. Libraries differ on the first three, so they are checked
    here before ``cryptography`` is asked; where it is not installed, ``proof.ed25519`` answers the same.
    """
    if not ed25519.is_sound_point(public) or not ed25519.is_sound_signature(signature):
        return False
    return _verifier()(public, message, signature)


@cache
def _verifier() -> Verify:
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:  # a verifier may run without it
        return ed25519.verify

    def fast(public: bytes, message: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except UnsupportedAlgorithm:  # a build of OpenSSL without Ed25519
            return ed25519.verify(public, message, signature)
        except (InvalidSignature, ValueError):  # ValueError: not a point of the curve
            return False
        return True

    return fast


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key of C2SP signed-note: ``type`` is the algorithm's byte, ``id`` four bytes that stand in signatures.

    Types other than ED25519 and COSIGNATURE can be read and written; nothing here verifies with them.
    """

    name: str
    id: bytes
    type: int
    public: bytes

    @classmethod
    def of(cls, name: str, type: int, public: bytes) -> VerifierKey:
        """The key with the id that C2SP recommends. Raises BadInput for a bad name or key."""
        named = sha256(name.encode("utf-8", "surrogatepass") + b"\n" + bytes([type]) + public)
        return cls(name, named.digest()[:_ID_BYTES], type, public).checked()

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read ``<name>+<key id, 8 hex digits>+<base64(type ‖ public key)>``. Raises BadInput."""
        parts = text.strip().split("+", 2) if len(text) <= LONGEST_KEY else []
        if len(parts) != 3 or len(parts[1]) != 2 * _ID_BYTES or not set(parts[1]) <= set("0123456789abcdef"):
            raise BadInput(
                "this is not a verifier key",
                hint="a verifier key looks like example.com/log+c74f20a3+ARpc2QcUPDhM…",
            )
        raw = from_base64(parts[2], "the key in a verifier key")
        if len(raw) < 2:
            raise BadInput("a verifier key has no key in it")
        return cls(parts[0], bytes.fromhex(parts[1]), raw[0], raw[1:]).checked()

    @property
    def text(self) -> str:
        """The key as C2SP writes it."""
        return f"{self.name}+{self.id.hex()}+{to_base64(bytes([self.type]) + self.public)}"

    def checked(self) -> VerifierKey:
        """The key itself. Raises BadInput when its name, id or (for types we know) key is not sound."""
        check_key_name(self.name)
        if self.type not in (ED25519, COSIGNATURE):
            return self
        if not ed25519.is_sound_point(self.public):
            raise BadInput("a verifier key does not hold a sound Ed25519 key")
        named = sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public)
        if named.digest()[:_ID_BYTES] != self.id:
            raise BadInput(
                "the id of a verifier key does not belong to its key", hint="copy the key once more"
            )
        return self


def check_key_name(name: str) -> None:
    """Raises BadInput for a name that C2SP signed-note does not allow."""
    if not name or any(
        one <= " " or one == "+" or one.isspace() or "\ud800" <= one <= "\udfff" for one in name
    ):
        raise BadInput("the name of a key must be text without spaces, control characters and plus signs")
