"""Policies and their tests as files: those that come with Tallystick, and the tests beside a project's policies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from tallystick.adapters.project_disk import read_text, read_toml, shown_path
from tallystick.govern.cases import CaseFile, cases_from
from tallystick.govern.policy import PACK, PolicyFile
from tallystick.model.errors import ConfigError

TESTS: Final = "*.test.toml"
_FOLDER: Final = "pack"


def shipped_policies(names: Iterable[str]) -> tuple[PolicyFile, ...]:
    """The policies that come with Tallystick under these names, in order of name."""
    folder = files("tallystick.govern") / _FOLDER
    return tuple(
        PolicyFile(f"{PACK}{name}.cedar", (folder / f"{name}.cedar").read_text("utf-8"))
        for name in sorted(names)
    )


def shipped_cases(names: Iterable[str]) -> tuple[CaseFile, ...]:
    """The tests of the policies that come with Tallystick."""
    folder = files("tallystick.govern") / _FOLDER
    made = []
    for name in sorted(names):
        shown, text = f"{PACK}{name}.test.toml", (folder / f"{name}.test.toml").read_text("utf-8")
        made.append(cases_from(shown, text, read_toml(shown, text)))
    return tuple(made)


def case_paths(policies: Path) -> list[Path]:
    """The files with tests in a folder of policies, in order of name."""
    return sorted(policies.glob(TESTS))


def read_cases(paths: Sequence[Path], folder: Path) -> tuple[CaseFile, ...]:
    """Read tests of policies; ``folder`` is the project's. Raises ConfigError with file and line."""
    made = []
    for path in paths:
        if not path.is_file():
            raise ConfigError(
                f"{path} is no file", hint="tests of policies are *.test.toml", file=str(path), line=1
            )
        shown = shown_path(path, folder)
        text = read_text(path, path.resolve().parent)
        made.append(cases_from(shown, text, read_toml(shown, text)))
    return tuple(made)


def reported(found: Sequence[PolicyFile], names: Sequence[str]) -> tuple[PolicyFile, ...]:
    """Policy files with those that only report marked so; a name that no file has is for a folder that has it."""
    wanted = set(names)
    return tuple(
        PolicyFile(one.name, one.text, one.name in wanted or _bare(one.name) in wanted or one.report)
        for one in found
    )


def _bare(name: str) -> str:
    """The name of a project's own file in its folder; those of the pack keep theirs."""
    return name if name.startswith(PACK) else name.rpartition("/")[2]
