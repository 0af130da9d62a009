"""``tally runs undo``: take the effect of a step back, under the same rules as any call."""

from __future__ import annotations

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import json_text
from tallystick.model.errors import Denied, Unconfirmed


@click.command()
@click.argument("run")
@click.argument("step")
@click.option(
    "--module", metavar="MODULE", help="The code that declares the tools; without it nothing is done."
)
@common
def undo(call: Invocation, run: str, step: str, module: str | None) -> None:
    """Take back the effect of STEP (its id, or the effect's) in RUN; without --module only say what would be called.

    The call is decided, held and journalled like any other. Exit code 3 where the rules refuse it, 6 where nobody knows
    what became of it.
    """
    with call.stores(create=False, writing=module is not None) as stores:
        whole = call.parts.reader(stores).run(run)["run"]["run"]
        if module is None:
            desk = call.parts.deeds.desk(stores)
            found = desk.effect(desk.landed_at(whole, step).effect)
            _proposed(call, found["undo"], found["effect"])
            return
        done = call.parts.deeds.undo(stores, whole, step, module=module)
    effect = done["effect"]
    if call.out.as_json:
        call.out.json(done)
    else:
        state = effect["state"] if effect is not None else "was not made"
        call.out.line(f"{one_line(done['tool'])} {json_text(done['arguments'])}: {one_line(state)}")
    if effect is None:
        raise Denied("the call that takes it back was not made", hint=one_line(str(done["answer"]), 200))
    if effect["state"] != "landed":
        raise Unconfirmed(f"effect {effect['effect']} is {effect['state']}", hint="tally effects show")


def _proposed(call: Invocation, found: dict[str, object], effect: str) -> None:
    if call.out.as_json:
        call.out.json({"effect": effect, **found})
    elif found["undo"] is None or found["undone_by"] is not None:
        why = found["why"] or f"it was taken back by {found['undone_by']}"
        call.out.line(f"{one_line(effect)} cannot be taken back: {one_line(str(why))}")
    else:
        call.out.line(f"{one_line(effect)}: {json_text(found['undo'])}")
        call.out.say("do it: add --module MODULE, the code that declares its tools")
