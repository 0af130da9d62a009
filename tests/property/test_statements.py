"""DSSE envelopes and in-toto statements: published encodings, honest signatures and everything else."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tallystick.model.canonical import canonical_json
from tallystick.model.errors import BadInput
from tallystick.model.journal import Entry, leaf_bytes
from tallystick.proof.dsse import IN_TOTO, pae, payload_of, sign_envelope, verify_envelope
from tallystick.proof.keys import COSIGNATURE, ED25519, VerifierKey
from tallystick.proof.merkle import leaf_hash
from tallystick.proof.statements import PREDICATES, statement

SECRET = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
KEY = VerifierKey.of("example.com/log", ED25519, SECRET.public_key().public_bytes_raw())
OTHER = Ed25519PrivateKey.from_private_bytes(b"2" * 32)
OTHER_KEY = VerifierKey.of("example.com/log", ED25519, OTHER.public_key().public_bytes_raw())


def test_the_encoding_that_dsse_publishes() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "  # lengths count bytes


@given(st.binary(max_size=60), st.binary(max_size=60), st.text(max_size=5), st.text(max_size=5))
def test_no_two_contents_have_one_encoding(one: bytes, other: bytes, kind: str, second: str) -> None:
    assert (pae(kind, one) == pae(second, other)) == ((kind, one) == (second, other))


@given(st.binary(max_size=60))
def test_an_envelope_gives_its_payload_to_those_who_know_the_key(payload: bytes) -> None:
    envelope = json.loads(json.dumps(sign_envelope(payload, KEY, SECRET.sign)))
    assert envelope["signatures"][0]["keyid"] == f"example.com/log+{KEY.id.hex()}"
    assert payload_of(envelope) == payload
    assert verify_envelope(envelope, [KEY]) == payload
    assert verify_envelope(envelope, [OTHER_KEY, KEY]) == payload
    assert verify_envelope(envelope, [OTHER_KEY]) is None
    assert verify_envelope(envelope, []) is None
    witness = VerifierKey.of("w", COSIGNATURE, KEY.public)
    assert verify_envelope(envelope, [witness]) is None  # a witness's key signs nothing but checkpoints
    with pytest.raises(BadInput):
        verify_envelope(envelope, [KEY], payload_type="text/plain")
    changed = envelope | {"payload": base64.b64encode(payload + b"x").decode()}
    assert verify_envelope(changed, [KEY]) is None


def test_several_signatures_and_both_alphabets() -> None:
    payload = b"\xfb\xff\xfe payload"
    envelope = sign_envelope(payload, KEY, SECRET.sign)
    second = sign_envelope(payload, OTHER_KEY, OTHER.sign)["signatures"]
    both = envelope | {
        "signatures": [{"sig": base64.b64encode(bytes(64)).decode()}, *second, *envelope["signatures"]]
    }
    assert verify_envelope(both, [KEY]) == payload
    safe = {"payload": base64.urlsafe_b64encode(payload).decode(), "payloadType": IN_TOTO,
            "signatures": [{"sig": base64.urlsafe_b64encode(base64.b64decode(one["sig"])).decode()}
                           for one in envelope["signatures"]]}  # fmt: skip
    assert "-" in safe["payload"] or "_" in safe["payload"]
    assert verify_envelope(safe, [KEY]) == payload


@pytest.mark.parametrize("change", [
    {"payload": None}, {"payload": "A"}, {"payload": "Ä==="}, {"payload": "QQ=\n="}, {"payload": 5},
    {"payloadType": None},
    {"payloadType": "application/json"}, {"signatures": []}, {"signatures": "x"}, {"signatures": [None]},
    {"signatures": [{}]}, {"signatures": [{"sig": 5}]}, {"signatures": [{"sig": "*"}]}, {"signatures": None},
    {"signatures": [{"sig": "QQ=="}] * 101},
])  # fmt: skip
def test_what_is_no_envelope_is_bad_input(change: dict) -> None:
    for verify in (lambda envelope: verify_envelope(envelope, [KEY]), payload_of):
        with pytest.raises(BadInput):
            verify(sign_envelope(b"{}", KEY, SECRET.sign) | change)
        for wrong in (None, [], "x", 5, {}):
            with pytest.raises(BadInput):
                verify(wrong)


def test_only_a_key_of_type_one_signs() -> None:
    with pytest.raises(BadInput):
        sign_envelope(b"{}", VerifierKey.of("w", COSIGNATURE, KEY.public), SECRET.sign)


# ── statements ──────────────────────────────────────────────────────────────────────────────────────────────────


def leaf(kind: str, **body: object) -> bytes:
    return leaf_bytes(Entry(7, "ent_7", 5, kind, "s", "run_1", "tallystick", body, "", 3))


@pytest.mark.parametrize(("kind", "predicate"), [
    ("decision.made", "decision"), ("approval.answered", "approval"), ("effect.ended", "outcome"),
    ("run.charged", "charge"),
])  # fmt: skip
def test_each_consequential_action_has_a_statement(kind: str, predicate: str) -> None:
    content = leaf(kind, answer="deny", at="5")
    made = statement(json.loads(content), leaf_hash(content))
    assert made == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "ent_7", "digest": {"sha256": leaf_hash(content).hex()}}],
        "predicateType": f"https://tallystick.dev/statement/{predicate}/v1",
        "predicate": {"answer": "deny", "at": "5"},
    }
    envelope = sign_envelope(canonical_json(made), KEY, SECRET.sign)
    assert json.loads(verify_envelope(envelope, [KEY]) or b"") == made


@pytest.mark.parametrize("answer", ["allow", "deny", "hold", "not evaluated"])
def test_decisions_that_no_policy_covered_have_none(answer: str) -> None:
    content = leaf("decision.made", answer=answer)
    assert (statement(json.loads(content), leaf_hash(content)) is None) == (answer == "not evaluated")


@pytest.mark.parametrize(
    "kind", ["policy.loaded", "effect.started", "approval.requested", "records.accepted", "new.kind"]
)
def test_other_entries_have_none(kind: str) -> None:
    assert kind not in PREDICATES
    assert statement(json.loads(leaf(kind, answer="allow")), bytes(32)) is None


@pytest.mark.parametrize("wrong", [{}, {"kind": None}, {"kind": ["x"]}])
def test_what_has_no_kind_has_none(wrong: dict) -> None:
    assert statement(wrong, bytes(32)) is None


@pytest.mark.parametrize("change", [{"body": None}, {"body": "x"}, {"id": None}])
def test_a_leaf_without_what_a_statement_needs_is_bad_input(change: dict) -> None:
    with pytest.raises(BadInput):
        statement(json.loads(leaf("effect.ended")) | change, bytes(32))
