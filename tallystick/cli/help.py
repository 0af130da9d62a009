"""``tally help``: help on a command, or on a topic that no single command has."""

from __future__ import annotations

from collections.abc import Iterator

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.model import errors
from tallystick.model.errors import TallystickError

EXIT_CODES = {
    0: "ok",
    1: "fault: something of ours went wrong",
    2: "usage: what was given cannot be read",
    3: "the answer is no: denied, not verified, over budget, a scene or a gate that does not agree",
    4: "not signed in",
    5: "unreachable: a server or provider does not answer",
    6: "an effect is unconfirmed: it may or may not have landed",
    7: "conflict: somebody else was first, or the store is newer than this Tallystick",
    130: "interrupted",
}


def error_tree(
    top: type[TallystickError] = TallystickError, depth: int = 0
) -> Iterator[tuple[int, type[TallystickError]]]:
    """Every error with its depth in the tree, in the order they are written."""
    yield depth, top
    for child in top.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from error_tree(child, depth + 1)


@click.command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND… | exit-codes | query]")
@common
def help_command(call: Invocation, words: tuple[str, ...]) -> None:
    """Help on a command, or on the topics exit-codes and query."""
    if words == ("exit-codes",):
        _exit_codes(call)
    elif words == ("query",):
        from tallystick.model import query

        call.out.line((query.__doc__ or "").strip())
        call.out.line("\nfields of runs: " + ", ".join(query.RUNS.fields))
        call.out.line("fields of the registry: " + ", ".join(query.REGISTRY.fields))
        call.out.line("words of the registry: " + ", ".join(query.REGISTRY.flags))
    else:
        here = click.get_current_context().parent
        assert here is not None
        click.echo(_command_help(here, words))


def _exit_codes(call: Invocation) -> None:
    rows = [
        {
            "code": code,
            "meaning": meaning,
            "errors": [error.code for _, error in error_tree() if error.exit_code == code],
        }
        for code, meaning in EXIT_CODES.items()
    ]
    if call.out.as_json:
        call.out.json({"exit_codes": rows})
        return
    for row in rows:
        codes = ", ".join(row["errors"])  # type: ignore[arg-type]
        call.out.line(f"{row['code']:>3}  {row['meaning']}" + (f"  [{codes}]" if codes else ""))


def _command_help(ctx: click.Context, words: tuple[str, ...]) -> str:
    for word in words:
        group = ctx.command
        command = group.get_command(ctx, word) if isinstance(group, click.Group) else None
        if command is None:
            raise click.UsageError(f"{ctx.command_path} has no command {word!r}.", ctx)
        ctx = click.Context(command, info_name=word, parent=ctx)
    return ctx.get_help()
