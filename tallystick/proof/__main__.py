"""``python -m tallystick.proof FILE --key KEY``: the offline verifier by itself.

It needs the standard library and ``rfc8785``; ``msgspec`` and ``cryptography`` make it faster where they are installed.
The one door of this room: the only file here that opens files. Decisions, loops and readings are for ``tally verify``,
which has the rules that they are made again by.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import BinaryIO

from tallystick.model.errors import BadInput, TallystickError
from tallystick.proof.keys import VerifierKey
from tallystick.proof.report import Report
from tallystick.proof.verify import Trust, checked_notes, verify
from tallystick.proof.wording import plain, told

_MOST = 1_000_000  # bytes of a key or a checkpoint


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify one file. Returns 0, 2 for what cannot be read, and 3 when the answer is no."""
    parser = argparse.ArgumentParser(
        prog="python -m tallystick.proof", description="Verify a run's evidence file, offline."
    )
    parser.add_argument("file", help="the evidence file; - reads standard input")
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        help="the log's public key, or a file with it; may be given again",
    )
    parser.add_argument("--checkpoint", action="append", default=[], help="a file with an earlier checkpoint")
    parser.add_argument("--witness", action="append", default=[], help="a witness's key, or a file with it")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    given = parser.parse_args(arguments)
    try:
        trust = Trust(
            tuple(key for text in given.key for key in keys_of(text)),
            checked_notes([_text(name) for name in given.checkpoint]),
            tuple(key for text in given.witness for key in keys_of(text)),
        )
        with ExitStack() as stack:
            report = verify(_opened(given.file, stack), trust)
    except TallystickError as error:
        sys.stderr.write(f"{plain(error.message)}\n" + (f"  hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    _print(report, as_json=given.json)
    return report.exit_code


def keys_of(text: str) -> list[VerifierKey]:
    """The keys that a text is, or that stand in the file it names, one a line. Raises BadInput."""
    if "+" in text and "\n" not in text and not _exists(text):
        return [VerifierKey.parse(text)]
    lines = [line.strip() for line in _text(text).splitlines()]
    found = [VerifierKey.parse(line) for line in lines if line and not line.startswith("#")]
    if not found:
        raise BadInput(f"{text} holds no key")
    return found


def _exists(name: str) -> bool:
    try:
        with open(name, "rb"):
            return True
    except (OSError, ValueError):
        return False


def _text(name: str) -> str:
    try:
        with open(name, "rb") as file:
            return file.read(_MOST + 1)[:_MOST].decode("utf-8")
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(f"{name} is not a text") from error


def _opened(name: str, stack: ExitStack) -> BinaryIO:
    if name == "-":
        return sys.stdin.buffer
    try:
        return stack.enter_context(open(name, "rb"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _print(report: Report, *, as_json: bool) -> None:
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    if as_json:
        sys.stdout.write(json.dumps(report.as_json()) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line, _ in told(report)))


if __name__ == "__main__":
    sys.exit(main())
