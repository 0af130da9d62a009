"""``tally verify``: check an evidence file, offline. It needs no store and no server."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import click

from tallystick.cli.evidence import read_text
from tallystick.cli.invocation import Invocation, common
from tallystick.model.errors import BadInput


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--key", "keys", multiple=True, metavar="KEY|FILE",
    help="The journal's public key (tally journal key), or a file with it; may be given again.",
)  # fmt: skip
@click.option(
    "--checkpoint", "checkpoints", type=click.Path(path_type=Path), multiple=True, metavar="FILE",
    help="An earlier checkpoint of the journal that you hold; may be given again.",
)  # fmt: skip
@click.option(
    "--witness", "witnesses", multiple=True, metavar="VKEY|FILE",
    help="The key of a witness that must have cosigned; may be given again.",
)  # fmt: skip
@common
def verify(
    call: Invocation, file: Path, keys: tuple[str, ...], checkpoints: tuple[Path, ...], witnesses: tuple[str, ...]
) -> int:  # fmt: skip
    """Check a run's evidence file (- reads stdin); exit code 3 when anything in it does not hold.

    Without --key nobody knows who made the file: its signatures are then not checked, and that is said.
    """
    from tallystick.app.prove.verification import HouseJudge
    from tallystick.proof.__main__ import keys_of
    from tallystick.proof.verify import Trust, checked_notes
    from tallystick.proof.verify import verify as check
    from tallystick.proof.wording import told

    trust = Trust(
        tuple(key for text in keys for key in keys_of(text)),
        checked_notes([read_text(path) for path in checkpoints]),
        tuple(key for text in witnesses for key in keys_of(text)),
    )
    if not trust.keys:
        call.out.say(
            "no key was given: signatures are not checked, and anybody could have made this file (--key)"
        )
    with ExitStack() as stack:
        report = check(_opened(file, stack), trust, HouseJudge())
    if call.out.as_json:
        call.out.json(report.as_json())
    else:
        for line, style in told(report):
            call.out.line(line, style=style)
    return report.exit_code


def _opened(path: Path, stack: ExitStack) -> BinaryIO:
    if str(path) == "-":
        return sys.stdin.buffer
    try:
        return stack.enter_context(path.open("rb"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", file=str(path)) from error
