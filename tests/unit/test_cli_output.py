"""What people see: hostile text made harmless, numbers in words, and the tree of a run."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
from cli_parts import HOSTILE, RUNS, FakeParts, run_row, step_row
from hypothesis import given
from hypothesis import strategies as st

from tallystick.cli.clean import clean, field, one_line
from tallystick.cli.output import Column, Out, json_text
from tallystick.cli.runs import COLUMNS, _tree
from tallystick.cli.tree import depth_first, guides, row
from tallystick.cli.wording import count, duration, money, size, tokens

_DANGEROUS = {"Cc", "Cs", "Zl", "Zp"}
_BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _harmless(text: str, allowed: str = "") -> bool:
    return not any(
        (unicodedata.category(letter) in _DANGEROUS or letter in _BIDI or 0xE0000 <= ord(letter) <= 0xE007F)
        and letter not in allowed
        for letter in text
    )


any_text = st.text(alphabet=st.characters(codec=None, categories=None))


@given(any_text)
def test_nothing_hostile_survives(text: str) -> None:
    assert _harmless(clean(text), "\n\t")
    assert _harmless(one_line(text))
    assert _harmless(field(text))
    assert _harmless(json_text({"x": [text]}))


@given(any_text)
def test_harmless_text_is_left_as_it_is(text: str) -> None:
    if clean(text) == text and text.isprintable():
        assert one_line(text) == text.strip()
    encoded = json_text([text])
    assert json.loads(encoded) == json.loads(json.dumps([text]))


def test_writing_systems_and_emoji_stay_readable() -> None:
    for text in ("שלום", "مرحبا", "日本語", "👩\u200d🚒", "naïve €", "नमस्ते"):
        assert clean(text) == text


@given(st.text(), st.text())
def test_fields_of_a_line_can_be_told_apart(first: str, second: str) -> None:
    line = "\t".join([field(first), field(second)])
    assert len(line.split("\t")) == 2
    assert "\n" not in line


def test_a_cell_is_cut_with_a_mark() -> None:
    assert one_line("a" * 10, 5) == "aaaa…"
    assert one_line("a\r\nb\tc") == "a⏎b c"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(None, "–"), (0, "0µs"), (850_000, "850µs"), (640_000_000, "640ms"), (1_390_000_000, "1.3s"),
     (59_999_000_000, "59.9s"), (125_000_000_000, "2m05s"), (11_400_000_000_000, "3h10m")],
)  # fmt: skip
def test_durations(nanoseconds: int | None, text: str) -> None:
    assert duration(nanoseconds) == text


def test_unknown_is_said_and_never_zero() -> None:
    assert count(None) == "–"
    assert tokens({"input_tokens": None, "output_tokens": None}) == "–"
    assert tokens({"input_tokens": 12, "output_tokens": None}) == "12→–"
    assert money(None) == "unknown"
    assert money(None, 0, 3) == "unknown"
    assert money(None, 2_000_000_000, 3) == "≥ $2.00 (3 unpriced)"
    assert money(0) == "$0"
    assert size(None) == "–"
    assert size(1_500_000) == "1.5 MB"


links = st.lists(
    st.tuples(st.integers(0, 12), st.one_of(st.none(), st.integers(0, 14))), unique_by=lambda link: link[0]
)


@given(links)
def test_every_step_stands_in_the_tree_once_whatever_its_parents_claim(
    claimed: list[tuple[int, int | None]],
) -> None:
    steps = [
        step_row(f"s{own}", None if parent is None else f"s{parent}", "tool", "x") for own, parent in claimed
    ]
    placed = list(depth_first(steps))
    assert sorted(step["step"] for step, _, _ in placed) == sorted(step["step"] for step in steps)
    depths = {step["step"]: depth for step, depth, _ in placed}
    before: set[str] = set()
    for step, depth, _ in placed:
        if step["parent"] in before:
            assert depth == depths[step["parent"]] + 1
        before.add(step["step"])


def test_a_deep_run_is_no_problem() -> None:
    steps = [step_row("s0", None, "agent", "a")]
    steps += [step_row(f"s{number}", f"s{number - 1}", "agent", "a") for number in range(1, 5000)]
    placed = list(depth_first(steps))
    assert placed[-1][1] == 4999
    assert guides(placed[-1][2]).startswith("[4987] ")


def test_a_step_says_what_must_not_be_overlooked() -> None:
    cells = row(
        step_row("s", None, "tool", "refund", status="denied", decision="deny", outcome="in doubt"), (True,)
    )
    assert cells["note"] == "deny; in doubt"
    assert cells["what"].startswith("✗ tool refund")
    asked = row(
        step_row("s", None, "tool", "span", tool="refund", arguments={"order": "A\x1b[2J", "n": 1}), (True,)
    )
    assert asked["what"] == '✓ tool refund(order="A\\u001b[2J", n=1) · refunds'
    assert (
        row(step_row("s", None, "model", "Chat", model="gpt-4o"), (True,))["what"]
        == "✓ model gpt-4o · refunds"
    )
    assert row(step_row("s", None, "model", "m", cost_gap="no price"), (True,))["cost"] == "unknown"
    assert row(step_row("s", None, "tool", "t"), (True,))["cost"] == ""
    assert "repeats s2, not counted" in row(step_row("s", None, "model", "m", same_as="s2"), (True,))["note"]


def test_an_error_is_one_line() -> None:
    broken = step_row(
        "s", None, "tool", "t", error={"type": "a.b.Stopped", "message": "five times\nthe same"}
    )
    assert row(broken, (True,))["note"] == "Stopped: five times⏎the same"
    assert row(step_row("s", None, "tool", "t", error="plain"), (True,))["note"] == "plain"
    assert row(step_row("s", None, "tool", "t", error={"type": None, "message": "x"}), (True,))["note"] == "x"


def _terminal(monkeypatch: pytest.MonkeyPatch, *, colour: bool) -> tuple[Out, io.StringIO]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    return Out(stdout=stream, stderr=io.StringIO(), tty=True), stream


def test_a_terminal_gets_a_table_with_words_beside_the_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    out, stream = _terminal(monkeypatch, colour=False)
    out.table(COLUMNS, RUNS)
    text = stream.getvalue()
    assert "\x1b" not in text
    assert "✗ crashed" in text
    assert "lossy, 2 missing" in text
    assert "≥ $0.000000900 (2 unpriced)" in text


def test_colour_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    out, stream = _terminal(monkeypatch, colour=True)
    out.table(COLUMNS, [run_row("a", status="failed")])
    assert "\x1b[31m" in stream.getvalue()
    assert "\x1b[2J" not in stream.getvalue()


def test_the_tree_in_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    out, stream = _terminal(monkeypatch, colour=False)
    _tree(out, FakeParts(tmp_path).reading.run("aaaa"))  # type: ignore[arg-type]
    text = stream.getvalue()
    assert "\x1b" not in text
    assert "├─ ✓ model gpt-4.1-mini" in text
    assert "└─ ✗ tool refund" in text
    assert "deny; did not happen" in text
    assert "1,200→34" in text
    assert "cost $0.00150" in text


def test_markup_in_agent_text_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    out, stream = _terminal(monkeypatch, colour=True)
    out.table([Column("x", "x")], [{"x": "[red]not red[/red] :smile: [link=http://x]y[/link]"}])
    assert "[red]not red[/red] :smile: [link=http://x]y[/link]" in stream.getvalue()


def test_json_is_indented_for_people_and_one_line_in_a_pipe() -> None:
    for tty, lines in ((True, 3), (False, 1)):
        stream = io.StringIO()
        Out(as_json=True, stdout=stream, tty=tty).json({"x": HOSTILE})
        assert len(stream.getvalue().splitlines()) == lines
        assert json.loads(stream.getvalue()) == {"x": HOSTILE}
