"""The picture of who can reach what, the lines of a difference, and links: pure, so attacked with anything."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.web import changes, facets, graph_svg, wording

TYPES = ("agent", "tool", "data", "class")
NAMES = st.text(max_size=40)
STANDINGS = st.sampled_from(("declared and observed", "declared only", "observed only", "drifted", None))
XLINE = re.compile(r"^M(-?\d+) (-?[\d.]+)([CHL][-\d. ]+)+$")


@st.composite
def reaches(draw: st.DrawFn) -> dict[str, Any]:
    """Any answer of the catalog: nodes of every layer with any names, and edges between any two."""
    count = draw(st.integers(0, 60))
    nodes = [
        {
            "id": f"n{number}", "type": draw(st.sampled_from(TYPES)), "name": draw(NAMES), "standing": draw(STANDINGS),
            "effect": draw(st.sampled_from((None, "read", "irreversible", "<b>"))),
        }
        for number in range(count)
    ]  # fmt: skip
    ends = st.sampled_from([node["id"] for node in nodes]) if nodes else st.nothing()
    told = st.tuples(
        ends, ends, st.sampled_from(("granted", "observed", "touches")), st.sampled_from((None, "t"))
    )
    found = draw(st.lists(told, max_size=80)) if nodes else []
    edges = [{"from": a, "to": b, "how": how, "used": used} for a, b, how, used in found]
    return {"nodes": nodes, "edges": edges, "more": 0}


def many(agents: int, tools: int) -> dict[str, Any]:
    """Every agent holds a few tools, as in a large registry."""
    nodes = [
        {"id": f"{kind}:{number}", "type": kind, "name": f"{kind}-{number:04}", "standing": "declared only",
         "effect": None}
        for kind, count in (("agent", agents), ("tool", tools))
        for number in range(count)
    ]  # fmt: skip
    edges = [
        {"from": f"agent:{one}", "to": f"tool:{(one * 7 + step) % tools}", "how": "granted", "used": None}
        for one in range(agents)
        for step in range(1 + one % 3)
    ]
    return {"nodes": nodes, "edges": edges, "more": 12}


@settings(max_examples=60, deadline=None)
@given(reaches())
def test_any_answer_gives_a_whole_picture_with_every_shown_node_linked(found: dict[str, Any]) -> None:
    drawn = graph_svg.draw(found, name="Who")
    root = ElementTree.fromstring(str(drawn.svg))
    boxes = [one for one in root.iter("a") if "g-node" in one.get("class", "")]
    assert len(boxes) + sum(count for _, count in drawn.hidden) == len(found["nodes"])
    for box in boxes:
        assert box.get("href", "").startswith(("/object?type=", "/access?what="))
        assert (box.findtext("title") or "").strip()
    for path in root.iter("path"):
        assert not path.get("d") or XLINE.match(path.get("d", "")), path.get("d")
    assert str(drawn.svg) == str(graph_svg.draw(found, name="Who").svg)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08]", str(drawn.svg))


@settings(max_examples=40, deadline=None)
@given(reaches())
def test_no_line_is_drawn_through_a_box(found: dict[str, Any]) -> None:
    """A line that passes a layer runs between two of its boxes, so it cannot be read as ending in one of them."""
    root = ElementTree.fromstring(str(graph_svg.draw(found, name="Who").svg))
    tops: dict[int, set[int]] = {}
    for rect in root.iter("rect"):
        tops.setdefault(int(rect.get("x", "0")), set()).add(int(rect.get("y", "0")))
    for path in root.iter("path"):
        for at, end in re.findall(r" (\d+)H(\d+)", path.get("d", "")):
            for top in tops.get(int(end) - graph_svg.WIDTH, ()):
                assert not top < int(at) < top + graph_svg.HEIGHT


def test_a_layer_is_bounded_and_says_what_is_left_out() -> None:
    drawn = graph_svg.draw(many(2_000, 90), name="Who")
    assert drawn.hidden == (("agents", 1_960), ("tools", 50))
    assert str(drawn.svg).count('class="g-node') == 80
    assert len(drawn.svg) < 200_000


def test_used_edges_are_kept_first_and_kinds_are_told() -> None:
    found = many(100, 5)
    found["edges"][-1]["used"] = "2026-11-22T10:00:00Z"
    drawn = graph_svg.draw(found, name="Who")
    assert "agent-0099" in drawn.svg
    assert dict(drawn.kinds) == {"used": "granted and used", "granted": "granted, never used"}


def test_only_what_leads_through_a_node_is_kept() -> None:
    nodes = [
        {"id": one, "type": kind, "name": one, "standing": None, "effect": None}
        for one, kind in (("a", "agent"), ("b", "agent"), ("t", "tool"), ("u", "tool"), ("d", "data"))
    ]  # fmt: skip
    pairs = (("a", "b"), ("b", "t"), ("b", "u"), ("t", "d"), ("b", "a"))
    found = {
        "nodes": nodes,
        "edges": [{"from": a, "to": b, "how": "granted", "used": None} for a, b in pairs],
    }
    kept = graph_svg.through(found, "tool", "t")
    assert [node["id"] for node in kept["nodes"]] == ["a", "b", "t", "d"]
    assert graph_svg.through(found, "tool", "nobody") is found


@given(st.text(alphabet="ab\n\r\u2028<", max_size=60), st.text(alphabet="ab\n\r\u2028<", max_size=60))
def test_both_texts_can_be_read_from_their_difference(before: str, after: str) -> None:
    lines = changes.between(before, after)["lines"]
    assert [text for sign, text in lines if sign != "+"] == (before.splitlines() or [""])
    assert [text for sign, text in lines if sign != "-"] == (after.splitlines() or [""])


def test_what_is_cut_is_said() -> None:
    assert changes.between("a\n" * 500, "b")["cut"]
    assert changes.between("a" * 50_000, "b")["cut"]
    assert not changes.between("a", None)["cut"]
    assert changes.between(None, {"a": 1})["lines"] == [("+", "{"), ("+", '  "a": 1'), ("+", "}")]


def test_a_new_definition_shows_what_it_says_and_a_changed_one_what_differs() -> None:
    after = {
        "name": "t",
        "description": "Looks.",
        "input": {},
        "output": None,
        "annotations": {},
        "server": None,
    }
    shown = {"tool": "t", "before": None, "after": after, "differs": []}
    assert [part["field"] for part in changes.of_definition(shown)["parts"]] == ["description"]
    changed = shown | {
        "before": after,
        "after": after | {"description": "Sends."},
        "differs": ["description"],
    }
    (part,) = changes.of_definition(changed)["parts"]
    assert part["lines"] == [("-", "Looks."), ("+", "Sends.")]
    assert changes.of_definition(shown | {"after": None})["parts"] == []


@pytest.mark.parametrize(
    ("line", "told"),
    [("+a", ("+", "a")), ("-a", ("-", "a")), (" a", (" ", "a")), ("@@ -1 +1 @@", ("@", "@@ -1 +1 @@")), ("", (" ", "")),
     ("+++ b", ("+", "++ b")), ("a", (" ", "a"))],
)  # fmt: skip
def test_lines_of_a_text_diff_have_a_sign(line: str, told: tuple[str, str]) -> None:
    assert changes.signed(line) == told


@pytest.mark.parametrize("address", ["http://a.example/b?c#d", "https://a.example", "https://[::1]:80/x"])
def test_web_addresses_become_links(address: str) -> None:
    assert wording.safe_link(address) == address


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "JaVaScRiPt:1", "data:text/html,x", "//evil.example", "/path", "http:", "https://", "",
     "http://a.example\n", "https://a b", "https://user:pass@evil.example", "https://a\u202e.example", 'https://a"x',
     "https://[", "ftp://a", "https://a\\b", "x" * 3_000, "https://" + "x" * 3_000],
)  # fmt: skip
def test_everything_else_stays_text(address: str) -> None:
    assert wording.safe_link(address) is None


def test_shares_and_ages_read_as_words() -> None:
    assert wording.share(None) == "not measured"
    assert wording.share(1) == "100 %"
    assert wording.share(0.9999) == "99.9 %"  # only all of it is 100 %
    assert wording.share(0) == "0 %"
    assert wording.span("30d") == "in the last 30 days"
    assert wording.span("1h") == "in the last hour"
    assert wording.span("2026-11-01") == "since 2026-11-01"


def test_a_question_goes_in_and_out_and_leaves_the_rest() -> None:
    query = 'owner:a missing:owner "two words" delegates-to:x'
    added = facets.switched(query, "missing:budget")
    assert added == f"{query} missing:budget"
    assert facets.holds(added, "missing:owner")
    assert facets.switched(added, "missing:budget") == query
    assert facets.switched("shadow", "shadow") == ""
    assert facets.without(query, "delegates-to") == 'owner:a missing:owner "two words"'
