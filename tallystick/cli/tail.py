"""``tally runs tail``: runs as they change, from the local store or from a server."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from tallystick.cli.asking import Asking
from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Out, json_text
from tallystick.cli.runs import join, told_cost, told_state
from tallystick.cli.wording import colour, count, duration, glyph, short
from tallystick.model.query import parse_query

if TYPE_CHECKING:
    from tallystick.wiring import Stores

_RUNS: Final = 200  # runs whose steps are remembered, so that each is told once
_STEP: Final = ("step", "kind", "name", "agent", "status", "duration_ns", "cost_nano_usd", "decision")


class Reads(Protocol):
    """The read model, here or at a server."""

    def runs(self, query: str = "", *, limit: int = 50) -> Mapping[str, Any]:
        """Runs that match."""
        ...

    def skeleton(self, run: str) -> Mapping[str, Any]:
        """One run's steps as columns."""
        ...


@click.command(cls=Asking)
@click.argument("query", nargs=-1)
@click.option("--most", type=click.IntRange(1), help="Stop after this many lines.")
@click.option(
    "--every", type=click.FloatRange(0.05, 60), default=0.5, show_default=True,
    help="Seconds between looks at the local store.",
)  # fmt: skip
@click.option("--server", metavar="URL", help="Follow this server instead of the local store.")
@click.option("--steps", is_flag=True, help="Tell each step too, as it begins and as it ends.")
@click.option("--since", type=click.IntRange(0), metavar="CURSOR", help="Go on after this cursor.")
@common
def tail(
    call: Invocation, query: tuple[str, ...], most: int | None, every: float, server: str | None, steps: bool,
    since: int | None,
) -> None:  # fmt: skip
    """Follow runs as they change: one line a change, with --json one JSON document a line; Ctrl-C ends it.

    A server is connected to anew when the connection breaks or falls silent; no change is lost, and none is told twice.
    """
    teller = _Teller(call.out, join(query), most, steps=steps)
    try:
        with _followed(call, server, every, since, join(query)) as (reads, changes):
            for cursor, runs in changes:
                for run in runs:
                    if not teller.tell(reads, run, cursor):
                        return
    except KeyboardInterrupt:
        call.out.say(f"stopped; go on with: --since {teller.cursor}" if teller.cursor else "stopped")


Changes = Iterator[tuple[int, list[str]]]  # a cursor, and the runs that changed up to it


@contextmanager
def _followed(
    call: Invocation, server: str | None, every: float, since: int | None, query: str
) -> Iterator[tuple[Reads, Changes]]:
    if server is not None:
        reads = call.parts.server_reader(server, call.settings, call.out.say)
        call.out.say(f"following {server}; Ctrl-C ends it")
        run = _one_run(query)
        events = reads.events(since) if run is None else reads.events(since, run=run)
        yield reads, _of_server(call.out, events)
        return
    with call.stores() as stores:
        call.out.say(f"following {stores.path}; Ctrl-C ends it")
        yield call.parts.reader(stores), _of_store(stores, since, every)


def _one_run(query: str) -> str | None:
    """The run that a query asks for by its id: the server then tells of no other."""
    for term in parse_query(query).terms:
        if (term.field, term.op, term.negated) == ("run", "=", False):
            return str(term.value)
    return None


def _of_store(stores: Stores, since: int | None, every: float) -> Changes:
    newest = stores.traces.changes(-1) if since is None else ()
    cursor = since if since is not None else newest[-1].cursor if newest else 0
    while True:
        changes = stores.traces.changes(cursor)
        latest = {change.run: change.cursor for change in changes}
        cursor = max([cursor, *latest.values()])
        if latest:
            yield cursor, list(latest)
        else:
            time.sleep(every)


def _of_server(out: Out, events: Iterator[Any]) -> Changes:
    for told in events:
        if told.event == "resync":
            out.say(
                "too much changed meanwhile; some changes are left out (tally runs ls shows how runs stand)"
            )
        elif told.event == "change":
            yield told.cursor, [told.run]


class _Teller:
    """Tells a run once a change, and with ``steps`` each of its steps once as it begins and once as it ends."""

    def __init__(self, out: Out, query: str, most: int | None, *, steps: bool) -> None:
        self._out = out
        self._query = query
        self._most = most
        self._steps = steps
        self._known: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._told = 0
        self.cursor = 0

    def tell(self, reads: Reads, run: str, cursor: int) -> bool:
        """Tell a run that changed; False when enough was told."""
        self.cursor = max(self.cursor, cursor)
        for found in reads.runs(f'{self._query} run:"{run}"'.strip(), limit=1)["runs"]:
            if self._steps:
                self._tell_steps(reads.skeleton(found["run"])["columns"], found["run"], cursor)
            self._tell_run(found, cursor)
        return self._most is None or self._told < self._most

    def _tell_run(self, run: Mapping[str, Any], cursor: int) -> None:
        out = self._out
        if not self._count():
            return
        if out.as_json:
            out.write(json_text({**run, "cursor": cursor}) + "\n")
            return
        status, style = told_state(run)
        parts = [
            status, run["run"] if not out.pretty else short(run["run"]), one_line(run.get("agent") or "–"),
            f"{count(run.get('steps'))} steps", told_cost(run), one_line(run.get("goal") or "", 60),
        ]  # fmt: skip
        out.line("\t".join(parts) if not out.pretty else "  ".join(parts), style=style)

    def _tell_steps(self, columns: Mapping[str, list[Any]], run: str, cursor: int) -> None:
        known = self._known.setdefault(run, {})
        self._known.move_to_end(run)
        while len(self._known) > _RUNS:
            self._known.popitem(last=False)
        for index, step in enumerate(columns["step"]):
            status = columns["status"][index]
            if known.get(step) == status:
                continue
            known[step] = status
            if not self._count():
                return
            row = {name: columns[name][index] for name in _STEP}
            if self._out.as_json:
                self._out.write(json_text({"run": run, "cursor": cursor, "step": row}) + "\n")
                continue
            shown = short(run) if self._out.pretty else run
            parts = [
                "  " + glyph(str(status)), shown, str(row["kind"]), one_line(str(row["name"]), 60),
                one_line(row["agent"] or "–"), str(status), duration(row["duration_ns"]),
            ]  # fmt: skip
            self._out.line(("  " if self._out.pretty else "\t").join(parts), style=colour(str(status)))

    def _count(self) -> bool:
        """Whether one more line may be told; it is counted."""
        if self._most is not None and self._told >= self._most:
            return False
        self._told += 1
        return True
