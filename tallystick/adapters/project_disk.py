"""Reading a project's files from disk: bounded, as UTF-8, never through a link that leads out of the project.

A file that cannot be read is named; none is skipped. Names in messages are relative to the project.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from tallystick.model.errors import ConfigError
from tallystick.registry.fields import DeclarationFile
from tallystick.registry.text_files import TextFile, prompt_from, secret_line, suite_from

LARGEST: Final = 1_000_000  # bytes of one file
LARGEST_SUITE: Final = 20_000_000
PROMPT_SUFFIXES: Final = (".md", ".txt", ".prompt")
_MOST_FILES: Final = 20_000  # of one kind
_AT_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)")
_KEY: Final = re.compile(r"""^\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*=""")
_TABLE: Final = re.compile(r"^\s*\[\s*([^\]]+?)\s*\]\s*(?:#.*)?$")
_Made = TypeVar("_Made")


class ProjectFolder:
    """One project on disk. Mistakes are gathered in ``mistakes``, so that all of them can be told at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = folder.resolve()
        self.mistakes: list[ConfigError] = []
        name = self._root.name or "root"
        shown = "".join(one if one.isprintable() and one != " " else "_" for one in name)
        self.origin = "apply:" + shown[:200]

    def tables(self, name: str) -> list[DeclarationFile]:
        """The *.toml files of one of its folders, in order of name."""
        return self._each(self._listed(name, ".toml"), self._table)

    def prompts(self) -> list[TextFile]:
        """Every prompt below prompts/; its name is the path without the suffix."""
        base = self.folder / "prompts"

        def read(path: Path) -> TextFile:
            name = path.relative_to(base).with_suffix("").as_posix()
            return prompt_from(name, shown_path(path, self.folder), self._text(path), self.origin)

        return self._each(sorted(self._below(base)), read)

    def suites(self) -> list[TextFile]:
        """Every suite in evals/."""

        def read(path: Path) -> TextFile:
            text = self._text(path, LARGEST_SUITE)
            return suite_from(path.stem, shown_path(path, self.folder), text, self.origin)

        return self._each(self._listed("evals", ".jsonl"), read)

    def _each(self, paths: Sequence[Path], read: Callable[[Path], _Made]) -> list[_Made]:
        if len(paths) > _MOST_FILES:
            self.mistakes.append(
                _mistake(shown_path(paths[0].parent, self.folder), f"{len(paths):,} files are too many", "")
            )
            return []
        made = []
        for path in paths:
            try:
                made.append(read(path))
            except ConfigError as error:
                self.mistakes.append(error)
        return made

    def _listed(self, name: str, suffix: str) -> list[Path]:
        place = self.folder / name
        try:
            return sorted(place / one for one in os.listdir(place) if one.endswith(suffix))
        except FileNotFoundError:
            return []
        except OSError as error:
            self._unreadable(error, place)
            return []

    def _unreadable(self, error: OSError, place: Path) -> None:
        shown = shown_path(place, self.folder)
        self.mistakes.append(
            _mistake(shown, f"{shown} cannot be read: {error.strerror}", "it is a folder that you can read")
        )

    def _below(self, base: Path) -> Iterator[Path]:
        def unreadable(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                self._unreadable(error, Path(str(error.filename)))

        for here, folders, files in os.walk(base, onerror=unreadable):
            for name in folders:
                path = Path(here, name)
                if path.is_symlink():
                    place = shown_path(path, self.folder)
                    self.mistakes.append(
                        _mistake(place, f"{place} is a link to a folder", "put the prompts themselves there")
                    )
            yield from (Path(here, name) for name in files if name.endswith(PROMPT_SUFFIXES))

    def _text(self, path: Path, largest: int = LARGEST) -> str:
        return read_text(path, self.folder, largest, self._root)

    def _table(self, path: Path) -> DeclarationFile:
        shown, text = shown_path(path, self.folder), self._text(path)
        table = read_toml(shown, text)
        return DeclarationFile(shown, table, key_lines(text), self.origin)


def read_toml(shown: str, text: str) -> dict[str, Any]:
    """What a file's text says as TOML. Raises ConfigError with its line, also for one that holds a credential."""
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = _AT_LINE.search(str(error))
        line = int(found.group(1)) if found else text.count("\n") + 1
        deep = isinstance(error, RecursionError)
        what = "it is nested too deep" if deep else _AT_LINE.sub("", str(error)).strip()
        raise _mistake(
            shown,
            f"{shown}:{line}: this is not TOML: {what}",
            'every line is key = "value" or [table]',
            line,
        ) from error
    secret = secret_line(text)
    if secret is not None:
        raise _mistake(
            shown,
            f"{shown}:{secret}: this looks like a credential",
            "take it out, and replace that key",
            secret,
        )
    return table


def read_text(path: Path, folder: Path, largest: int = LARGEST, root: Path | None = None) -> str:
    """A file of a project. ``root`` is the folder without links, where that is known.

    Raises ConfigError for one that is no file, leads out of the project, is too large or not UTF-8.
    """
    shown = shown_path(path, folder)
    try:
        if not path.resolve(strict=True).is_relative_to(root or folder.resolve(strict=True)):
            raise _mistake(
                shown, f"{shown} is a link that leads out of the project", "put the file itself there"
            )
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _mistake(shown, f"{shown} is not a file", "take it away, or give it another name")
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        why = (error.strerror if isinstance(error, OSError) else None) or "its links lead in a circle"
        raise _mistake(shown, f"{shown} cannot be read: {why}", "check its permissions") from error
    if len(content) > largest:
        raise _mistake(shown, f"{shown} is larger than {largest:,} bytes", "split it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _mistake(shown, f"{shown} is not UTF-8: {error.reason}", "save it as UTF-8", line) from error


def key_lines(text: str) -> dict[str, int]:
    """The line of each key. Good enough for messages: text over several lines may hide a key, never invent a file."""
    lines: dict[str, int] = {}
    prefix = ""
    for number, line in enumerate(text.split("\n"), 1):
        table = _TABLE.match(line)
        if table is not None:
            prefix = table.group(1).strip("\"'") + "."
            lines.setdefault(prefix[:-1], number)
            continue
        key = _KEY.match(line)
        if key is not None:
            lines.setdefault(prefix + next(part for part in key.groups() if part), number)
    return lines


def shown_path(path: Path, folder: Path) -> str:
    """A path for people: relative to the project where it lies in it, and always text."""
    try:
        shown = path.relative_to(folder).as_posix()
    except ValueError:
        shown = path.as_posix()
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def _mistake(file: str, message: str, hint: str, line: int = 1) -> ConfigError:
    return ConfigError(message, hint=hint or None, file=file, line=line)
