"""Lists in a narrow terminal and in a pipe: what a row is about stays whole, and what is left out is said."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from cli_parts import FakeParts, call, step_row
from registry_shop import drafts, sightings, uses
from rich.cells import cell_len

from tallystick.cli.laying import lay
from tallystick.cli.output import Column, Out
from tallystick.cli.things import columns
from tallystick.cli.tree import depth_first, row
from tallystick.model.errors import BadInput, UnknownThing

ROW = {
    "name": "case-agent", "standing": "declared and observed", "quarantined": True, "version": "1.2.0",
    "classes": ["customer_pii", "payment", "health"], "owner": "payments", "runs": 6, "steps": 33, "errors": 0,
    "cost_nano_usd": 22_413_600, "last": "2026-11-23T02:40:48.564807Z", "effect": "irreversible",
}  # fmt: skip


def printed(table: tuple[Column, ...], width: int, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], str]:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    out, err = io.StringIO(), io.StringIO()
    Out(stdout=out, stderr=err, tty=True).table(table, [ROW, {**ROW, "name": "b"}])
    return out.getvalue().splitlines(), err.getvalue()


@pytest.mark.parametrize("noun", ["agents", "tools", "models", "data", "policies"])
@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_names_and_standings_are_whole_at_every_width(
    noun: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, said = printed(columns(noun, pretty=True), width, monkeypatch)
    assert all(len(line) <= width for line in lines)
    assert "case-agent" in lines[1]
    assert "declared and observed, quarantined" in lines[1]
    headers = {column.header for column in columns(noun, pretty=True)}
    shown = set(lines[0].replace("last seen", "last_seen").split())
    left_out = {one for one in headers if one.replace(" ", "_") not in shown}
    assert all(one in said for one in left_out)
    assert ("left out" in said) == bool(left_out)


STOPPED = (
    "budget run:729dbb99e84a1e990fd14794b10285da has $0.000369 left of $0.00050, and the call needs more"
)


@pytest.mark.parametrize("width", [30, 60, 80, 100, 140, 240])
@pytest.mark.parametrize("name", ["planner", "工具" * 20, "x" * 90])
def test_the_tree_keeps_its_numbers_and_notes_at_every_width(name: str, width: int) -> None:
    steps = [
        step_row("a", None, "goal", "run", status="stopped", error={"type": "OverBudget", "message": STOPPED}),
        step_row("b", "a", "agent", name), step_row("c", "b", "tool", name, decision="deny"),
        step_row("d", "c", "model", name, same_as="c"),
    ]  # fmt: skip
    rows = [row(step, lasts) for step, _, lasts in depth_first(steps)]
    lines = ["".join(text for text, _ in line) for line in lay(rows, width)]
    assert all(cell_len(line) <= width for line in lines) or width < 60
    said = "".join("".join(lines).replace("│", " ").split())
    for one in rows:
        assert one["time"] in said
        assert one["cost"] in said
        assert "".join(one["note"].split()) in said
    assert len(lines) < 16  # a note is never a tower of letters


def test_the_lines_of_the_tree_go_on_past_a_note_below_a_step() -> None:
    steps = [
        step_row("a", None, "agent", "desk"),
        step_row("b", "a", "tool", "t" * 30, decision="deny"),
        step_row("c", "a", "tool", "u"),
    ]
    lines = [
        "".join(text for text, _ in line) for line in lay([row(s, k) for s, _, k in depth_first(steps)], 60)
    ]
    assert [line[:7] for line in lines[1:]] == ["├─ ✓ to", "│      ", "└─ ✓ to"]
    assert lines[2].strip("│ ") == "deny"


def test_a_column_that_nobody_can_spare_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, said = printed((Column("name", "name"), Column("effect", "effect")), 10, monkeypatch)
    assert len(lines) == 3
    assert said == ""


@pytest.mark.parametrize(
    "command", [["tools", "show", "refund"], ["data", "access", "*"], ["agents", "show", "refunds"]]
)
def test_a_pipe_never_gets_pythons_spelling(command: list[str], tmp_path: Path) -> None:
    parts = FakeParts(tmp_path)
    for draft in drafts():
        parts.stores.control.append([draft])
    parts.stores.traces.sighted, parts.stores.traces.used = sightings(), list(uses())
    said = call(parts, *command).stdout
    assert said
    assert "['" not in said
    assert "{'" not in said


def test_signals_say_of_how_many_they_are_the_part(tmp_path: Path) -> None:
    parts = FakeParts(tmp_path)
    for draft in drafts():
        parts.stores.control.append([draft])
    said = call(parts, "agents", "signals", "refunds")
    assert "of 0 runs that ended: the part that was ok" in said.stdout


def test_an_empty_question_and_an_empty_list_say_what_to_do(tmp_path: Path) -> None:
    parts = FakeParts(tmp_path)
    assert isinstance(call(parts, "data", "access", " ").exception, BadInput)
    assert "prompts/NAME.md" in call(parts, "prompts", "ls").stderr
    assert "1 agent can reach" not in call(parts, "data", "access", "customer_pii").stderr
    unknown = call(parts, "agents", "show", "nobody").exception
    assert isinstance(unknown, UnknownThing)
    assert unknown.hint == "tally find shows what there is: tally find kind:agent"
