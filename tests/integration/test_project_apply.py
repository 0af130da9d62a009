"""A project from its first recorded run to an applied registry: real stores, real processes, the demo's own files."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest

from tallystick import wiring
from tallystick.adapters.project import read_project
from tallystick.demo.desk import Desk
from tallystick.demo.project_folder import lay_out

AGENT_PROGRAM = '''
import sys, tallystick
tallystick.init(project=sys.argv[1], store=sys.argv[2])

@tallystick.tool(effect="read", data=["customer_pii"])
def look(order: str, deep: bool | None = None) -> str:
    """Read one order."""
    return "open"

@tallystick.agent(name="helper", version="0.9")
def helper():
    return look("A-1")

with tallystick.run(goal="x", agent="desk", workflow="support"):
    helper()
'''


class Shell:
    """``tally`` and programs as processes of their own, in one folder with one store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder / "project", folder / "store"
        self.folder.mkdir()
        clean = {key: value for key, value in os.environ.items() if not key.startswith("TALLYSTICK_")}
        self.env = {
            **clean,
            "HOME": str(folder / "home"),
            "PYTHONPATH": str(Path(wiring.__file__).parents[2]),
        }

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *command], cwd=self.folder, env=self.env, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *command: str, code: int = 0) -> tuple[str, str]:
        process = self.start(*command)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, err
        return out, err

    def tally(self, *arguments: str, code: int = 0) -> Any:
        out, err = self.run("-m", "tallystick", *arguments, "--store", str(self.store), "--json", code=code)
        return json.loads(out if code == 0 else err)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_what_ran_is_written_down_planned_and_applied(shell: Shell, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(AGENT_PROGRAM)
    shell.run(str(program), str(shell.folder), str(shell.store))
    written = shell.tally("init", ".")["written"]
    assert {"agents/helper.toml", "tools/look.toml", "data/customer_pii.toml"} <= set(written)
    tool = tomllib.loads((shell.folder / "tools/look.toml").read_text())
    assert (tool["effect"], tool["sources"]) == ("read", ["customer_pii"])
    assert (tool["description"], tool["arguments"]) == (
        "Read one order.",
        {"order": "string", "deep": "bool?"},
    )
    agent = tomllib.loads((shell.folder / "agents/helper.toml").read_text())
    assert (agent["version"], agent["workflow"], agent["tools"]) == ("0.9", "support", ["look"])
    planned = shell.tally("plan")
    assert not planned["counts"]["refused"]
    applied = shell.tally("apply", "--because", "written down")
    assert len(applied["declared"]) == planned["counts"]["add"]
    assert shell.tally("plan")["items"] == []
    assert shell.tally("init", ".")["written"] == []
    assert shell.tally("apply")["entries"] == 0
    assert shell.tally("journal", "verify")["verified"]


def test_a_process_that_starts_declares_and_takes_nothing_back(shell: Shell, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(AGENT_PROGRAM)
    shell.write("agents/desk.toml", 'name = "desk"\nversion = "1"\n')
    shell.write("tools/look.toml", 'name = "look"\neffect = "read"\n')
    shell.write("prompts/desk.md", "Be kind.")
    shell.run(str(program), str(shell.folder), str(shell.store))
    assert shell.tally("plan")["items"] == []
    shell.write("agents/desk.toml", 'name = "desk"\nversion = "1"\nmodels = ["m"]\n')
    shell.write("prompts/desk.md", "Be short.")
    (shell.folder / "tools/look.toml").unlink()
    _, err = shell.run(str(program), str(shell.folder), str(shell.store))
    assert "version 1 of agent desk is" in err
    assert "give it another version" in err
    left = shell.tally("plan", "--prune")
    assert [(one["action"], one["name"]) for one in left["items"]] == [
        ("refused", "desk"),
        ("retire", "look"),
    ]
    problem = shell.tally("apply", code=7)["error"]
    assert problem["code"] == "conflict"
    assert problem["detail"]["file"] == "agents/desk.toml"


def test_policies_are_judged_with_the_tools_of_the_registry_before_they_enter_it(
    shell: Shell, tmp_path: Path
) -> None:
    shell.write("tools/look.toml", 'name = "look"\neffect = "read"\n')
    shell.tally("apply")
    (shell.folder / "tools/look.toml").unlink()
    shell.write("agents/desk.toml", 'name = "desk"\ntools = ["look"]\n')
    shell.write("policies/desk.cedar", 'permit (principal, action == Action::"look", resource);')
    assert shell.tally("policy", "check")["rules"] == 1
    assert shell.tally("apply")["entries"] == 2
    shell.write("policies/desk.cedar", 'permit (principal, action == Action::"lok", resource);')
    problem = shell.tally("apply", code=2)["error"]
    assert problem["detail"]["file"] == "policies/desk.cedar"
    program = tmp_path / "program.py"
    program.write_text(AGENT_PROGRAM)
    shell.write("prompts/desk.md", "Be kind.")
    _, err = shell.run(str(program), str(shell.folder), str(shell.store))
    assert "lok" in err
    stores = wiring.open_stores(shell.store)
    try:
        assert [one.name for one in stores.control.declared("prompt")] == ["desk"]  # the rest is declared
        assert len(stores.control.versions("policy", "desk")) == 1
    finally:
        stores.close()


def test_many_who_apply_at_once_declare_everything_once(shell: Shell) -> None:
    for number in range(20):
        shell.write(f"tools/t{number}.toml", f'name = "t{number}"\neffect = "read"\nversion = "1"\n')
    command = ("-m", "tallystick", "apply", "--store", str(shell.store), "--json")
    shell.run("-m", "tallystick", "store", "info", "--store", str(shell.store))
    started = [shell.start(*command) for _ in range(4)]
    answers = [process.communicate(timeout=120) for process in started]
    codes = [process.returncode for process in started]
    assert set(codes) <= {0, 7}, answers
    assert 0 in codes
    stores = wiring.open_stores(shell.store)
    try:
        assert len(stores.control.declared("tool")) == 20
        assert {len(stores.control.versions("tool", f"t{number}")) for number in range(20)} == {1}
        stores.control.verify()
    finally:
        stores.close()
    assert shell.tally("plan")["items"] == []


def test_the_demo_declares_what_its_code_says(tmp_path: Path) -> None:
    project = read_project(lay_out(tmp_path / "desk"))
    desk = Desk(tmp_path / "desk", "http://127.0.0.1:9/v1")
    try:
        said = {name: inspect.getdoc(tool) for name, tool in desk.tools().items()}
        declared = {one.tool.name: one.tool.description for one in project.tools}
        assert declared == {name: said[name] for name in declared}
        assert [desk.told(agent.name) for agent in project.agents if agent.prompts != (agent.name,)] == []
        assert all(desk.told(agent.name) for agent in project.agents)
    finally:
        desk.close()
    assert {one.name: one.data for one in project.declarations} == {
        "find_parcel": (), "lookup_order": ("customer_pii",), "refund": ("payment",), "search_pages": (),
        "send_replacement": (),
    }  # fmt: skip
    assert set(said) - set(declared) == {"wire_transfer"}  # the scene of the tool that nobody declared


def test_the_demo_is_a_project_that_plans_and_applies(shell: Shell) -> None:
    shutil.rmtree(shell.folder)
    with as_file(files("tallystick.demo") / "project") as source:
        shutil.copytree(source, shell.folder)
    planned = shell.tally("plan")
    assert planned["counts"]["add"] == len(planned["items"]) == 22
    assert len(shell.tally("apply")["declared"]) == 22
    assert shell.tally("plan")["items"] == []
