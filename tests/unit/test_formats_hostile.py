"""A file with one value replaced by any other is read, or refused with BadInput; nothing else comes out."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_formats import LANGFUSE, TAU, WHO
from test_formats_sent import JAEGER, TEMPO

from tallystick.model.errors import BadInput
from tallystick.observe.contents import read_contents
from tallystick.observe.formats import FORMATS
from tallystick.observe.normalise import read_span

DOCUMENTS: dict[str, Any] = {
    "jaeger": JAEGER,
    "tempo": TEMPO,
    "langfuse": LANGFUSE,
    "tau-bench": TAU,
    "who-and-when": WHO,
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("[{" * 50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in _places(one, (*path, key)))]


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_one_wrong_value(name: str, data: st.DataObject) -> None:
    document = copy.deepcopy(DOCUMENTS[name])
    places = [place for place in _places(document) if place]
    *path, last = data.draw(st.sampled_from(places))
    holder = document
    for key in path:
        holder = holder[key]
    holder[last] = data.draw(VALUES)
    try:
        spans = [span for run in FORMATS[name].read(document) for span in run.spans]
    except BadInput:
        return
    for span in spans:
        for step, original in read_span(span):
            read_contents(step, original)
