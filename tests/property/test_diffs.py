"""Differences between versions: complete, exact, and never more than data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.model.canonical import canonical_json
from tallystick.model.errors import BadInput
from tallystick.registry.diff import applied, changes, diff_versions, path_keys, path_text, unified

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
KEYS = st.one_of(
    TEXT, st.sampled_from(["a", "b", "", ".", '"', "a.b", "\u202e", "text", "input", "arguments"])
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.just(2**60),
    st.floats(-2, 2),
    TEXT,
    st.just("x\ny\x1b[2J" * 20),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=4)


def mutated(body: dict[str, Any], other: dict[str, Any], keep: set[str]) -> dict[str, Any]:
    return {**{key: value for key, value in body.items() if key in keep}, **other}


@given(BODIES, BODIES, st.sets(KEYS))
def test_the_changes_of_one_body_make_the_other(
    a: dict[str, Any], other: dict[str, Any], keep: set[str]
) -> None:
    b = mutated(a, other, keep)
    found = changes(a, b)
    assert canonical_json(applied(a, found)) == canonical_json(b)
    assert canonical_json(applied(b, changes(b, a))) == canonical_json(a)
    assert (not found) == (canonical_json(a) == canonical_json(b))
    assert len({one.keys for one in found}) == len(found)


@given(BODIES, BODIES)
def test_a_diff_is_json_and_empty_exactly_where_nothing_differs(a: dict[str, Any], b: dict[str, Any]) -> None:
    found = diff_versions(a, b)
    canonical_json(found.as_json())
    assert (not found.changes) == (canonical_json(a) == canonical_json(b))
    if not found.changes:
        assert not found.texts


@given(st.lists(KEYS, min_size=1, max_size=4).map(tuple))
def test_a_path_is_read_as_it_was_written(keys: tuple[str, ...]) -> None:
    assert path_keys(path_text(keys)) == keys


@pytest.mark.parametrize("path", ["", ".", "a.", "a..b", 'a."b', "a b", '"a"b', "a.\n"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(BadInput):
        path_keys(path)


LINES = st.lists(st.sampled_from(["", "a", "b", "c", "+x", "-y", "@@ z", "\x1b"]), max_size=12)


def patched(before: list[str], lines: tuple[str, ...]) -> list[str]:
    """A unified diff applied by hand."""
    made: list[str] = []
    at = 0
    for line in lines:
        if line.startswith("@@"):
            start = int(line.split()[1].split(",")[0].removeprefix("-"))
            count = line.split()[1].partition(",")[2] or "1"
            start = start if count == "0" else start - 1
            made += before[at:start]
            at = start
        elif line.startswith("+"):
            made.append(line[1:])
        else:
            assert before[at] == line[1:]
            if line.startswith(" "):
                made.append(before[at])
            at += 1
    return made + before[at:]


@given(LINES, LINES)
def test_the_lines_of_a_text_diff_make_the_other_text(a: list[str], b: list[str]) -> None:
    assert patched("\n".join(a).split("\n"), unified("\n".join(a), "\n".join(b))) == "\n".join(b).split("\n")


def test_a_diff_of_large_texts_is_bounded() -> None:
    a = "\n".join(f"{n % 7} {n % 11}" for n in range(100_000))
    b = "\n".join(f"{n % 5} {n % 13}" for n in range(100_000))
    lines = unified(a, b)
    assert len(lines) <= 402
    assert lines[-1].startswith("… ")
    assert all(len(line) <= 500 for line in unified("x" * 10_000, "y" * 10_000))


def test_a_prompt_is_compared_by_its_text_and_a_schema_line_by_line() -> None:
    texts = {"1": "Be kind.\nBe short.", "2": "Be kind.\nBe exact."}
    found = diff_versions({"text": "1", "file": "p.md"}, {"text": "2", "file": "p.md"}, texts.get)
    assert found.texts[0].lines == ("@@ -1,2 +1,2 @@", " Be kind.", "-Be short.", "+Be exact.")
    assert diff_versions({"text": "1"}, {"text": "9"}, texts.get).texts == ()
    found = diff_versions({"arguments": {"a": "string"}}, {"arguments": {"a": "string", "b": "long"}})
    assert [(one.path, one.how) for one in found.changes] == [("arguments.b", "added")]
    assert '+  "b": "long"' in found.texts[0].lines
