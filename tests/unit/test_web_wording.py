"""How values read: hostile text, money with gaps, times, and query terms that survive a round trip."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from tallystick.model.query import parse_query
from tallystick.web import facets, svg, wording

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_hidden_characters_are_written_out() -> None:
    assert wording.visible("pay\u202e001 ot") == "pay⟨U+202E⟩001 ot"
    assert wording.visible("\x1b[2J") == "⟨U+001B⟩[2J"
    assert wording.visible("a\u200bb\U000e0041") == "a⟨U+200B⟩b⟨U+E0041⟩"
    assert wording.visible("a\tb\nc") == "a\tb\nc"


def test_emoji_and_joined_scripts_stay_readable() -> None:
    assert wording.visible("⚠️ ok 👩‍🔧") == "⚠️ ok 👩‍🔧"
    assert wording.visible("می\u200cخواهم") == "می\u200cخواهم"
    assert "⟨U+FE0F⟩" in wording.visible("a\ufe0f")


@given(st.text())
def test_visible_text_has_no_direction_or_control_characters(text: str) -> None:
    shown = wording.visible(text)
    assert not any(0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069 for c in shown)
    assert all(c in "\t\n" or ord(c) >= 32 for c in shown)


@given(ANY_JSON)
def test_payload_shows_the_value_itself_and_nothing_executable(value: object) -> None:
    shown = wording.payload(value, limit=10**9)
    bare = shown.striptags() if not isinstance(value, str) else str(shown)
    if isinstance(value, str):
        assert bare == str(escape(wording.visible(value)))
    for opened in str(shown).split("<")[1:]:
        assert opened.startswith(('span class="j-', "/span>"))


def test_payload_keeps_every_digit_of_a_long_number() -> None:
    assert "9007199254740993" in wording.payload({"id": 9_007_199_254_740_993})


def test_a_cut_is_announced() -> None:
    shown = wording.payload("x" * 100, limit=10)
    assert "10 of 100 characters shown" in shown


def test_unknown_cost_is_never_zero() -> None:
    assert wording.cost(None, 0, 4) == "unknown"
    assert wording.cost(None, 2_000_000_000, 4) == "≥ $2.00"
    assert wording.cost(0, 0, 0) == "$0"
    assert wording.usd(None) == "unknown"


def test_unknown_tokens_are_never_zero() -> None:
    nothing = {"input_tokens": None, "output_tokens": None}
    assert wording.tokens(nothing) == "unknown"
    assert wording.tokens({"input_tokens": 5, "output_tokens": None}, {"input_tokens": 5}) == "≥ 5"
    assert wording.tokens({"input_tokens": 0, "output_tokens": 0}) == "0"


def test_durations() -> None:
    known = [None, 0, 999, 4_500, 830_000_000, 4_200_000_000, 64_000_000_000, 7_380_000_000_000]
    assert [wording.duration(n) for n in known] == [
        "–", "0 s", "999 ns", "4.5 µs", "830 ms", "4.2 s", "1 m 04 s", "2 h 03 m",
    ]  # fmt: skip


def test_times_are_relative_and_exact_in_utc() -> None:
    at = "2026-11-22T10:00:00.123456Z"
    now = wording.instant(at)
    assert now is not None
    assert wording.ago(at, now + 90 * wording.NANO) == "1 m ago"
    assert wording.ago(at, now - 90 * wording.NANO) == "in 1 m"
    assert wording.exact(at) == "2026-11-22 10:00:00.123 UTC"
    assert wording.ago(None, 0) == "no time recorded"
    assert wording.exact("yesterday") == "no time recorded"


def test_only_known_words_become_style_names() -> None:
    assert wording.status_class("ok") == "ok"
    assert wording.status_class('ok" onload="x') == "unknown"


@given(st.text(min_size=1).filter(lambda text: text == " ".join(text.split()) and "\x00" not in text))
def test_a_term_reads_back_as_itself(value: str) -> None:
    (read,) = parse_query(wording.term("agent", value)).terms
    assert (read.field, read.value, read.negated) == ("agent", value, False)


def test_a_facet_goes_in_and_out_and_leaves_the_rest() -> None:
    query = 'cost:>0.50 "two words"'
    added = facets.toggled(query, "status", "failed")
    assert added == 'cost:>0.50 "two words" status:failed'
    assert facets.toggled(added, "status", "ok") == 'cost:>0.50 "two words" status:ok'
    assert facets.toggled(added, "status", "failed") == query
    named = facets.toggled("", "agent", "case agent")
    assert facets.has(named, "agent", "case agent")
    assert facets.toggled(named, "agent", "case agent") == ""


def test_a_bar_of_something_is_seen_and_a_bar_of_nothing_is_not() -> None:
    assert 'width="1.5"' in svg.bar(1, 10**12)
    assert 'width="0.0"' in svg.bar(None, 100)
    assert 'width="64.0"' in svg.bar(7, 7)
    assert "style=" not in svg.bar(3, 7)


def test_parts_fill_the_width() -> None:
    drawn = svg.stacked([("t0", 3), ("t1", 1), ("rest", 0)], width=400)
    assert drawn.count("<rect") == 2
    assert 'x="300.0"' in drawn


def test_json_shapes_are_kept_in_order() -> None:
    assert json.loads(wording.pretty({"b": 1, "a": [1, None]})) == {"b": 1, "a": [1, None]}
    assert wording.pretty({"b": 1, "a": 2}).index('"b"') < wording.pretty({"b": 1, "a": 2}).index('"a"')
