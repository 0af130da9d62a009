"""What the journal cannot keep is refused in the plan with its file, and keeps nothing else from being declared."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tallystick.adapters.memory.control import MemoryControl
from tallystick.adapters.project import read_project
from tallystick.app.registry import registrar
from tallystick.config import load
from tallystick.model.errors import Conflict
from tallystick.registry.drafts import retired_draft
from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds
from tallystick.wiring.project import declare_at_start

TOOL = 'name = "odd"\neffect = "read"\n'
ODD = {
    "commitment": (TOOL + '[arguments]\ncommitment = "string"\n', "the single key 'commitment'"),
    "long": (
        TOOL
        + "[input]\n"
        + "".join(f'k{n} = "{"x" * 400}"\n' for n in range(115))
        + "[links]\n"
        + "".join(f'l{n} = "https://x.example/{"x" * 900}"\n' for n in range(18)),
        "bytes",
    ),
    "deep": (TOOL + "[input]\nx = " + "[" * 120 + "]" * 120 + "\n", "nested deeper than 100 levels"),
    "number": (TOOL + "[input]\nmaximum = 1e21\n", "a number that JSON cannot hold exactly"),
    "links": (TOOL + '[links]\ncommitment = "https://x.example"\n', "the single key 'commitment'"),
}


def test_a_project_that_declares_nothing_prunes_nothing(tmp_path: Path) -> None:
    """Another folder of that name, a wrong checkout, a mount that is missing: nothing is taken away from there."""
    control = MemoryControl(clock=FakeClock(), ids=CountingIds())
    (tmp_path / "a/shop/tools").mkdir(parents=True)
    (tmp_path / "b/shop").mkdir(parents=True)
    (tmp_path / "a/shop/tools/odd.toml").write_text(TOOL)
    registrar.carry_out(
        control, registrar.plan(control, read_project(tmp_path / "a/shop").found), actor="ada"
    )
    made = registrar.plan(control, read_project(tmp_path / "b/shop").found, prune=True)
    [refused] = made.refused
    assert (refused.type, refused.name, refused.retire) == ("tool", "odd", False)
    assert "declares nothing" in (refused.why or "")
    assert "retired" in (refused.hint or "")
    with pytest.raises(Conflict):
        registrar.carry_out(control, made, actor="ada")
    assert [one.name for one in control.declared()] == ["odd"]


@pytest.mark.parametrize("what", ODD)
def test_what_the_journal_cannot_keep_is_refused_alone(tmp_path: Path, what: str) -> None:
    control = MemoryControl(clock=FakeClock(), ids=CountingIds())
    (tmp_path / "tools").mkdir()
    text, why = ODD[what]
    (tmp_path / "tools/odd.toml").write_text(text)
    (tmp_path / "tools/plain.toml").write_text('name = "plain"\neffect = "read"\n')
    made = registrar.plan(control, read_project(tmp_path).found)
    [refused] = made.refused
    assert (refused.name, refused.file) == ("odd", "tools/odd.toml")
    assert why in (refused.why or "")
    assert refused.hint
    with pytest.raises(Conflict):
        registrar.carry_out(control, made, actor="ada")
    registrar.carry_out(control, made, actor="tallystick.init", partly=True)
    assert [one.name for one in control.declared()] == ["plain"]


def test_a_process_that_starts_does_not_undo_what_a_person_does_at_that_moment(tmp_path: Path) -> None:
    control = MemoryControl(clock=FakeClock(), ids=CountingIds())
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/odd.toml").write_text(TOOL)
    registrar.carry_out(control, registrar.plan(control, read_project(tmp_path).found), actor="ada")
    (tmp_path / "tools/odd.toml").write_text(TOOL + 'owner = "ann"\n')
    (tmp_path / "tools/plain.toml").write_text('name = "plain"\neffect = "read"\n')
    write = control.append

    def after_a_person(drafts: Any, **more: Any) -> Any:
        control.append = write  # type: ignore[method-assign]
        write([retired_draft("tool", "odd", actor="ada", because="it is broken")])
        return write(drafts, **more)

    control.append = after_a_person  # type: ignore[method-assign]
    declare_at_start(cast("Any", SimpleNamespace(control=control)), tmp_path, load({}, {}, tmp_path))
    assert [one.name for one in control.declared()] == ["plain"]
