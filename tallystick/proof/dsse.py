"""DSSE envelopes (v1.0.0): a signed payload as JSON, signed with Ed25519 keys.

The signature covers the payload's type and its bytes. ``keyid`` is a hint that nobody may rely on; ours is the front of
the verifier key, ``<name>+<key id>``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tallystick.model.errors import BadInput
from tallystick.proof.base64text import from_base64, to_base64
from tallystick.proof.keys import ED25519, Sign, VerifierKey, Verify, verify_ed25519

IN_TOTO: Final = "application/vnd.in-toto+json"
MOST_SIGNATURES: Final = 100


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is signed."""
    kind = payload_type.encode("utf-8", "surrogatepass")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_envelope(
    payload: bytes, key: VerifierKey, sign: Sign, payload_type: str = IN_TOTO
) -> dict[str, Any]:
    """An envelope with one signature. Raises BadInput for a key that is not of type ED25519."""
    if key.type != ED25519:
        raise BadInput("only an Ed25519 key of type 1 signs envelopes")
    return {
        "payload": to_base64(payload),
        "payloadType": payload_type,
        "signatures": [
            {"keyid": f"{key.name}+{key.id.hex()}", "sig": to_base64(sign(pae(payload_type, payload)))}
        ],
    }


def payload_of(envelope: Any, payload_type: str = IN_TOTO) -> bytes:
    """The payload, unverified. Raises BadInput when this is no envelope of that type."""
    return _opened(envelope, payload_type)[0]


def verify_envelope(
    envelope: Any,
    keys: Iterable[VerifierKey],
    verify: Verify = verify_ed25519,
    payload_type: str = IN_TOTO,
) -> bytes | None:
    """The payload when at least one of ``keys`` signed it, else None; signatures that do not hold are skipped over.

    Raises BadInput when this is no envelope of that type.
    """
    payload, signatures = _opened(envelope, payload_type)
    message = pae(payload_type, payload)
    known = [key for key in keys if key.type == ED25519]
    held = any(verify(key.public, message, signature) for signature in signatures for key in known)
    return payload if held else None


def _opened(envelope: Any, payload_type: str) -> tuple[bytes, list[bytes]]:
    if not isinstance(envelope, Mapping) or not isinstance(envelope.get("signatures"), list | tuple):
        raise BadInput("this is not a DSSE envelope")
    if envelope.get("payloadType") != payload_type:
        raise BadInput(f"this DSSE envelope does not hold {payload_type}")
    signatures = envelope["signatures"]
    if not 1 <= len(signatures) <= MOST_SIGNATURES or not all(isinstance(one, Mapping) for one in signatures):
        raise BadInput(f"a DSSE envelope has 1 to {MOST_SIGNATURES} signatures")
    raw = [_bytes(one.get("sig"), "a signature of a DSSE envelope") for one in signatures]
    return _bytes(envelope.get("payload"), "the payload of a DSSE envelope"), raw


def _bytes(value: Any, what: str) -> bytes:
    """Base64 in either alphabet, which DSSE asks of everyone who verifies."""
    if not isinstance(value, str):
        raise BadInput(f"{what} is missing")
    standard = value.translate(_STANDARD) if "-" in value or "_" in value else value
    return from_base64(standard, what)


_STANDARD: Final = str.maketrans("-_", "+/")
