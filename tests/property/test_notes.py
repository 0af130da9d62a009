"""Signed notes, checkpoints and cosignatures: published examples, and a second reader written from C2SP's text."""

from __future__ import annotations

import base64
import re
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.model.errors import BadInput
from tallystick.proof.keys import COSIGNATURE, ED25519, VerifierKey
from tallystick.proof.merkle import EMPTY_ROOT
from tallystick.proof.notes import (
    Checkpoint,
    Note,
    Signature,
    checkpoint_text,
    cosign,
    extend_note,
    format_note,
    parse_checkpoint,
    parse_note,
    sign_note,
    verified,
    verify_note,
)

# The example keys, text and signatures of Go's package golang.org/x/mod/sumdb/note
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)  # fmt: skip
GO_NOTE = (
    GO_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    + "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
# The example of C2SP tlog-cosignature: a log's signature and a witness's (their public keys are not published there)
C2SP_NOTE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501 - as published

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"], exclude_characters="+"),
                min_size=1, max_size=12)  # fmt: skip
texts = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20), min_size=1, max_size=5
).map(lambda lines: "\n".join(lines) + "\n")
seeds = st.binary(min_size=32, max_size=32)


def signer(seed: bytes, name: str, type: int = ED25519) -> tuple[Ed25519PrivateKey, VerifierKey]:
    secret = Ed25519PrivateKey.from_private_bytes(seed)
    return secret, VerifierKey.of(name, type, secret.public_key().public_bytes_raw())


# ── the second reader: c2sp.org/signed-note and nothing of ours ─────────────────────────────────────────────────


def spec_open(note: str, vkeys: list[str]) -> set[str] | None:
    """Names whose signatures hold; None when a client must or should reject the note."""
    if re.search("[\x00-\x1f]", note.replace("\n", "")) or not note.endswith("\n") or "\n\n" not in note:
        return None
    text, _, lines = note[:-1].rpartition("\n\n")
    text += "\n"
    known = {}
    for vkey in vkeys:
        name, key_id, key = vkey.split("+", 2)
        known[name, bytes.fromhex(key_id)] = base64.b64decode(key)
    good: set[str] = set()
    for line in lines.split("\n"):
        if not line.startswith("— ") or line.count(" ") != 2:
            return None
        name, value = line[2:].split(" ")
        raw = base64.b64decode(value, validate=True)
        key = known.get((name, raw[:4]))
        if key is None or key[0] not in (1, 4):
            continue
        message, signature = text.encode(), raw[4:]
        if key[0] == 4:
            seconds, signature = int.from_bytes(raw[4:12], "big"), raw[12:]
            message = b"cosignature/v1\ntime " + str(seconds).encode() + b"\n" + message
        try:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature, message)
        except InvalidSignature:
            return None
        good.add(name)
    return good


@settings(max_examples=80)
@given(texts, st.lists(st.tuples(seeds, names, st.booleans()), min_size=1, max_size=4, unique_by=lambda one: one[1]),
       st.data())  # fmt: skip
def test_a_second_reader_agrees_about_whole_and_changed_notes(text, who, data):
    note, keys = Note(text, ()), []
    for seed, name, witness in who:
        if witness:
            secret, key = signer(seed, name, COSIGNATURE)
            text = note.text if note.signatures else checkpoint_text("log", 5, bytes(32))
            note = Note(text, note.signatures)
            message = f"cosignature/v1\ntime 1700000000\n{text}".encode()
            value = (1700000000).to_bytes(8, "big") + secret.sign(message)
            note = extend_note(note, [Signature(name, key.id, value)])
        else:
            secret, key = signer(seed, name)
            note = extend_note(note, [Signature(name, key.id, secret.sign(note.text.encode()))])
        keys.append(key)
    given_keys = data.draw(st.lists(st.sampled_from(keys), unique=True, max_size=4))
    written = format_note(note)
    vkeys = [key.text for key in given_keys]
    assert set(verify_note(parse_note(written), given_keys)) == spec_open(written, vkeys)
    if not any(key.type == COSIGNATURE for key in keys):
        assert verify_note(note, keys) == tuple(key.name for key in keys)

    place = data.draw(st.integers(0, len(written) - 1))
    other = written[:place] + data.draw(st.sampled_from("aZ9+/= \n—é")) + written[place + 1 :]
    try:
        ours = set(verify_note(parse_note(other), given_keys))
    except BadInput:
        return  # we may refuse more than the specification asks (base64 in a second form), never accept more
    assert ours == (spec_open(other, vkeys) or set())


# ── published examples ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_example_of_go() -> None:
    peter, enoch = VerifierKey.parse(PETER), VerifierKey.parse(ENOCH)
    note = parse_note(GO_NOTE)
    assert note.text == GO_TEXT
    assert verify_note(note, [peter, enoch]) == ("PeterNeumann", "EnochRoot")
    assert verify_note(note, [enoch]) == ("EnochRoot",)
    assert verify_note(note, []) == ()
    assert (peter.text, enoch.text) == (PETER, ENOCH)
    secret = Ed25519PrivateKey.from_private_bytes(PETERS_SEED)
    assert format_note(sign_note(GO_TEXT, peter, secret.sign)) == GO_NOTE.rpartition("— EnochRoot")[0]


def test_the_example_of_c2sp() -> None:
    note = parse_note(C2SP_NOTE)
    assert format_note(note) == C2SP_NOTE
    checkpoint = parse_checkpoint(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text == note.text
    assert [one.name for one in note.signatures] == ["example.com/behind-the-sofa", "witness.example.com/w1"]
    assert (
        int.from_bytes(note.signatures[1].value[:8], "big") == 1679315147
    )  # the time in the specification's example


# ── strictness ──────────────────────────────────────────────────────────────────────────────────────────────────

_LINE = "— n AAAAAAAA"
REFUSED = {
    "nothing": "",
    "no signature": "text\n",
    "an empty line and nothing under it": "text\n\n",
    "no newline at the end": f"text\n\n{_LINE}",
    "no empty line": f"text\n{_LINE}\n",
    "something that is no signature": f"text\n\n{_LINE}\nmore\n",
    "a hyphen for the dash": "text\n\n- n AAAAAAAA\n",
    "no name": "text\n\n—  AAAAAAAA\n",
    "a plus in the name": "text\n\n— a+b AAAAAAAA\n",
    "a Unicode space in the name": "text\n\n— a\u2003b AAAAAAAA\n",
    "a tab": f"te\txt\n\n{_LINE}\n",
    "a carriage return": f"text\r\n\n{_LINE}\n",
    "a zero byte": f"text\x00\n\n{_LINE}\n",
    "half a character": f"text\ud800\n\n{_LINE}\n",
    "no signature in the line": "text\n\n— n\n",
    "only a key id": "text\n\n— n AAAAAA==\n",
    "base64 without padding": "text\n\n— n AAAAAAA\n",
    "base64 with bits after its end": "text\n\n— n AAAAAAB=\n",
    "base64 of the URL alphabet": "text\n\n— n AAAA-_AA\n",
    "base64 with a space": "text\n\n— n AAAA AAAA\n",
    "base64 that is not ASCII": "text\n\n— n ÄAAAAAAA\n",
    "101 signatures": "text\n\n" + f"{_LINE}\n" * 101,
    "a million bytes": "é" * 500_000 + f"\n\n{_LINE}\n",
}


@pytest.mark.parametrize("note", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_signed_note_is_bad_input(note: str) -> None:
    with pytest.raises(BadInput):
        parse_note(note)
    with pytest.raises(BadInput):
        parse_note(note.encode("utf-8", "surrogatepass"))


def test_what_the_specification_allows_is_read() -> None:
    for note in (f"\n\n{_LINE}\n", f"a\n\n\n\nb\n\n{_LINE}\n", f"\x7f\u202e\n\n{_LINE}\n",
                 "text\n\n" + f"{_LINE}\n" * 100):  # fmt: skip
        assert format_note(parse_note(note)) == note
        assert parse_note(note.encode()) == parse_note(note)
    with pytest.raises(BadInput):
        parse_note(b"text\xff\n\n" + _LINE.encode() + b"\n")


@given(st.text(max_size=60) | st.text("\n— AB+=ab", max_size=40))
def test_any_text_is_a_note_or_bad_input(text: str) -> None:
    try:
        note = parse_note(text)
    except BadInput:
        return
    assert format_note(note) == text


def test_one_bad_signature_of_a_known_key_rejects_the_note() -> None:
    (one, first), (two, second) = signer(b"1" * 32, "one"), signer(b"2" * 32, "two")
    text = "text\n"
    good = Signature("one", first.id, one.sign(text.encode()))
    bad = Signature("two", second.id, two.sign(b"another"))
    assert verify_note(Note(text, (good, bad)), [first, second]) == ()
    assert verify_note(Note(text, (good, bad)), [first]) == ("one",)
    twice = Note(text, (good, Signature("one", first.id, one.sign(b"another"))))
    assert verify_note(twice, [first]) == ()  # a second line of the same key is verified like the first
    assert verify_note(Note(text, (good, good)), [first]) == ("one",)
    renamed = Note(text, (Signature("two", first.id, good.value),))
    assert verify_note(renamed, [first, second]) == ()  # name and id together name a key


def test_types_that_we_do_not_know_are_passed_over() -> None:
    secret, key = signer(b"1" * 32, "log")
    later = VerifierKey.of("log", 0x06, b"\x05" * 1312)
    assert VerifierKey.parse(later.text) == later
    note = sign_note("text\n", key, secret.sign)
    wider = extend_note(note, [Signature("log", later.id, b"\x00" * 2428)])
    assert verify_note(wider, [key, later]) == ("log",)
    assert verify_note(wider, [later]) == ()
    with pytest.raises(BadInput):
        sign_note("text\n", later, secret.sign)


def test_two_keys_with_one_name_and_id_are_refused() -> None:
    _, key = signer(b"1" * 32, "log")
    twin = VerifierKey("log", key.id, ED25519, b"\x09" * 32)
    with pytest.raises(BadInput):
        verify_note(parse_note(f"text\n\n{_LINE}\n"), [key, twin])


@pytest.mark.parametrize("wrong", [
    "", "a", "a+b", "a+b+c", "+c74f20a3+" + PETER.rpartition("+")[2], PETER.replace("c74f20a3", "c74f20a4"),
    PETER.replace("c74f20a3", "C74F20A3"), PETER.replace("PeterNeumann", "Peter Neumann"), PETER[:-1], PETER + "A",
    PETER.replace("+ARpc", "+BBpc"), "a+00000000+AQ==", "a" * 20_000, "x\ud800+c74f20a3+AQ==",
])  # fmt: skip
def test_what_is_no_verifier_key_is_bad_input(wrong: str) -> None:
    with pytest.raises(BadInput):
        VerifierKey.parse(wrong)


@given(names, seeds, st.sampled_from([ED25519, COSIGNATURE]))
def test_verifier_keys_survive_the_way_through_text(name: str, seed: bytes, type: int) -> None:
    secret, key = signer(seed, name, type)
    assert VerifierKey.parse(f" {key.text}\n") == key
    raw = secret.public_key().public_bytes_raw()
    assert key.id == sha256(name.encode() + b"\n" + bytes([type]) + raw).digest()[:4]


# ── checkpoints and cosignatures ────────────────────────────────────────────────────────────────────────────────


@given(names, st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(names, max_size=2))
def test_checkpoints_survive_the_way_through_text(origin, size, root, extensions):
    text = checkpoint_text(origin, size, root, extensions)
    assert parse_checkpoint(text) == Checkpoint(origin, size, root, tuple(extensions))
    assert text.split("\n")[:3] == [origin, str(size), base64.b64encode(root).decode()]


_ROOT = base64.b64encode(EMPTY_ROOT).decode()


@pytest.mark.parametrize("text", [
    "", "\n", f"log\n5\n{_ROOT}", f"log\n5\n{_ROOT}\n\n", f"\n5\n{_ROOT}\n", f"log\n05\n{_ROOT}\n",
    f"log\n-5\n{_ROOT}\n",
    f"log\n+5\n{_ROOT}\n", f"log\n٥\n{_ROOT}\n", f"log\n5 \n{_ROOT}\n", f"log\n1_0\n{_ROOT}\n",
    f"log\n{2**63}\n{_ROOT}\n",
    f"log\n{'9' * 5000}\n{_ROOT}\n", "log\n5\nAAAA\n", f"log\n5\n{_ROOT[:-1]}\n", "log\n5\n",
    f"log\n5\n{_ROOT}\n\nmore\n",
    f"log\r\n5\n{_ROOT}\n", "tallystick.evidence/1\n" + "1" * 64 + "\n12\n",
])  # fmt: skip
def test_what_is_no_checkpoint_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput):
        parse_checkpoint(text)


@pytest.mark.parametrize(("origin", "size", "root"), [
    ("", 1, EMPTY_ROOT), ("a\n7", 1, EMPTY_ROOT), ("a", -1, EMPTY_ROOT), ("a", 2**63, EMPTY_ROOT), ("a", 1, b"short"),
    ("a\ud800", 1, EMPTY_ROOT),
])  # fmt: skip
def test_what_would_not_be_read_again_is_not_written(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(BadInput):
        checkpoint_text(origin, size, root)


def test_cosignatures_hold_for_their_text_and_time_only() -> None:
    log, log_key = signer(b"1" * 32, "example.com/log")
    secret, witness = signer(b"2" * 32, "example.com/witness", COSIGNATURE)
    text = checkpoint_text("example.com/log", 5, EMPTY_ROOT)
    note = sign_note(text, log_key, log.sign)
    line = cosign(text, witness, 1_679_315_147, secret.sign)
    both = parse_note(format_note(extend_note(note, [line])))
    found = verified(both, [log_key, witness])
    assert [(one.key.name, one.seconds) for one in found] == [
        (log_key.name, None),
        (witness.name, 1_679_315_147),
    ]
    assert secret.sign(b"cosignature/v1\ntime 1679315147\n" + text.encode()) == line.value[8:]
    later = Signature(line.name, line.id, (1_679_315_148).to_bytes(8, "big") + line.value[8:])
    assert verified(extend_note(note, [later]), [witness]) == ()
    other = Note(checkpoint_text("example.com/log", 6, EMPTY_ROOT), (line,))
    assert verified(other, [witness]) == ()
    for short in (b"", line.value[:7], line.value[:-1], line.value + b"\x00"):
        assert verified(Note(text, (Signature(line.name, line.id, short),)), [witness]) == ()
    past = 2**63
    signed = past.to_bytes(8, "big") + secret.sign(f"cosignature/v1\ntime {past}\n{text}".encode())
    assert verified(Note(text, (Signature(line.name, line.id, signed),)), [witness]) == ()
    again = cosign(text, witness, 1_679_315_200, secret.sign)
    assert extend_note(both, [again]).signatures == (
        *note.signatures,
        again,
    )  # a key's newer line replaces its older
    for bad in (lambda: cosign("text\n", witness, 5, secret.sign), lambda: cosign(text, log_key, 5, secret.sign),
                lambda: cosign(text, witness, -1, secret.sign), lambda: sign_note(text, witness, secret.sign),
                lambda: sign_note("no newline", log_key, log.sign)):  # fmt: skip
        with pytest.raises(BadInput):
            bad()
