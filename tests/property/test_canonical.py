"""Canonical JSON: the fast way writes what RFC 8785's own encoder writes, and both write what the RFC shows."""

from __future__ import annotations

import json
import struct
import sys

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tallystick.model import canonical
from tallystick.model.canonical import canonical_json, read_canonical
from tallystick.model.errors import BadInput

EXACT = 2**53 - 1
whole_text = st.text(st.characters(codec="utf-8"), max_size=8)  # no half surrogate pairs
keys = whole_text | st.text(
    "aé\ue000\uffff\U00010000\U0001f600", max_size=3
)  # where UTF-8 and UTF-16 order differ
values = st.recursive(
    st.none() | st.booleans() | st.integers(-EXACT, EXACT) | whole_text
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0.0, -0.0, 1e-4, 9.999e-5, 1e-6, 1e-7, 1e15, 1e16, 1e21, 5e-324, 1.5e300, 2.0**53, 0.1, 1 / 3]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)  # fmt: skip
# RFC 8785, appendix B: the bits of a double and its text
NUMBERS = {
    "0000000000000000": "0", "8000000000000000": "0", "0000000000000001": "5e-324", "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308", "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992", "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000", "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23", "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000", "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21", "3eb0c6f7a0b5ed8c": "9.999999999999997e-7", "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332", "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333", "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343", "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}  # fmt: skip


def test_the_fast_way_is_in_use() -> None:
    assert canonical._fast is not canonical._whole


@settings(max_examples=200)
@given(values)
@example({"\ufb33": 1, "\U0001f600": 2})
@example(['\x7f\u0080\u2028\u2029</script>\b\f\n\r\t"\\/'])
def test_the_fast_way_writes_the_bytes_of_the_reference(value) -> None:
    written = canonical_json(value)
    assert written == rfc8785.dumps(value)
    read = read_canonical(written)
    assert canonical_json(read) == written
    assert read == value


@settings(max_examples=200)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_written_as_the_reference_writes_it(number: float) -> None:
    assert canonical_json(number) == rfc8785.dumps(number)
    assert canonical_json([number, {"a": number}]) == rfc8785.dumps([number, {"a": number}])


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items())
def test_numbers_of_the_rfc(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(number) == text.encode()
    assert canonical_json({"n": [number]}) == f'{{"n":[{text}]}}'.encode()


@pytest.mark.parametrize("bits", ["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"])
def test_numbers_that_the_rfc_forbids(bits: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    with pytest.raises(BadInput):
        canonical_json([number])


def test_examples_of_the_rfc() -> None:
    sample = json.loads(r"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }""")
    assert canonical_json(sample).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    names = {"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
             "\U0001f600": "Emoji: Grinning Face", "\u0080": "Control",
             "\u00f6": "Latin Small Letter O With Diaeresis"}  # fmt: skip
    assert list(json.loads(canonical_json(names)).values()) == [
        "Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign", "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]  # fmt: skip


@given(st.integers(min_value=EXACT + 1) | st.integers(max_value=-EXACT - 1))
def test_integers_that_doubles_cannot_hold_are_text(number: int) -> None:
    assert canonical_json({"n": number}) == f'{{"n":"{number}"}}'.encode()


@given(st.text(max_size=5), st.sampled_from(["\ud800", "\udfff", "\udc00\ud800"]), st.booleans())
def test_half_a_surrogate_pair_has_no_canonical_json(text: str, half: str, as_key: bool) -> None:
    broken = text.encode("utf-8", "ignore").decode() + half
    with pytest.raises(BadInput):
        canonical_json({broken: 1} if as_key else [broken])


@given(values, st.data())
def test_what_is_not_canonical_is_not_read(value, data) -> None:
    written = canonical_json(value)
    place = data.draw(st.integers(0, len(written)))
    other = (
        written[:place]
        + data.draw(st.sampled_from([b" ", b"0", b'"', b",", b"\\", b"-", b"\xff"]))
        + written[place:]
    )
    try:
        read = read_canonical(other)
    except BadInput:
        return
    assert canonical_json(read) == other


@pytest.mark.parametrize("content", [
    b"", b" 1", b"1 ", b"1.0", b"1e5", b"-0", b"01", b'{"a":1,"a":1}', b'{"b":1,"a":1}', b'{"a": 1}', b"NaN", b"1e400",
    b"Infinity", b'"\\u0041"', b'"\\ud800"', b'"\\/"', b"\xff", b"[1", b"1" * 5000, b"[" * 100_000 + b"]" * 100_000,
    b"9007199254740993", b"true\n", b"\xef\xbb\xbf1",
])  # fmt: skip
@pytest.mark.parametrize("alone", [False, True], ids=["with msgspec", "without msgspec"])
def test_other_json_is_bad_input(content: bytes, alone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if alone:
        monkeypatch.setitem(sys.modules, "msgspec", None)
        monkeypatch.setattr(canonical, "_decode", canonical._decoder())
        monkeypatch.setattr(canonical, "_fast", canonical._fast_encoder())
    with pytest.raises(BadInput):
        read_canonical(content)
    assert read_canonical(b'{"a":[9007199254740992,"9007199254740993",1e+30]}') == {
        "a": [2.0**53, "9007199254740993", 1e30]
    }


def test_deep_nesting_is_bad_input() -> None:
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadInput):
        canonical_json(deep)
    while deep:  # taken apart by hand: some Pythons run out of stack when they free it
        deep = deep.pop()
