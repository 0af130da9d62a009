"""What ``tally doctor`` says of the registry: drift, quarantine, policies that cannot be loaded, the server's feed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tallystick.cli.wording import count
from tallystick.model.errors import TallystickError

if TYPE_CHECKING:
    from tallystick.cli.invocation import Invocation
    from tallystick.wiring import Stores

_MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, ``ok``, ``warn`` or ``fail``, why, and the command or change that mends it."""

    check: str
    state: str
    why: str
    fix: str | None = None


def registry_findings(call: Invocation) -> Iterator[Finding]:
    """The registry of the store, where there is one, and that of the server, where one is set."""
    if call.store_path.is_dir():
        try:
            with call.stores(create=False) as stores:
                yield from _registry(call, stores)
                yield from _loading(call, stores)
        except TallystickError as error:
            yield Finding("registry", "fail", error.message, error.hint)
    server = call.settings.server
    if server is not None:
        trouble = call.parts.feed_trouble(call.settings)
        said = trouble or "the server's registry is heard: what is pushed there reaches processes here"
        fix = "is the server up, and is TALLYSTICK_TOKEN right?" if trouble else None
        yield Finding("feed", "fail" if trouble else "ok", said, fix)


def in_force(call: Invocation) -> list[str]:
    """The registry's policies for processes without a policies folder; empty where there is no store to ask."""
    try:
        with call.stores(create=False) as stores:
            rows = call.parts.policy_desk(stores).ls()["policies"]
    except TallystickError:  # said in the store's own line
        return []
    return [str(row["name"]) for row in rows if row["scope"] is None]


def _registry(call: Invocation, stores: Stores) -> Iterator[Finding]:
    catalog = call.parts.catalog(stores)
    drifted, shadow = catalog.find("drifted")["objects"], catalog.find("shadow")["objects"]
    waiting = catalog.quarantine()["definitions"]
    if drifted:
        yield Finding("registry", "warn", f"{count(len(drifted))} drifted: {_named(drifted)}", "tally plan")
    if shadow:
        why = f"{count(len(shadow))} seen, not declared: {_named(shadow)}"
        yield Finding("registry", "warn", why, "tally init writes their files, then: tally plan")
    if not drifted and not shadow:
        yield Finding("registry", "ok", "what was seen is what is declared")
    if waiting:
        tools = sorted({str(one["tool"]) for one in waiting})
        more = "…" if len(tools) > _MOST_NAMED else ""
        why = f"definitions wait for a person: {', '.join(tools[:_MOST_NAMED])}{more}"
        yield Finding("pins", "warn", why, "tally tools quarantine")
    else:
        yield Finding("pins", "ok", "no definition of a tool waits for a person")


def _loading(call: Invocation, stores: Stores) -> Iterator[Finding]:
    for name, why in call.parts.policy_desk(stores).troubles():
        fix = f"mend it and push or apply it again; or: tally policy withdraw {name}"
        yield Finding("policies", "fail", f"policy {name} of the registry cannot be loaded: {why}", fix)


def _named(things: Sequence[Mapping[str, Any]]) -> str:
    named = ", ".join(f"{one['type']} {one['name']}" for one in things[:_MOST_NAMED])
    return named + (f" and {count(len(things) - _MOST_NAMED)} more" if len(things) > _MOST_NAMED else "")
