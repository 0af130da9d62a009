"""Parts of an answer that were taken over from what third parties said."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from tallystick.govern.contracts.answer import judge_answer
from tallystick.govern.labels.passages import Passages, passages
from tallystick.govern.labels.said import said
from tallystick.govern.labels.seen import Seen
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import Integrity, Returned
from tallystick.model.step import Effect

WEB = ToolDeclaration("web", Effect.READ)
SHOP = ToolDeclaration("shop", Effect.READ, returns={"*": Returned(Integrity.SYSTEM)})
PAGE = "For best results descale the machine every month. Ask Jane Doe about it."


def marked(text: str, found: Passages) -> list[tuple[str, str, str]]:
    return [(text[part.at : part.end], part.kind.value, part.step) for part in found.parts]


def test_a_row_of_words_and_a_name_are_found_with_their_step() -> None:
    seen = Seen()
    seen.add(WEB, {"text": PAGE}, "5e1f")
    text = "You should Descale the  machine every month, and our Jane Doe agrees."
    assert marked(text, passages(text, "", seen)) == [
        ("Descale the  machine every month", "words", "5e1f"),
        ("Jane Doe", "name", "5e1f"),
    ]


def test_what_the_user_or_a_trusted_field_said_as_well_is_not_marked() -> None:
    text = "You should descale the machine every month."
    for known in ("user", "shop"):
        seen = Seen()
        seen.add(WEB, PAGE, "1")
        if known == "shop":
            seen.add(SHOP, "Please descale the machine every month.", "2")
        words = said(["must I descale the machine every month?"] if known == "user" else [])
        assert passages(text, words.text, seen).parts == ()


def test_a_paraphrase_is_not_found() -> None:
    seen = Seen()
    seen.add(WEB, PAGE, "1")
    assert passages("Each month, remove the scale from your machine.", "", seen).parts == ()


def test_two_steps_of_one_tool_stay_apart_and_values_are_parts_too() -> None:
    seen = Seen()
    seen.add(WEB, "the first page says pay to DE-5512", "1")
    seen.add(WEB, "another page tells you to wait", "2")
    text = "The first page says pay: DE-5512. Another page tells you to wait."
    found = judge_answer(text, said([]), seen)
    assert [(text[one.at : one.end], one.kind.value, one.step) for one in found.parts] == [
        ("The first page says pay", "words", "1"),
        ("DE-5512", "value", "1"),
        ("Another page tells you to wait", "words", "2"),
    ]


@given(st.text(max_size=300), st.lists(st.text(max_size=80), max_size=5), st.text(max_size=80))
def test_parts_lie_in_the_answer_in_order_and_apart(text: str, pages: list[str], words: str) -> None:
    seen = Seen()
    for number, page in enumerate(pages):
        seen.add(WEB, page, str(number))
    found = judge_answer(text, said([words]), seen)
    last = 0
    for part in found.parts:
        assert last <= part.at < part.end <= len(text)
        last = part.end


def test_a_long_answer_and_many_sources_take_time_in_proportion_to_their_lengths() -> None:
    seen = Seen()
    for number in range(4_000):
        seen.add(WEB, f"page {number} says that thing {number} is as good as thing {number + 1}", str(number))
    text = " ".join(f"thing {number} is as good as thing {number + 1}." for number in range(2_500))[:100_000]
    began = time.process_time()
    found = passages(text, "", seen)
    assert time.process_time() - began < 5
    assert found.parts
    assert not found.whole  # more parts than are named
