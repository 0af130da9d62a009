"""``tally policy test``: the tests beside the policies, and whether they could tell a wrong rule from the right one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.wording import counted

_NO = 3  # the exit code of an answer that is no


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE…]", type=click.Path(path_type=Path))
@click.option(
    "--policies", type=click.Path(path_type=str), metavar="DIR", help="Folder of the *.cedar files."
)
@click.option(
    "--mutate", is_flag=True, help="Also make each rule wrong, and say which wrong ones no test notices."
)
@click.option("--pack", is_flag=True, help="Try the policies that come with Tallystick by their own tests.")
@common
def test(call: Invocation, files: Sequence[Path], policies: str | None, mutate: bool, pack: bool) -> int:
    """Try the tests of the policies (*.test.toml beside them); exit code 3 when one comes out otherwise.

    With --mutate every rule is inverted, removed, and has its conditions negated and left out, one at a time; a wrong
    rule with which all tests pass is named, and the exit code is 3.
    """
    call.flag(policies=policies)
    answer = (
        call.parts.try_pack(call.settings, mutate=mutate)
        if pack
        else call.parts.try_policies(call.settings, files, mutate=mutate)
    )
    if call.out.as_json:
        call.out.json(answer)
    else:
        _tell(call, answer)
    return _NO if answer["failed"] or answer["survived"] else 0


def _tell(call: Invocation, answer: Mapping[str, Any]) -> None:
    for one in answer["failed"]:
        for wrong in one["wrong"]:
            call.out.line(one_line(f"{one['file']}:{one['line']} {one['case']}: {wrong}"), style="red")
    for one in answer["survived"]:
        call.out.line(one_line(f"no test notices that {one['rule']} is {_how(one['how'])}"), style="yellow")
    for label in answer["undecided"]:
        call.out.say(one_line(f"no test is decided by {label}"))
    said = f"{answer['passed']} of {counted(answer['cases'], 'test')} as expected, {counted(answer['rules'], 'rule')}"
    if answer["mutants"] is not None:
        noticed = answer["mutants"] - len(answer["survived"])
        said += f", {noticed} of {counted(answer['mutants'], 'wrong rule')} noticed"
    call.out.line(said)


def _how(how: str) -> str:
    return how if how in ("removed", "inverted") else f"otherwise: its {how}"
