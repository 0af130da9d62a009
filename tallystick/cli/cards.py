"""``tally cards``: A2A agent cards, in and out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tallystick.app.registry.cards import BINDINGS, card_text
from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.wording import short
from tallystick.model.errors import BadInput
from tallystick.registry.card_shapes import CURRENT, OLDER
from tallystick.registry.cards import LARGEST


@click.group()
def cards() -> None:
    """Import and export A2A agent cards."""


@cards.command("import")
@click.argument("file", metavar="FILE|-")
@click.option("--as", "name", metavar="NAME", help="What the agent is called here.")
@click.option("--version", "label", metavar="LABEL", help="Its version, where the card's own does not do.")
@click.option("--because", metavar="TEXT", help="Why; the journal keeps it.")
@click.option("--dry-run", is_flag=True, help="Say what would be declared and change nothing.")
@common
def import_(
    call: Invocation, file: str, name: str | None, label: str | None, because: str | None, dry_run: bool
) -> None:
    """Declare an agent from its card.

    What a card says is a claim: it grants nothing, and its signatures are not checked.
    """
    document = _read(file)
    with call.stores(writing=True) as stores:
        answer = call.parts.import_card(
            stores,
            document,
            by=call.parts.caller(stores).name,
            name=name,
            label=label,
            because=because,
            dry_run=dry_run,
        )
    if call.out.as_json:
        call.out.json(dict(answer))
        return
    word = "unchanged" if not answer["changed"] else "would be declared" if dry_run else "declared"
    call.out.line(one_line(f"{answer['agent']} {answer['version']} {word} ({short(answer['digest'])})"))
    for place in answer["ignored"]:
        call.out.say(f"A2A {answer['protocol']} has no field {one_line(place)}: kept, and not read")
    if answer["signed"]:
        call.out.say("its signatures are kept, and not checked")


@cards.command()
@click.argument("agent", metavar="AGENT[@VERSION]")
@click.option("--url", help="Where the agent answers, where its declaration has no link a2a.")
@click.option(
    "--binding",
    type=click.Choice(BINDINGS),
    default=BINDINGS[0],
    show_default=True,
    help="How it is spoken to.",
)
@click.option(
    "--protocol",
    type=click.Choice([CURRENT, OLDER]),
    default=CURRENT,
    show_default=True,
    help="Version of A2A.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write it there instead of on stdout; a file that is there is replaced.",
)
@common
def export(
    call: Invocation, agent: str, url: str | None, binding: str, protocol: str, output: str | None
) -> None:
    """The card of a declared agent: its purpose, version and address, and nothing of its tools, models and prompts."""
    with call.stores(create=False) as stores:
        card = call.parts.export_card(stores, agent, url=url, binding=binding, protocol=protocol)
    text = card_text(dict(card))
    if output is None:
        call.out.write(text)
        return
    write_file(output, text)
    call.out.say(f"wrote {one_line(output)}")


def write_file(output: str, text: str) -> None:
    """Write a document where a person asked for it. Raises BadInput."""
    try:
        Path(output).write_text(text, "utf-8")
    except OSError as error:
        raise BadInput(
            f"{output} cannot be written: {error.strerror}", hint="check the folder and its permissions"
        ) from error


def _read(file: str) -> bytes:
    """A bounded read: what is too large is still refused by its reader, and never held whole."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(LARGEST + 1)
        with Path(file).open("rb") as stream:
            return stream.read(LARGEST + 1)
    except OSError as error:
        raise BadInput(
            f"{file} cannot be read: {error.strerror}", hint="give the file of an agent card"
        ) from error
