"""``tally evidence``: a file that proves one run to somebody who has nothing but the file and the public key."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.wording import count
from tallystick.model.errors import BadInput, Conflict

_SHORT = 12


@click.command()
@click.argument("run")
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE",
    help="File to write (- is stdout); left out: run-<id>.evidence.jsonl here.",
)  # fmt: skip
@click.option(
    "--redact", is_flag=True, help="Leave out all contents; what they were committed to stays proved."
)
@click.option(
    "--checkpoint", "since", type=click.Path(path_type=Path, dir_okay=False), multiple=True, metavar="FILE",
    help="Prove too that the journal leads on from this earlier checkpoint; may be given again.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@common
def evidence(
    call: Invocation, run: str, target: Path | None, redact: bool, since: tuple[Path, ...], force: bool
) -> None:
    """Write a file that proves a run: what was decided, by which rules, what ran, and what it cost.

    The run is sealed and a checkpoint of the journal is signed first. Check the file anywhere with `tally verify`.
    """
    notes = [read_text(path) for path in since]
    with call.stores(create=False, writing=True) as stores:
        whole, lines = call.parts.evidence(
            stores, call.settings, run, redact=redact, since=notes, say=call.out.say
        )
        if target is not None and str(target) == "-":
            for line in lines:
                sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            return
        path = target or Path(file_name(whole))
        if path.exists() and not force:
            raise Conflict(f"{path} exists already", hint="choose another name, or --force", file=str(path))
        size = _written(path, lines)
    if call.out.as_json:
        call.out.json({"run": whole, "file": str(path), "bytes": size, "redacted": redact})
    else:
        call.out.line(one_line(str(path)))
        call.out.say(f"{count(size)} bytes; check it with: tally verify {path} --key KEY (tally journal key)")


def file_name(run: str) -> str:
    """What the file of a run is called; of a run's id, which its sender chose, only what any file system takes."""
    safe = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in run[:_SHORT])
    return f"run-{safe or 'x'}.evidence.jsonl"


def _written(path: Path, lines: Iterable[bytes]) -> int:
    """Write beside the target and put it in place when it is whole; a file that is there is whole or the old one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("xb") as file:
            for line in lines:
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        beside.replace(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}", file=str(path)) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return size


def read_text(path: Path) -> str:
    """A small text file. Raises BadInput."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} cannot be read: {getattr(error, 'strerror', error)}", file=str(path)
        ) from error
