"""A witness among honest, careless and lying logs: it signs one history of a log and says so when it is shown two."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.model.errors import BadInput
from tallystick.proof.keys import COSIGNATURE, ED25519, VerifierKey
from tallystick.proof.merkle import EMPTY_ROOT, CompactRange, leaf_hash, node_hash, prove_consistency, root_of
from tallystick.proof.notes import (
    Note,
    checkpoint_text,
    cosign,
    extend_note,
    format_note,
    parse_note,
    sign_note,
)
from tallystick.proof.witness import (
    SIZE_TYPE,
    Cosigned,
    Forked,
    Judgement,
    Refused,
    WitnessState,
    judge,
    parse_request,
    parse_response,
    parse_size,
    request_body,
    response_body,
)

ORIGIN = "example.com/log"
LOG = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
LOG_KEY = VerifierKey.of(ORIGIN, ED25519, LOG.public_key().public_bytes_raw())
WITNESS = Ed25519PrivateKey.from_private_bytes(b"2" * 32)
WITNESS_KEY = VerifierKey.of("example.com/witness", COSIGNATURE, WITNESS.public_key().public_bytes_raw())
KEYS = {ORIGIN: [LOG_KEY]}


class History:
    """A log that can be asked for heads and proofs; two that share a beginning differ in ``word`` after it."""

    def __init__(self, words: list[bytes]) -> None:
        self.leaves = [leaf_hash(word) for word in words]
        self.levels = [self.leaves]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            self.levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])

    def head(self, size: int) -> Note:
        return sign_note(checkpoint_text(ORIGIN, size, root_of(self.leaves[:size])), LOG_KEY, LOG.sign)

    def proof(self, old: int, new: int) -> list[bytes]:
        return prove_consistency(old, new, lambda wanted: [self.levels[level][at] for level, at in wanted])

    def ask(self, old: int, new: int) -> bytes:
        return request_body(old, self.proof(old, new) if old <= new else [], self.head(new))


TRUE = History([b"leaf %d" % number for number in range(40)])


def after(size: int) -> WitnessState:
    found = judge(None, parse_request(TRUE.ask(0, size)), KEYS)
    assert isinstance(found, Cosigned)
    return found.state


def told(state: WitnessState | None, body: bytes) -> Judgement:
    return judge(state, parse_request(body), KEYS)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_growth_is_cosigned_and_the_log_finds_its_cosignature(sizes: list[int]) -> None:
    state, known = None, 0
    for size in sorted(sizes):
        found = told(state, TRUE.ask(known, size))
        assert isinstance(found, Cosigned)
        state, known = found.state, size
        assert (state.size, state.root, state.note) == (
            size,
            found.checkpoint.root,
            format_note(TRUE.head(size)),
        )
        line = cosign(found.checkpoint.text, WITNESS_KEY, 1_700_000_000, WITNESS.sign)
        body = response_body([line]).encode()
        assert parse_response(body, TRUE.head(size), [WITNESS_KEY]) == (line,)


def test_the_same_head_again_is_cosigned_again() -> None:
    for size in (0, 7, 8):
        assert isinstance(told(after(size), TRUE.ask(size, size)), Cosigned)


@pytest.mark.parametrize(("state", "old", "new", "status"), [(10, 12, 15, 409), (10, 5, 15, 409), (10, 0, 15, 409),
    (10, 5, 8, 409), (None, 3, 15, 409), (10, 12, 8, 400), (10, 10, 8, 400)])  # fmt: skip
def test_old_sizes_that_do_not_fit(state: int | None, old: int, new: int, status: int) -> None:
    found = told(after(state) if state is not None else None, TRUE.ask(old, new))
    assert isinstance(found, Refused)
    assert found.status == status
    if status == 409:
        assert (found.content_type, parse_size(found.body)) == (SIZE_TYPE, state or 0)
        again = told(after(state) if state else None, TRUE.ask(parse_size(found.body), 15))
        assert isinstance(again, Cosigned)  # the size in the answer is what the log needed


def test_strangers_are_refused_before_anything_is_compared() -> None:
    elsewhere = {"example.com/other": [LOG_KEY]}
    unknown = judge(after(10), parse_request(TRUE.ask(10, 12)), elsewhere)
    assert isinstance(unknown, Refused)
    assert unknown.status == 404
    thief = Ed25519PrivateKey.from_private_bytes(b"3" * 32)
    text = checkpoint_text(ORIGIN, 10, leaf_hash(b"forged"))
    for key, sign in ((LOG_KEY, thief.sign), (VerifierKey.of(ORIGIN, ED25519, thief.public_key().public_bytes_raw()),
                                              thief.sign)):  # fmt: skip
        forged = told(after(10), request_body(10, [], sign_note(text, key, sign)))
        assert isinstance(forged, Refused)
        assert forged.status == 403


@settings(max_examples=80)
@given(st.integers(1, 30), st.integers(0, 10), st.integers(0, 30))
def test_a_fork_is_never_cosigned_and_always_told(known: int, grown: int, shared: int) -> None:
    """A log restored from an older copy that goes on differently, and asks politely."""
    shared = min(shared, known - 1)
    other = History(
        [b"leaf %d" % number for number in range(shared)] + [b"other %d" % n for n in range(shared, 40)]
    )
    state, size = after(known), known + grown
    found = told(state, other.ask(known, size))
    assert isinstance(found, Forked)
    assert (found.kept, found.offered) == (state.note, format_note(other.head(size)))
    assert found.status == (409 if grown == 0 else 422)
    if grown == 0 or known.bit_count() > 1:  # else the proof begins with the root that the witness has
        assert found.proven
    assert isinstance(told(state, TRUE.ask(known, size)), Cosigned)  # the true log is served as before


def test_two_heads_of_one_size_are_a_fork_whatever_old_size_is_named() -> None:
    other = History([b"other"] * 10)
    for old in (0, 4, 10):
        found = told(after(10), other.ask(old, 10))
        assert isinstance(found, Forked)
        assert (found.status, found.proven) == (409, True)
        assert (found.content_type == SIZE_TYPE) == (old != 10)  # tlog-witness wants the size then


def test_a_made_up_proof_is_refused_and_proves_nothing() -> None:
    for known in (6, 8):
        true = TRUE.proof(known, 12)
        for proof in ([], true[:-1], [*true, true[0]], [bytes(32), *true[1:]], [*true[:-1], bytes(32)]):
            found = told(after(known), request_body(known, proof, TRUE.head(12)))
            assert isinstance(found, Forked)
            assert (found.status, found.proven) == (422, False)
    for known in (0, 12):
        wrong = told(after(known), request_body(known, [bytes(32)], TRUE.head(12)))
        assert isinstance(wrong, Refused)
        assert wrong.status == 422


def test_a_tree_of_nothing_has_one_root() -> None:
    note = sign_note(checkpoint_text(ORIGIN, 0, leaf_hash(b"x")), LOG_KEY, LOG.sign)
    first = told(None, request_body(0, [], note))
    assert isinstance(first, Refused)
    assert first.status == 422
    assert isinstance(told(after(0), request_body(0, [], note)), Forked)
    assert after(0).root == EMPTY_ROOT == CompactRange().root()


# ── bytes on the wire ───────────────────────────────────────────────────────────────────────────────────────────

_HEAD = format_note(TRUE.head(3))
_HASH = base64.b64encode(bytes(32)).decode()


def test_the_request_is_written_as_the_specification_shows_it() -> None:
    lines = TRUE.ask(6, 8).decode().split("\n")
    assert lines[0] == "old 6"
    assert lines[1:4] == [base64.b64encode(one).decode() for one in TRUE.proof(6, 8)]
    assert lines[4] == ""
    assert "\n".join(lines[5:]) == format_note(TRUE.head(8))
    assert request_body(0, [], TRUE.head(3)).decode() == f"old 0\n\n{_HEAD}"


@pytest.mark.parametrize("body", [
    "", "old 0", f"old 0\n{_HEAD}", f"old\n\n{_HEAD}", f"old  0\n\n{_HEAD}", f"old 00\n\n{_HEAD}", f"old -1\n\n{_HEAD}",
    f"new 0\n\n{_HEAD}", f"old 0 \n\n{_HEAD}", f"\n\n{_HEAD}", f"old 0\nAAAA\n\n{_HEAD}",
    f"old 0\n{_HASH[:-1]}\n\n{_HEAD}",
    f"old 0\n{f'{_HASH}' + chr(10)}", "old 0\n" + f"{_HASH}\n" * 64 + f"\n{_HEAD}", f"old 0\n\n{_HEAD[:-1]}",
    f"old 0\n\n{_HEAD}\n", "old 0\n\ntext\n\n— n AAAAAAAA\n", f"old {2**63}\n\n{_HEAD}", f"old ٣\n\n{_HEAD}",
    f"old 0\r\n\n{_HEAD}", "old 0\n\n" + "x" * 2_000_000,
])  # fmt: skip
def test_other_requests_are_bad_input(body: str) -> None:
    with pytest.raises(BadInput):
        parse_request(body.encode())
    assert len(parse_request(("old 0\n" + f"{_HASH}\n" * 63 + f"\n{_HEAD}").encode()).proof) == 63


@given(st.binary(max_size=80) | st.text("old 0123\n—=ABC", max_size=60).map(str.encode))
def test_any_bytes_are_a_request_an_answer_or_bad_input(body: bytes) -> None:
    for read in (parse_request, parse_size, lambda body: parse_response(body, TRUE.head(3), [WITNESS_KEY])):
        with suppress(BadInput):
            read(body)


def test_answers_that_prove_nothing_are_refused() -> None:
    note = TRUE.head(3)
    line = cosign(note.text, WITNESS_KEY, 1_700_000_000, WITNESS.sign)
    stranger = VerifierKey.of("elsewhere", COSIGNATURE, LOG_KEY.public)
    others = cosign(note.text, stranger, 1_700_000_000, LOG.sign)
    good = response_body([others, line]).encode()
    assert parse_response(good, note, [WITNESS_KEY]) == (line,)  # lines of others are passed over
    both = parse_note(format_note(extend_note(note, [line])))
    assert both.signatures == (*note.signatures, line)
    for body in (b"", b"\n", good[:-1], good + b"\n", response_body([others]).encode(), b"\xff\n",
                 response_body([cosign(TRUE.head(4).text, WITNESS_KEY, 5, WITNESS.sign)]).encode(),
                 response_body(note.signatures).encode(), b"x" * 100_000):  # fmt: skip
        with pytest.raises(BadInput):
            parse_response(body, note, [WITNESS_KEY])
    with pytest.raises(BadInput):
        parse_response(
            response_body(note.signatures).encode(), note, [LOG_KEY]
        )  # a log does not witness itself
