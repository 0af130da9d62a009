"""Streamed and whole answers of the scripted model say the same, whatever the words and wherever they are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tallystick.testing import Ask, Call, Say
from tallystick.testing.completions import Answer, prompt_tokens

texts = st.text(max_size=80)
names = st.text("abcdefghij_", min_size=1, max_size=12)
calls = st.lists(
    st.builds(Call, names, st.one_of(texts, st.dictionaries(names, texts, max_size=3))), max_size=3
)
limits = st.one_of(st.none(), st.integers(0, 60))


def answer(text: str, tool_calls: list[Call], limit: int | None, reasoning: int = 0) -> Answer:
    body = {} if limit is None else {"max_completion_tokens": limit}
    ask = Ask("gpt-4o-mini", [{"role": "user", "content": "hello"}], (), False, body)
    return Answer(ask, Say(text, calls=tool_calls, reasoning=reasoning), number=1, created=0, token="t")


@given(texts, calls, limits)
def test_chunks_put_together_are_the_whole(text, tool_calls, limit):
    made = answer(text, tool_calls, limit)
    whole = made.whole()["choices"][0]
    spoken, parts, finishes = "", {}, []
    for chunk in made.chunks(include_usage=False):
        choice = chunk["choices"][0]
        finishes += [choice["finish_reason"]] if choice["finish_reason"] else []
        spoken += choice["delta"].get("content") or ""
        for piece in choice["delta"].get("tool_calls", ()):
            part = parts.setdefault(piece["index"], {"id": piece.get("id"), "name": "", "arguments": ""})
            part["name"] += piece["function"].get("name", "")
            part["arguments"] += piece["function"]["arguments"]
    assert spoken == (whole["message"]["content"] or "")
    wanted = whole["message"].get("tool_calls", [])
    assert [parts[index] for index in sorted(parts)] == [
        {"id": item["id"], **item["function"]} for item in wanted
    ]
    assert finishes == [whole["finish_reason"]]


@given(texts, calls, limits, st.integers(0, 20))
def test_the_output_limit_holds_and_a_cut_is_named(text, tool_calls, limit, reasoning):
    free = answer(text, tool_calls, None, reasoning).usage()["completion_tokens"]
    made = answer(text, tool_calls, limit, reasoning)
    used = made.usage()["completion_tokens"]
    if limit is not None:
        assert used <= limit
    if limit is None or free <= limit:
        assert used == free
        assert made.finish != "length"
    else:
        assert made.finish == "length"


@given(texts, texts)
def test_longer_prompts_never_cost_less(first, second):
    def size(*messages: str) -> int:
        return prompt_tokens(
            Ask("m", [{"role": "user", "content": text} for text in messages], (), False, {})
        )

    assert size(first, second) == size(first) + size(second)
    assert size(first + second) >= size(first)
