"""What a tool declares of itself, and that the guard judges exactly what the tool gets."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sdk_kit import Kit, Obeying, installed, verdict

from tallystick.model.control import Answer
from tallystick.model.errors import ConfigError
from tallystick.model.step import Effect
from tallystick.sdk.agents import agent
from tallystick.sdk.declaring import argument_types
from tallystick.sdk.running import run
from tallystick.sdk.tools import declaration_of, guard, tool


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    with installed(tmp_path / "spool", guard=Obeying(), agent="desk") as made:
        yield made


def asked(kit: Kit) -> Obeying:
    assert kit.guard is not None
    return kit.guard


def test_guarding_keeps_name_signature_and_schema(kit: Kit) -> None:
    def weather(city: str, days: int = 3) -> str:
        """Forecast for a city."""
        return f"{city} {days}"

    class Service:
        def __init__(self, prefix: str) -> None:
            self.prefix = prefix

        @tool(effect="read")
        def ask(self, question: str) -> str:
            return self.prefix + question

        def __call__(self, question: str) -> str:
            return self.prefix + question

    guarded = guard(weather, effect="read")
    assert guarded.__name__ == "weather"
    assert guarded.__doc__ == "Forecast for a city."
    assert inspect.signature(guarded) == inspect.signature(weather)
    assert guarded("Rome", days=1) == "Rome 1"
    assert Service("> ").ask("why") == "> why"
    assert asked(kit).calls[-1][0].arguments == {"question": "why"}
    assert guard(Service("# "), name="service", effect="read")("x") == "# x"
    assert guard(functools.partial(weather, days=9), name="partial", effect="read")("Oslo") == "Oslo 9"
    assert guard(guarded, effect="write") is guarded  # once is enough
    found = declaration_of(guarded)
    assert found is not None
    assert found.effect is Effect.READ


def test_an_undeclared_effect_reaches_the_guard_as_undeclared(kit: Kit) -> None:
    @tool
    def mystery(x: Any, *rest: int, **more: str) -> None:
        return None

    mystery(1, 2, 3, colour="red")
    call, declared = asked(kit).calls[0]
    assert declared.effect is None
    assert declared.arguments == {"x": "record", "rest": "list"}
    assert call.arguments == {"x": 1, "rest": [2, 3], "colour": "red"}


def test_argument_types_come_from_the_signature() -> None:
    def every(
        a: str, b: int, c: bool, d: float, e: Decimal, f: list[str], g: dict[str, int], h: str | None,
        i: Annotated[int, "x"], j: Literal["x", "y"], k: int | str, l: tuple[int, ...], m, n: bytes = b"",  # noqa: E741
    ) -> None:  # type: ignore[no-untyped-def]  # fmt: skip
        return None

    assert argument_types(every) == {
        "a": "string", "b": "long", "c": "bool", "d": "decimal", "e": "decimal", "f": "list", "g": "record",
        "h": "string?", "i": "long", "j": "string", "k": "record", "l": "list", "m": "record", "n": "record",
    }  # fmt: skip


def test_mistakes_in_a_declaration_are_told_at_once() -> None:
    def act(x: int) -> None:
        return None

    with pytest.raises(ConfigError, match="not an effect"):
        tool(effect="destroy")(act)
    with pytest.raises(ConfigError, match="no argument"):
        tool(authority=["y"])(act)
    with pytest.raises(ConfigError, match="recovery"):
        tool(recovery="hope")(act)


def test_the_digest_follows_the_declaration() -> None:
    def act(x: int) -> None:
        return None

    one, two, three = (declaration_of(guard(act, effect=effect)) for effect in ("read", "write", "read"))
    assert one is not None
    assert two is not None
    assert one.digest != two.digest
    assert one == three


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers() | st.text(max_size=5), max_size=3))
def test_what_the_guard_judges_is_what_the_tool_gets(given_arguments: dict[str, Any]) -> None:
    import tempfile

    got: list[dict[str, Any]] = []

    def act(a: Any = 1, b: Any = 2, c: Any = 3) -> None:
        got.append({"a": a, "b": b, "c": c})

    with tempfile.TemporaryDirectory() as folder, installed(Path(folder), guard=Obeying()) as kit:
        guard(act, effect="read")(**given_arguments)
        judged = asked(kit).calls[0][0].arguments
    expected = {
        k: str(v) if isinstance(v, int) and not -(2**63) <= v < 2**63 else v for k, v in got[0].items()
    }
    assert judged == expected


def test_agent_and_run_are_those_of_the_innermost(kit: Kit) -> None:
    @tool(effect="read")
    def look() -> None:
        return None

    @agent(name="inner", version="3")
    def inner() -> None:
        look()

    with run(workflow="w", agent="outer"):
        look()
        inner()
    assert [call.agent for call, _ in asked(kit).calls] == ["outer", "inner"]
    assert [call.seq for call, _ in asked(kit).calls] == [2, 4]


def test_a_held_answer_is_recorded_as_it_is(kit: Kit) -> None:
    asked(kit).before = lambda _call, _declared: verdict(False, "Ask finance.", Answer.HOLD)

    @tool(effect="write")
    def pay() -> None:
        return None

    assert pay() == "Ask finance."
    assert kit.named("execute_tool pay").attributes["tallystick.decision"] == "hold"
