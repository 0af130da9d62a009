"""``tally agents token|revoke`` and ``tally keys``: tokens of agents, and the keys that sign them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.model.errors import BadInput
from tallystick.model.money import nano_from_usd

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_TTL: Final = re.compile(r"([1-9][0-9]{0,6})([smhd])")
_because = click.option("--because", required=True, help="Why; kept in the journal.")


def seconds(text: str) -> int:
    """A span of time such as 30s, 15m, 1h or 7d, in seconds. Raises BadInput."""
    found = _TTL.fullmatch(text)
    if found is None:
        raise BadInput(f"{text[:40]!r} is no span of time", hint="30s, 15m, 1h or 7d")
    return int(found[1]) * _UNITS[found[2]]


def _issuer(stores: Any) -> Any:
    from tallystick import wiring

    return wiring.identity.issuer(stores)


@click.command()
@click.argument("agent")
@click.option(
    "--ttl", default="1h", show_default=True, metavar="TIME", help="How long it holds: 30s, 15m, 1h, 7d."
)
@click.option(
    "--right", "rights", multiple=True, metavar="RIGHT",
    help="tool:NAME or effect:EFFECT; repeat it. Without any: all.",
)  # fmt: skip
@click.option(
    "--class", "classes", multiple=True, metavar="CLASS", help="A class of data; repeat it. Without any: all."
)
@click.option("--budget", metavar="USD", help="What priced tools may cost under it, together.")
@click.option("--depth", type=click.IntRange(0, 32), help="How often it may be passed on.")
@click.option("--run", metavar="RUN", help="The one run that it holds for.")
@click.option("--for", "on_behalf", metavar="PERSON", help="The person for whom the agent acts.")
@click.option("--version", metavar="DIGEST", help="The version of the agent.")
@common
def token(
    call: Invocation, agent: str, ttl: str, rights: Sequence[str], classes: Sequence[str], budget: str | None,
    depth: int | None, run: str | None, on_behalf: str | None, version: str | None,
) -> None:  # fmt: skip
    """Make a short-lived token for an agent. It is shown once; give it as TALLYSTICK_AGENT_TOKEN or in a header."""
    limit = None if budget is None else nano_from_usd(budget)
    with call.stores(writing=True) as stores:
        by = call.parts.caller(stores)
        found = _issuer(stores).issue(
            agent, by=by.name, via=by.via.value, ttl_s=seconds(ttl), rights=rights or None, classes=classes or None,
            budget_nano=limit, depth=call.settings.identity_depth if depth is None else depth, run=run,
            on_behalf=on_behalf, version=version,
        )  # fmt: skip
    if call.out.as_json:
        call.out.json(found)
        return
    call.out.line(found["token"])
    call.out.say(f"a token of {one_line(agent)} until {found['expires']}; its id is {found['id']}")


@click.command()
@click.argument("token_or_id", metavar="TOKEN|ID")
@_because
@common
def revoke(call: Invocation, token_or_id: str, because: str) -> None:
    """Revoke a token of an agent, and all that were made from it. Every guard hears of it within a second."""
    with call.stores(writing=True) as stores:
        by = call.parts.caller(stores)
        found = _issuer(stores).revoke(token_or_id, because=because, by=by.name, via=by.via.value)
    if call.out.as_json:
        call.out.json(found)
        return
    call.out.say(f"revoked {found['id']}")


KEYS: Final = (
    Column("key", "number"),
    Column("name", "name", width=40),
    Column("state", "state"),
    Column("public key", "key", width=120, spare=1),
)


@click.group()
def keys() -> None:
    """The keys that sign tokens of agents: look at them, put a new one in place, retire an old one."""


@keys.command("ls")
@common
def ls(call: Invocation) -> None:
    """Every key, the one that signs first."""
    with call.stores(writing=False) as stores:
        found = _issuer(stores).every_key()
    if call.out.as_json:
        call.out.json({"keys": found})
        return
    call.out.table(KEYS, [{**row, "state": _state(row)} for row in found])


def _state(row: Any) -> str:
    if row["retired"]:
        return "retired"
    return "signs" if row["signs"] else "verifies"


@keys.command("rotate")
@common
def rotate(call: Invocation) -> None:
    """A new key signs from now on. Tokens of the one before hold until it is retired."""
    with call.stores(writing=True) as stores:
        found = _issuer(stores).rotate()
    _done(call, found, f"{found['number']} signs from now on")


@keys.command("retire")
@click.argument("key")
@_because
@common
def retire(call: Invocation, key: str, because: str) -> None:
    """No token that this key signed holds any more."""
    with call.stores(writing=True) as stores:
        found = _issuer(stores).retire(key, because=because, by=call.parts.caller(stores).name)
    _done(call, found, f"{found['number']} is retired")


def _done(call: Invocation, found: Any, text: str) -> None:
    if call.out.as_json:
        call.out.json(dict(found))
    else:
        call.out.say(text)
