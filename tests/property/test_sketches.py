"""Declarations written from what was observed: whatever agents and tools are called and say, the files can be taken."""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.adapters.project import around, read_project
from tallystick.model.errors import ConfigError
from tallystick.model.masking import mask_text
from tallystick.model.registry import Declared
from tallystick.model.step import Effect
from tallystick.registry.sketch import Around, SeenAgent, SeenTool, file_stem, sketch
from tallystick.registry.toml_text import toml_key, toml_value

SECRET = "sk-" + "a" * 30
HOSTILE = st.one_of(
    st.text(max_size=6),
    st.sampled_from([
        "a", "A", "b", "a b", "a/b", "../../etc/passwd", "..", ".", "CON", "nul.toml", "a\u202eb", "\x1b[2J", "", "é",
        "e\u0301", "a" * 300, "a" * 128, SECRET, '"]\n[x]\ny = "', "#", "a.md", "-", "\ud800", "tool:x", "{{x}}",
    ]),
)  # fmt: skip
NAMES = st.lists(HOSTILE, max_size=4).map(tuple)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | HOSTILE,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(HOSTILE, inner, max_size=2), max_leaves=5,
)  # fmt: skip
AGENTS = st.builds(
    SeenAgent, HOSTILE, st.none() | HOSTILE, st.none() | HOSTILE, NAMES, NAMES, NAMES, NAMES,
    st.none() | HOSTILE | st.just(f"Use {SECRET}.\r\n"), st.integers(0, 3),
)  # fmt: skip
TOOLS = st.builds(
    SeenTool, HOSTILE, st.none() | st.sampled_from(list(Effect)), st.none() | HOSTILE | st.just("ä" * 20_000),
    st.none() | st.dictionaries(HOSTILE, st.sampled_from(["string", "long?", "strange", ""]), max_size=3),
    st.none() | st.dictionaries(HOSTILE, JSONS, max_size=3), st.none() | HOSTILE | st.just("https://u:p@h/x"), NAMES,
)  # fmt: skip


def unique(rows: list[Any]) -> list[Any]:
    return list({one.name: one for one in rows}.values())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(AGENTS, max_size=4), st.lists(TOOLS, max_size=4), st.sets(st.sampled_from("abA"), max_size=2))
def test_the_files_can_be_taken_but_for_effects(
    agents: list[SeenAgent], tools: list[SeenTool], retired: set[str]
) -> None:
    agents, tools = unique(agents), unique(tools)
    known = [Declared("tool", name, "d", retired=True) for name in sorted(retired)]
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "project"
        folder.mkdir()
        made = sketch(agents, tools, around(folder, known))
        for name, text in made.files.items():
            _write(folder, name, text)
        unsaid = {one.name for one in tools if one.effect is None}
        try:
            read_project(folder, known=known)
        except ConfigError as error:
            problems = error.detail.get("problems") or [
                {"message": error.message, "file": error.detail["file"]}
            ]
            for problem in problems:
                assert "does not say what effect" in problem["message"]
                assert tomllib.loads((folder / problem["file"]).read_text())["name"] in unsaid
            for path in folder.glob("tools/*.toml"):  # the person fills them in
                text = path.read_text().replace('# effect = "…"', 'effect = "write"')
                path.write_text(text)
            read_project(folder, known=known)
        again = sketch(agents, tools, around(folder, known))
        assert again.files == {}  # all that can be declared is
        wanted = {one.declared.name for one in read_project(folder, known=known).found.wanted()}
        assert not wanted & {"../../etc/passwd\n", "", "a b"}


def _write(folder: Path, name: str, text: str) -> None:
    path = PurePosixPath(name)
    assert len(path.parts) == 2
    assert path.parts[0] in ("agents", "tools", "data", "prompts")
    assert mask_text(text) == text
    place = folder / name
    place.parent.mkdir(exist_ok=True)
    assert place.name.casefold() not in {one.name.casefold() for one in place.parent.iterdir()}
    place.write_text(text, encoding="utf-8", newline="")


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSONS.filter(lambda x: x == x)))
def test_toml_holds_every_text(table: dict[str, Any]) -> None:
    plain = {key: str(value).encode("utf-8", "replace").decode() for key, value in table.items()}
    written = "\n".join(f"{toml_key(key)} = {toml_value(value)}" for key, value in plain.items())
    assert tomllib.loads(written) == plain
    assert tomllib.loads(f"x = {toml_value(plain)}\ny = {toml_value(list(plain.values()))}") == {
        "x": plain, "y": list(plain.values()),
    }  # fmt: skip


@given(HOSTILE, HOSTILE)
def test_two_names_have_two_files(a: str, b: str) -> None:
    assert (file_stem(a) == file_stem(b)) == (a == b)
    assert PurePosixPath(file_stem(a)).name == file_stem(a)
    assert len(file_stem(a)) <= 70


def test_what_nobody_saw_is_not_made_up() -> None:
    made = sketch([SeenAgent("desk", tools=("refund",))], [SeenTool("refund")], Around())
    assert 'effect = "…"' in made.files["tools/refund.toml"]
    assert "effect" not in tomllib.loads(made.files["tools/refund.toml"])
    assert tomllib.loads(made.files["agents/desk.toml"]) == {"name": "desk", "tools": ["refund"]}


def test_classes_become_sources_that_are_not_declared_yet() -> None:
    there = Around({"data": frozenset({"orders"})}, classes=frozenset({"customer_pii"}))
    made = sketch([], [SeenTool("look", Effect.READ, classes=("customer_pii", "payment"))], there)
    assert sorted(made.files) == ["data/payment.toml", "tools/look.toml"]
    tool = tomllib.loads(made.files["tools/look.toml"])
    assert (tool["sources"], tool["data"]) == (["payment"], ["customer_pii"])


def test_agents_that_were_seen_to_delegate_in_a_circle_are_said_and_cut() -> None:
    made = sketch([SeenAgent("a", delegates=("b",)), SeenAgent("b", delegates=("a", "b"))], [], Around())
    assert tomllib.loads(made.files["agents/a.toml"])["delegates"] == ["b"]
    assert "delegates" not in tomllib.loads(made.files["agents/b.toml"])
    assert "# seen, and left out of delegates: a" in made.files["agents/b.toml"]


def test_files_that_are_there_stay(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "Refund.toml").write_text('name = "other"\neffect = "read"\n')
    made = sketch([], [SeenTool("refund", Effect.WRITE), SeenTool("other")], around(tmp_path, ()))
    assert len(made.files) == 1
    assert next(iter(made.files)).startswith("tools/refund-")


@pytest.mark.parametrize("prompt", ["Be kind.", "Be kind.\n"])
def test_a_prompt_is_the_text_that_was_seen(prompt: str) -> None:
    made = sketch([SeenAgent("desk", prompt=prompt, more=2)], [], Around())
    assert made.files["prompts/desk.md"] == "Be kind.\n"
    assert "2 more texts" in made.files["agents/desk.toml"]
