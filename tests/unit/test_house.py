"""The rules of the house, held: sizes, names, docstrings, imports, foreign words, and true documents."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest

import tallystick
from tallystick.cli.help import error_tree
from tallystick.cli.root import COMMANDS
from tallystick.config.keys import keys

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 400
MOST_FUNCTION_LINES = 60
MOST_NAMES = 20
CATCH_ALL = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}
EXEMPT = {"vendor"}  # folders of other people's files, kept as they came


@lru_cache(maxsize=1)
def tracked() -> tuple[Path, ...]:
    """Every file of the repository (in an unpacked archive: every file)."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        return tuple(ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())
    return tuple(path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts)


def _files(*suffixes: str, under: str = "") -> list[Path]:
    top = ROOT / under
    return sorted(
        path for path in tracked()
        if path.suffix in suffixes and path.is_relative_to(top) and not EXEMPT & set(path.parts)
    )  # fmt: skip


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _faults(faults: Iterator[str]) -> None:
    told = list(faults)
    assert not told, "\n" + "\n".join(told)


def test_no_file_is_longer_than_it_may_be() -> None:
    def long() -> Iterator[str]:
        for path in _files(".py", ".js", ".css", ".html"):
            lines = len(path.read_text("utf-8").splitlines())
            if lines > MOST_LINES:
                yield f"{_name(path)}: {lines} lines"

    assert len(_files(".py")) > 30
    _faults(long())


def test_no_function_is_longer_than_it_may_be() -> None:
    def long() -> Iterator[str]:
        for path in _files(".py"):
            for node in ast.walk(_tree(path)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = (node.end_lineno or node.lineno) - node.lineno + 1
                    if lines > MOST_FUNCTION_LINES:
                        yield f"{_name(path)}:{node.lineno} {node.name}: {lines} lines"

    _faults(long())


def test_no_room_is_a_catch_all() -> None:
    _faults(
        _name(path) for path in _files(".py", ".js") if CATCH_ALL & {path.stem, *path.relative_to(ROOT).parts}
    )


def _undocumented(node: ast.AST, where: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if child.name.startswith("_") or any(_is_overload(item) for item in child.decorator_list):
            continue
        if not ast.get_docstring(child):
            yield f"{where}:{child.lineno} {child.name}"
        if isinstance(child, ast.ClassDef):
            yield from _undocumented(child, where)


def _is_overload(decorator: ast.expr) -> bool:
    name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
    return name in ("overload", "setter")


def test_every_public_thing_says_what_it_is() -> None:
    def missing() -> Iterator[str]:
        for path in _files(".py", under="tallystick"):
            if not ast.get_docstring(_tree(path)):
                yield f"{_name(path)}: the module"
            yield from _undocumented(_tree(path), _name(path))

    _faults(missing())


def test_no_error_is_swallowed() -> None:
    def swallowed() -> Iterator[str]:
        for path in _files(".py", under="tallystick"):
            for node in ast.walk(_tree(path)):
                broad = isinstance(node, ast.ExceptHandler) and (
                    node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException")
                )
                if broad and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body):
                    yield f"{_name(path)}:{node.lineno}"

    _faults(swallowed())


def test_only_designed_errors_leave_a_public_function() -> None:
    """A private converter may raise a plain error to its own module; what others call may not."""
    bare = {"Exception", "ValueError", "RuntimeError"}

    def raised(node: ast.AST, where: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(
                child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            ) and child.name.startswith("_"):
                continue
            if isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call):
                name = getattr(child.exc.func, "id", "")
                if name in bare:
                    yield f"{where}:{child.lineno} raises {name}"
            yield from raised(child, where)

    _faults(fault for path in _files(".py", under="tallystick") for fault in raised(_tree(path), _name(path)))


def test_the_front_door_is_narrow() -> None:
    names = list(getattr(tallystick, "__all__", []))
    assert len(names) <= MOST_NAMES, names
    for name in names:
        assert getattr(tallystick, name) is not None


def test_importing_the_front_door_loads_no_server_and_opens_nothing() -> None:
    probe = "import sys, threading, tallystick; print(threading.active_count(), *sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    threads, *modules = done.stdout.split()
    assert threads == "1"
    assert not {name.split(".")[0] for name in modules} & {
        "litestar",
        "uvicorn",
        "click",
        "rich",
        "sqlite3",
        "cedarpy",
    }


def test_the_house_stands() -> None:
    """The import contract: imports only go down, rooms are strangers, rooms are pure."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
        "--no-cache",
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _foreign() -> list[tuple[str, re.Pattern[str]]]:
    """What must not stand in any file. Written in pieces, so that this file does not contain it either."""
    slash = "/"
    paths = [
        f"{slash}work{slash}",
        f"{slash}root{slash}",
        f"{slash}opt{slash}tv",
        f"{slash}opt{slash}bench",
        "bash" + "_jobs",
    ]
    rules = [(f"the machine path {path}", re.compile(rf"(?<![\w.]){re.escape(path)}")) for path in paths]
    rules.append(("somebody's home", re.compile(r"(?<![\w.])" + f"{slash}home{slash}" + r"[a-z]")))
    for variable in (
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "UV_INDEX_URL",
        "UV_DEFAULT_INDEX",
        "NPM_CONFIG_REGISTRY",
    ):
        host = urlsplit(os.environ.get(variable, "")).hostname
        if host and host != "localhost":
            rules.append((f"the host of {variable}", re.compile(re.escape(host))))
    return rules


def test_the_project_speaks_of_itself_alone() -> None:
    rules = _foreign()
    kinds = {".py", ".md", ".toml", ".js", ".css", ".html", ".cedar", ".json", ".sh", ".txt", ".yml", ""}

    def found() -> Iterator[str]:
        for path in tracked():
            if path.suffix not in kinds or EXEMPT & set(path.parts) or path.stat().st_size > 2_000_000:
                continue
            text = path.read_text("utf-8", errors="replace")
            for what, rule in rules:
                for match in rule.finditer(text):
                    yield f"{_name(path)}:{text.count(chr(10), 0, match.start()) + 1} names {what}"

    _faults(found())


@lru_cache(maxsize=1)
def generator() -> ModuleType:
    """docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name", ["cli_page", "errors_page", "settings_page", "json_page", "journal_page", "controls_page"]
)
def test_the_reference_says_what_the_code_says(name: str) -> None:
    made = generator()
    path = ROOT / "docs" / "reference" / f"{name.removesuffix('_page')}.md"
    assert path.read_text("utf-8") == made._MADE + getattr(made, name)(), "run `make docs`"


def test_every_setting_error_and_command_is_documented() -> None:
    folder = ROOT / "docs" / "reference"
    settings, errors, cli = (
        (folder / f"{name}.md").read_text("utf-8") for name in ("settings", "errors", "cli")
    )
    assert [key for key in keys() if f"## {key}\n" not in settings] == []
    assert [kind.code for _, kind in error_tree() if f"`{kind.code}`" not in errors] == []
    assert [name for name in COMMANDS if f"## tally {name}" not in cli] == []


def test_every_field_of_every_shape_is_documented_and_no_other() -> None:
    made = generator()
    told = made.fields()
    for name, shape in made.shapes().items():
        if name != "totals":
            assert list(shape) == list(told[name]) or set(shape) == set(told[name]), name


def test_links_between_documents_lead_somewhere() -> None:
    def dead() -> Iterator[str]:
        for path in _files(".md"):
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
                if not re.match(r"[a-z]+:", target) and not (path.parent / target).exists():
                    yield f"{_name(path)}: {target}"

    _faults(dead())


def test_commands_in_documents_exist() -> None:
    """Each `tally …` line in a code block names a command that is there."""

    def unknown() -> Iterator[str]:
        for path in [*_files(".md", under="docs"), ROOT / "README.md"]:
            for block in re.findall(r"```(?:sh|console|text)?\n(.*?)```", path.read_text("utf-8"), re.S):
                for word in re.findall(r"^\$? ?tally ([a-z]+)", block, re.M):
                    if word not in COMMANDS:
                        yield f"{_name(path)}: tally {word}"

    _faults(unknown())
