"""Files for tools that were imported: written where there are none, never over one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tallystick.model.errors import BadInput
from tallystick.model.registry import Definition
from tallystick.registry.offered_files import file_name, file_text


def write_tool_files(project: Path, tools: Mapping[str, Definition]) -> dict[str, str]:
    """Write tools/NAME.toml for each tool by name; gives those that were written, relative to the project.

    A file that is there stays as it is. Raises BadInput where the folder cannot be written.
    """
    folder = project / "tools"
    written: dict[str, str] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, definition in sorted(tools.items()):
            path = folder / file_name(name)
            if path.exists() or path.is_symlink():
                continue
            with path.open("x", encoding="utf-8") as file:
                file.write(file_text(definition))
            written[name] = path.relative_to(project).as_posix()
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written: {error.strerror or error}", hint="check its permissions"
        ) from error
    return written
