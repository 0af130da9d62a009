"""Whatever a card holds, it is read or refused with a designed error; what is written can be read."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tallystick.model.errors import BadInput
from tallystick.registry.addresses import is_web, take_apart
from tallystick.registry.card_shapes import SHAPES
from tallystick.registry.cards import Told, read_card, write_card
from tallystick.registry.servers import SECRET_WORDS, command_identity, url_identity

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=8,
)
known = [name.removeprefix("!") for shape in SHAPES.values() for name in shape]
plain = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20
).filter(str.strip)


def shaped(shape: Any) -> st.SearchStrategy[Any]:
    """A value that nearly has a shape."""
    if isinstance(shape, str):
        fitting = {"flag": st.booleans(), "any": values}.get(shape, st.text(max_size=10))
    elif isinstance(shape, list):
        fitting = st.lists(shaped(shape[0]), max_size=2)
    elif "*" in shape:
        fitting = st.dictionaries(st.text(max_size=5), shaped(shape["*"]), max_size=2)
    else:
        parts = {name.removeprefix("!"): shaped(below) for name, below in shape.items()}
        fitting = st.fixed_dictionaries(parts)
    return st.one_of(fitting, fitting, fitting, values)


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes(document: bytes) -> None:
    with suppress(BadInput):
        assert read_card(document).digest


@given(st.one_of(*(shaped(shape) for shape in SHAPES.values())))
def test_any_card_is_read_whole_or_refused(card: Any) -> None:
    try:
        found = read_card(json.dumps(card).encode())
    except BadInput:
        return
    assert found.digest
    body = found.body()
    assert len(json.dumps(body)) < 60_000
    assert all(is_web(url) for url in found.links().values())


@given(plain, plain, plain, st.sampled_from(["1.0", "0.3"]))
def test_what_is_written_is_read(name: str, version: str, purpose: str, protocol: str) -> None:
    told = Told(name, version, purpose, "https://example.org/a2a", tags=("x",), owner="ann")
    again = read_card(json.dumps(write_card(told, protocol)).encode())
    assert (again.protocol, again.label, again.ignored) == (protocol, version, ())


@given(st.text(), st.text())
def test_an_identity_never_shows_who_signs_in(user: str, password: str) -> None:
    shown = url_identity(f"https://{user}:{password}@example.org/mcp?key={password}")
    parts = take_apart(shown)
    assert parts is None or (parts.user is None and parts.scheme == "https") or "masked" in shown


@given(st.sampled_from(SECRET_WORDS), st.text("abcdef0123456789", min_size=6, max_size=12))
def test_values_of_secrets_are_masked_in_a_command(word: str, secret: str) -> None:
    for command in (
        ["srv", f"--{word}", secret],
        ["srv", f"--{word}={secret}"],
        ["env", f"{word.upper()}={secret}", "srv"],
    ):
        assert secret not in command_identity(command)
