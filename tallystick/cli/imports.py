"""``tally runs import``: recorded runs of other tools, read from files. Importing a file again adds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Out
from tallystick.cli.root import report
from tallystick.cli.wording import count
from tallystick.model.errors import BadInput, TooLarge

FORMATS = ("tau-bench", "who-and-when", "langfuse", "jaeger", "tempo", "otlp")
LIMIT = 1024**3  # bytes of a file as it lies on disk; what it unpacks to is bounded where it is unpacked
_COUNTS = ("runs", "steps", "added", "repeats")
_TOLD = 10  # refused spans that are told one by one


@click.command("import")
@click.argument("format", type=click.Choice(FORMATS))
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@common
def import_command(call: Invocation, format: str, files: tuple[Path, ...]) -> int:
    """Import recorded runs from files (.gz is read directly); a second time adds nothing.

    A file that cannot be read is named and the others are still imported; the exit code is then 2.
    """
    done: list[dict[str, Any]] = []
    failed: list[tuple[Path, BadInput]] = []
    with call.stores(writing=True) as stores, _progress(call.out, len(files)) as (next_file, progress):
        recorder = call.parts.recorder(stores)
        for path in files:
            next_file(path.name)
            try:
                receipt = call.parts.import_file(recorder, path.name, format, read(path), progress)
            except BadInput as error:
                if len(files) == 1:
                    raise
                failed.append((path, error))
                continue
            done.append({"file": str(path), **receipt})
    _summary(call.out, done, failed)
    return 2 if failed else 0


def read(path: Path, *, limit: int = LIMIT) -> bytes:
    """The bytes of a file as they are. Raises BadInput for one that cannot be read, TooLarge beyond ``limit``."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read: {error.strerror or error}", hint="is the path right?"
        ) from error
    if len(content) > limit:
        raise TooLarge(f"{path} is over {limit // 1024**2} MB", hint="split the file", file=str(path))
    return content


@contextmanager
def _progress(out: Out, files: int) -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    if not out.talks:
        yield _quiet, _quiet
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=out.console(talk=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def next_file(name: str) -> None:
            from tallystick.cli.clean import one_line

            bar.reset(task, description=one_line(name, 40), total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield next_file, progress


def _quiet(*_: object) -> None:
    """Progress where nobody reads it."""


def _summary(out: Out, done: list[dict[str, Any]], failed: list[tuple[Path, BadInput]]) -> None:
    totals = {name: sum(row[name] for row in done) for name in _COUNTS}
    rejected = [{"file": row["file"], **refused} for row in done for refused in row["rejected"]]
    if out.as_json:
        errors = [{"file": str(path), **error.as_json()} for path, error in failed]
        out.json({**totals, "rejected": len(rejected), "files": done, "failed": errors})
        return
    out.line(
        f"{count(totals['runs'])} runs, {count(totals['steps'])} steps: {count(totals['added'])} new, "
        f"{count(totals['repeats'])} already here"
    )
    for refused in rejected[:_TOLD]:
        out.say(f"refused: span {refused['span'] or '?'} of {refused['file']}: {refused['reason']}")
    if len(rejected) > _TOLD:
        out.say(f"and {count(len(rejected) - _TOLD)} more refused; --json lists them all")
    for _, error in failed:
        report(error, as_json=False)
