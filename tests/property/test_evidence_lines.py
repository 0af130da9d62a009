"""Lines and pieces of evidence files: whatever comes in, reading ends with a value or a flaw, within bounds."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.model.canonical import canonical_json
from tallystick.proof import lines
from tallystick.proof.lines import LONGEST_LINE, LineReader, line_bytes, read_line
from tallystick.proof.pieces import LONG, Payload, cut

GOOD = {"line": "checkpoint", "note": "text"}


@pytest.mark.parametrize(
    ("raw", "flaw"),
    [
        (b"", "not JSON that can be read"),
        (b"\xff", "not JSON that can be read"),
        (b'{"line":"checkpoint","note":"\xed\xa0\x80"}', "not JSON that can be read"),
        (b"[1]", "not a JSON object"),
        (b'{"line": "checkpoint","note":"x"}', "not canonical"),
        (b'{"note":"x","line":"checkpoint"}', "not canonical"),
        (b'{"line":"checkpoint","note":"x","note":"x"}', "not canonical"),
        (b'{"line":"checkpoint","note":1.0}', "not canonical"),
        (b'{"line":"checkpoint","note":12345678901234567890}', "not canonical"),
        (b'{"line":"checkpoint","note":"\\u0041"}', "not canonical"),
        (b'\xef\xbb\xbf{"line":"checkpoint","note":"x"}', "not JSON that can be read"),
        (b'{"line":"cheque","note":"x"}', "nothing is known"),
        (b'{"line":["checkpoint"],"note":"x"}', "nothing is known"),
        (b'{"line":"checkpoint","more":1,"note":"x"}', "does not have the fields"),
        (b'{"line":"checkpoint"}', "does not have the fields"),
        (b'{"line":"checkpoint","note":' + b"[" * 100_000 + b"]" * 100_000 + b"}", ""),
        (b'{"line":"checkpoint","note":' + b"9" * 10_000 + b"}", "not JSON that can be read"),
    ],
)
def test_what_is_no_line_has_a_flaw(raw: bytes, flaw: str) -> None:
    found = read_line(1, raw).flaw
    assert found is not None
    assert flaw in found


@given(st.binary(max_size=200))
def test_no_bytes_bring_the_reader_down(raw: bytes) -> None:
    for line in LineReader([raw]):
        assert line.flaw is not None or canonical_json(line.value) == line.raw


@given(st.binary(min_size=1, max_size=60), st.integers(1, 7))
def test_how_a_file_is_cut_into_chunks_changes_nothing(raw: bytes, size: int) -> None:
    whole = list(LineReader(io.BytesIO(raw)))
    assert whole == list(LineReader(raw[at : at + size] for at in range(0, len(raw), size)))


def test_the_digest_covers_what_stands_before_a_line() -> None:
    first, second = line_bytes(GOOD), line_bytes({"line": "checkpoint", "note": "é"})
    reader = LineReader([first + second])
    digests = [reader.digest() for _ in reader]
    assert digests == [sha256(b"").hexdigest(), sha256(first).hexdigest()]


def test_a_line_without_end_is_given_up_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 1_000)
    taken = 0

    def endless() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 100

    found = list(LineReader(endless()))
    assert [line.flaw for line in found] == ["it is longer than 1000 bytes"]
    assert taken == 11
    assert LONGEST_LINE == 16 * 2**20


def test_a_file_that_ends_in_a_line_says_so() -> None:
    found = list(LineReader([line_bytes(GOOD), b'{"line"']))
    assert [line.flaw for line in found] == [None, "the file ends in the middle of it"]


ITEMS = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=300)), max_size=80)
LONG_TEXTS = st.one_of(
    st.text(max_size=3_000),
    st.builds(lambda items: json.dumps(items, ensure_ascii=False), ITEMS),
    st.builds(lambda items: json.dumps(items, separators=(",", ":")), ITEMS),
    st.builds(lambda text: text * 50, st.text(min_size=30, max_size=60)),
)


@given(st.dictionaries(st.text(max_size=20), LONG_TEXTS, max_size=5))
def test_pieces_put_together_are_the_content(attributes: dict[str, str]) -> None:
    try:
        content = canonical_json({"attributes": attributes})
    except Exception:  # noqa: BLE001 - half a surrogate pair: no content
        return
    pieces = cut(content, {"attributes": attributes})
    texts = [one.text if isinstance(one, Payload) else one for one in pieces]
    assert "".join(texts).encode() == content
    for one in pieces:
        if isinstance(one, Payload):
            assert one.digest == sha256(one.text.encode()).hexdigest()


def test_a_growing_chat_costs_little_more_than_its_last_turn() -> None:
    """400 turns carry 80,000 messages in all, of which 400 are different."""
    messages = [{"role": "user", "content": f"message {number} " + "x" * 300} for number in range(400)]
    written: set[str] = set()
    size = carried = 0
    for turn in range(1, 401):
        attributes = {"gen_ai.input.messages": json.dumps(messages[:turn])}
        content = canonical_json({"attributes": attributes})
        carried += len(content)
        for piece in cut(content, {"attributes": attributes}):
            if not isinstance(piece, Payload):
                size += len(piece)
                continue
            size += 80
            if piece.digest not in written:
                written.add(piece.digest)
                size += len(piece.text)
    assert carried > 25_000_000
    assert size < carried / 20


def test_short_texts_stay_where_they_are() -> None:
    attributes = {"a": "x" * (LONG - 1)}
    content = canonical_json({"attributes": attributes})
    assert cut(content, {"attributes": attributes}) == [content.decode()]
