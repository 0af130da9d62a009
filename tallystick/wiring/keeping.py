"""The fuse box, how long runs are kept: moved into the archive, deleted by rules, copied as a backup."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from tallystick.config import Settings
from tallystick.model.errors import TallystickError
from tallystick.wiring.machine import clock, say

if TYPE_CHECKING:
    from tallystick.adapters.backup import BackedUp
    from tallystick.app.retention import Expired
    from tallystick.model.span import Span
    from tallystick.model.step import Step
    from tallystick.ports.archive import Archived, ArchivingTraces
    from tallystick.wiring.stores import Stores

_FIRST_S: Final = 60.0  # after the start of a server
_EVERY_S: Final = 3_600.0


def archive(stores: Stores, *, days: int, dry_run: bool, tell: Callable[[str], None]) -> Archived:
    """Archive the runs that ended so many days ago. Raises StoreFault where DuckDB is not installed."""
    from tallystick.app.retention import archive_old

    return archive_old(_traces(stores), clock(), days=days, dry_run=dry_run, say=tell)


def expire(stores: Stores, settings: Settings, *, by: str = "tallystick", dry_run: bool = False) -> Expired:
    """Delete the runs that ``keep_days`` and ``retention`` let go."""
    from tallystick.app.retention import Retention, rules_of
    from tallystick.wiring.stores import attest

    rules = rules_of(settings.keep_days, settings.retention)
    if rules and not dry_run:
        attest(stores)  # what the journal does not hold may not go
    return Retention(_traces(stores), stores.control, clock(), by=by).expire(rules, dry_run=dry_run)


def backup(stores: Stores, folder: Path, *, with_key: bool, tell: Callable[[str], None]) -> BackedUp:
    """Copy a store folder into an empty one while others write."""
    from tallystick.adapters.backup import back_up

    return back_up(stores.path, folder, with_key=with_key, say=tell)


def write_parquet(target: Path, pairs: Iterable[tuple[Step, Span]]) -> int:
    """Write steps with their spans into a Parquet file; how many. Raises StoreFault where DuckDB is not installed."""
    from tallystick.adapters.parquet.export import write_runs

    return write_runs(target, pairs)


def can_archive() -> bool:
    """Whether the extra that archiving needs is installed."""
    from tallystick.adapters.parquet.engine import installed

    return installed()


def keep_aging(stores: Stores, settings: Settings, stopping: threading.Event) -> None:
    """Every hour until the server stops: archive what is old, delete what the rules let go, tidy the archive."""
    wait = _FIRST_S
    while not stopping.wait(wait):
        wait = _EVERY_S
        for what, work in (("deleted", _expire), ("archived", _archive), ("tidied", _tidy)):
            try:
                work(stores, settings)
            except Exception as error:  # noqa: BLE001 - this thread goes on, and ingest does not depend on it
                said = error.message if isinstance(error, TallystickError) else repr(error)
                say(f"old runs could not be {what}: {said}")


def _expire(stores: Stores, settings: Settings) -> None:
    done = expire(stores, settings)
    if done.runs:
        say(f"deleted {done.runs} runs that the rules of retention let go")


def _archive(stores: Stores, settings: Settings) -> None:
    if can_archive():
        archive(stores, days=settings.hot_days, dry_run=False, tell=say)


def _tidy(stores: Stores, _settings: Settings) -> None:
    _traces(stores).tidy(now=clock().now())


def _traces(stores: Stores) -> ArchivingTraces:
    return cast("ArchivingTraces", stores.traces)  # the trace store of a folder is one
