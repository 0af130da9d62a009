"""A project's folder for a suite that nobody declared: drafted from the tools' own words, as `tally tools draft` does.

What goes in is what a model is told of the tools: name, description, the schema of the arguments, and the schema of
what is returned. The policy is the one that the other projects have.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import TypeAdapter

from bench.agentdojo.suites import Suite
from tallystick.registry.drafting.described import described
from tallystick.registry.drafting.draft import drafts

POLICY = Path(__file__).resolve().parent / "project" / "effects.cedar"


@contextmanager
def drafted(suite: Suite) -> Iterator[Path]:
    """A folder with tools/*.toml and policies/*.cedar, for as long as it is used."""
    with TemporaryDirectory(prefix="tally-dojo-project-") as name:
        folder = Path(name)
        write(suite, folder)
        yield folder


def write(suite: Suite, folder: Path) -> None:
    """Write the drafts of a suite's tools, and the policy, into a folder."""
    (folder / "tools").mkdir(parents=True)
    (folder / "policies").mkdir()
    shutil.copy(POLICY, folder / "policies" / "effects.cedar")
    for path, text in drafts(described([_told(one) for one in suite.functions])).items():
        (folder / path).write_text(text, "utf-8")


def _told(function: Any) -> dict[str, Any]:
    return {
        "name": function.name, "description": function.description,
        "parameters": function.parameters.model_json_schema(),
        "returns": TypeAdapter(function.return_type).json_schema() if function.return_type else {},
    }  # fmt: skip
