"""The fuse box, how long runs are kept: moved into the archive, deleted by rules, copied as a backup."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from tallystick.config import Settings
from tallystick.model.errors import StoreFault, TallystickError
from tallystick.wiring.machine import clock, say

if TYPE_CHECKING:
    from tallystick.adapters.backup import BackedUp
    from tallystick.adapters.state_file import StateFile
    from tallystick.app.keeping.retention import Expired
    from tallystick.model.span import Span
    from tallystick.model.step import Step
    from tallystick.ports.archive import Archived, ArchivingTraces
    from tallystick.wiring.stores import Stores

PASSES: Final = "aging.json"
_WHAT: Final = ("archive", "delete", "tidy")
_FIRST_S: Final = 60.0  # after the start of a server
_EVERY_S: Final = 3_600.0


def archive(stores: Stores, *, days: int, dry_run: bool, tell: Callable[[str], None]) -> Archived:
    """Archive the runs that ended so many days ago. Raises StoreFault where DuckDB is not installed."""
    from tallystick.app.keeping.retention import archive_old

    if dry_run:
        return archive_old(_traces(stores), clock(), days=days, dry_run=True, say=tell)
    with _noted(stores, "archive") as note:
        done = archive_old(_traces(stores), clock(), days=days, say=tell)
        note["runs"] = done.runs
    return done


def expire(stores: Stores, settings: Settings, *, by: str = "tallystick", dry_run: bool = False) -> Expired:
    """Delete the runs that ``keep_days`` and ``retention`` let go."""
    from tallystick.app.keeping.retention import Retention, rules_of
    from tallystick.wiring.stores import attest

    rules = rules_of(settings.keep_days, settings.retention)
    retention = Retention(_traces(stores), stores.control, clock(), by=by)
    if dry_run:
        return retention.expire(rules, dry_run=True)
    with _noted(stores, "delete") as note:
        if rules:
            attest(stores)  # what the journal does not hold may not go
        done = retention.expire(rules)
        note["runs"] = done.runs
    return done


def standing(stores: Stores, settings: Settings) -> Mapping[str, Any]:
    """How archiving and deleting stand, see ``aging`` in docs/reference/json.md."""
    from tallystick.app.keeping.retention import archive_old, rules_of
    from tallystick.app.reading.shapes import time_text

    able, due = can_archive(), None
    if able:
        due = archive_old(_traces(stores), clock(), days=settings.hot_days, dry_run=True, say=say).runs
    passes = _passes(stores).read()
    return {
        "able": able, "hot_days": settings.hot_days, "due": due,
        "rules": len(rules_of(settings.keep_days, settings.retention)),
        "last": [
            {"what": what, **passes[what], "at": time_text(passes[what]["at"])}
            for what in _WHAT if what in passes
        ],
    }  # fmt: skip


def _passes(stores: Stores) -> StateFile:
    from tallystick.adapters.state_file import StateFile

    return StateFile(stores.path / PASSES)


@contextmanager
def _noted(stores: Stores, what: str) -> Iterator[dict[str, Any]]:
    """Remember when a pass over old runs was last made, and how it ended."""
    note: dict[str, Any] = {"at": clock().now(), "runs": 0, "error": None}
    try:
        yield note
    except Exception as error:
        note["error"] = error.message if isinstance(error, TallystickError) else repr(error)
        raise
    finally:
        try:
            _passes(stores).change(lambda found: found.update({what: note}))
        except StoreFault as fault:  # the pass itself stands; that it was made is worth less
            say(f"when old runs were looked at could not be kept: {fault.message}")


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
    with _noted(stores, "tidy"):
        _traces(stores).tidy(now=clock().now())


def _traces(stores: Stores) -> ArchivingTraces:
    return cast("ArchivingTraces", stores.traces)  # the trace store of a folder is one
