"""The fuse box, both stores of a folder: opened, read, written, and kept in step with each other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tallystick.model.errors import ConfigError, StoreFault, TallystickError, UnknownThing
from tallystick.ports import ControlStore, Traces
from tallystick.wiring import journal, texts
from tallystick.wiring.machine import clock, ids, rate_card, say
from tallystick.wiring.redacting import BLOBS

if TYPE_CHECKING:
    from tallystick.app.keeping.erasure import Eraser
    from tallystick.app.prove.notary import Notary
    from tallystick.app.reading.read import Reader
    from tallystick.app.recording.record import Recorder
    from tallystick.app.registry.catalog import Catalog
    from tallystick.app.registry.uses import UseLister
    from tallystick.config.settings import Settings
    from tallystick.model.span import Span

TRACES, CONTROL, SPOOL, ARCHIVE = "traces.db", "control.db", "spool", "archive"
ASIDE_SECONDS = 2.0
MOST_LISTED = (
    500  # runs that a reader lists before it reads: a store from before lists has all of its runs to list
)


@dataclass(frozen=True, slots=True)
class Stores:
    """Both stores of one folder, open."""

    traces: Traces
    control: ControlStore
    path: Path
    doubt: StoreFault | None = None  # the journal may only be read: it does not lead on from its checkpoints
    frozen: StoreFault | None = None  # its files may not be written here: it is read as it was left

    def close(self) -> None:
        """Release both. Closing twice is allowed."""
        self.traces.close()
        self.control.close()


def open_stores(
    path: Path, *, create: bool = True, silent_after_s: int | None = None, writing: bool = True
) -> Stores:
    """Open a store folder.

    Raises UnknownThing when it is not there and ``create`` is false, StoreTooNew and StoreFault; the latter also for a
    journal that does not lead on from its last checkpoint and for files that may not be written, unless ``writing`` is
    false: then ``doubt`` or ``frozen`` has it.
    """
    from tallystick.adapters.sqlite import SqliteControl

    if not create and not (path / TRACES).exists():
        raise UnknownThing(
            f"there is no store in {path}",
            hint="tally demo fills one; tallystick.init() and tally up make one",
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreFault(
            f"the store {path} cannot be made: {error.strerror}",
            hint="check --store, TALLYSTICK_STORE and permissions",
        ) from error
    frozen = _frozen(path)
    if frozen is not None and writing:
        raise frozen
    traces = open_traces(path, silent_after_s)
    try:
        control = SqliteControl(path / CONTROL, clock=clock(), ids=ids())
    except BaseException:
        traces.close()
        raise
    stores = Stores(traces, control, path, frozen=frozen)
    try:
        journal.guard(control, path)
    except StoreFault as doubt:
        if writing:
            stores.close()
            raise
        return replace(stores, doubt=doubt)
    return stores


def _frozen(path: Path) -> StoreFault | None:
    """What to say of a store whose files this process may not write; None where it may."""
    files = [one for one in (path / TRACES, path / CONTROL) if one.exists()]
    if not files or all(os.access(one, os.W_OK) for one in (path, *files)):
        return None
    return StoreFault(
        f"{path} may only be read here: it is shown as it was left, and nothing is taken in from its spool",
        hint="see to the owner and the mode of the folder and its files", path=str(path),
    )  # fmt: skip


def open_traces(path: Path, silent_after_s: int | None = None) -> Traces:
    """The trace store of a folder; silence of so many seconds counts as a crash."""
    from tallystick.adapters.blobs import BlobFolder
    from tallystick.adapters.parquet import ParquetArchive
    from tallystick.adapters.sqlite import SqliteTraces

    archive = ParquetArchive(path / ARCHIVE)  # costs nothing until somebody reads from it
    blobs = BlobFolder(path / BLOBS)
    if silent_after_s is None:
        return SqliteTraces(path / TRACES, archive=archive, blobs=blobs)
    return SqliteTraces(
        path / TRACES, silent_after=silent_after_s * 1_000_000_000, archive=archive, blobs=blobs
    )


def open_aside(path: Path) -> ControlStore:
    """A folder's journal once more, for what may come later and must hold nobody up: attesting, signing at the end.

    It waits a few seconds for other writers where the guard waits a minute, and never stands in the guard's way.
    """
    from tallystick.adapters.sqlite import SqliteControl

    return SqliteControl(path / CONTROL, clock=clock(), ids=ids(), busy_seconds=ASIDE_SECONDS)


def reader(stores: Stores, *, served: bool = False) -> Reader:
    """The read model over open stores; what dead processes left is taken in, attested and listed first.

    It indexes a bounded number of runs before it answers what runs said, unless it is ``served``: a server indexes
    beside its answers.
    """
    from tallystick.app.reading.read import Reader

    catch_up(stores)
    index = None if served or stores.frozen is not None else partial(texts.index_some, stores.traces, clock())
    return Reader(stores.traces, stores.control, clock(), index=index)


def catalog(stores: Stores) -> Catalog:
    """The read model of the registry over open stores, brought up to date like ``reader``."""
    from tallystick.app.registry.catalog import Catalog

    catch_up(stores)
    return Catalog(stores.control, stores.traces, clock())


def catch_up(stores: Stores) -> None:
    """Take in what dead processes left, attest what is recorded, and list what it used."""
    if stores.frozen is not None:
        return
    try:
        adopt(stores)
    except (
        ConfigError
    ) as error:  # what waits keeps waiting until it can be redacted; what is stored can be read
        say(f"the spool could not be taken in: {error.message}\n  hint: {error.hint}")
    attest(stores)
    list_uses(lister(stores), most=MOST_LISTED)


def recorder(stores: Stores, settings: Settings | None = None, *, believed: bool = True) -> Recorder:
    """The way into an open trace store; without ``settings`` those that hold for the store's folder say what is kept.

    ``believed`` false: nothing vouches for who sends (see ``Recorder``).
    Raises ConfigError where they ask for what cannot be done here.
    """
    from tallystick.app.recording.pricing import CardNotice
    from tallystick.app.recording.record import Recorder
    from tallystick.wiring.loss import counts
    from tallystick.wiring.redacting import redactor, settings_of

    return Recorder(
        stores.traces, rate_card(), clock(), notice=CardNotice(stores.control, rate_card()),
        redactor=redactor(settings_of(stores.path) if settings is None else settings, stores),
        counts=counts(stores.path), believed=believed,
    )  # fmt: skip


def eraser(stores: Stores) -> Eraser:
    """What erases contents in both stores."""
    from tallystick.app.keeping.erasure import Eraser

    def forget_texts(runs: Sequence[str], _subject: str | None) -> bool:
        return stores.traces.forget_texts(runs)

    return Eraser(stores.traces, stores.control, os.urandom, (forget_texts, partial(_forget_refused, stores)))


def _forget_refused(stores: Stores, runs: Sequence[str], subject: str | None) -> bool:
    """Take what was refused out of the spool where it belongs to runs or names a subject."""
    from tallystick.app.recording.redacting import HANDLES
    from tallystick.model.attributes import RUN_ID
    from tallystick.sdk.adoption import REJECTED_NAME
    from tallystick.sdk.rejects import Rejects

    traces = {*runs, *(record.trace for run in runs for record in stores.traces.records(run))}

    def unwanted(span: Span) -> bool:
        said = span.attributes
        named = subject is not None and any(said.get(name) == subject for name in HANDLES)
        return named or span.trace in traces or said.get(RUN_ID) in traces

    Rejects(stores.path / SPOOL / REJECTED_NAME).drop(unwanted)
    return True


def notary(stores: Stores) -> Notary:
    """What brings the trace store's records into the journal."""
    return journal.notary(stores.traces, stores.control, clock())


def attest(stores: Stores, tell: Callable[[str], None] = say) -> None:
    """Bring the journal up to the trace store. Where that fails it is said, and reading goes on."""
    try:
        notary(stores).attest()
    except Exception as error:  # noqa: BLE001 - a fault in attesting must stop neither a reader nor the server
        said = error.message if isinstance(error, TallystickError) else repr(error)
        tell(f"records could not be attested: {said}")


def lister(stores: Stores) -> UseLister:
    """What lists the uses that recorded runs show. One is kept by a process, for what it remembers."""
    from tallystick.app.registry.uses import UseLister

    return UseLister(stores.traces, stores.control, clock())


def list_uses(by: UseLister, *, most: int | None = None, tell: Callable[[str], None] = say) -> None:
    """List the uses of runs that are due, at most ``most``. Where that fails it is said, and reading goes on."""
    try:
        done = by.list_due(most=most)
    except Exception as error:  # noqa: BLE001 - a fault in listing must stop neither a reader nor the server
        said = error.message if isinstance(error, TallystickError) else repr(error)
        tell(f"what agents use could not be listed: {said}")
        return
    # Runs that fail for one reason (a file of the archive, a library) are told of in one line.
    for why, runs in Counter(fault.message for fault in done.faults).items():
        tell(f"what {'a run' if runs == 1 else f'{runs} runs'} used could not be listed: {why}")
    if most is not None and done.runs >= most:
        say(f"what agents used in {done.runs} runs was listed, and more runs are left (tally up lists all)")


def adopt(stores: Stores) -> int:
    """Take in what processes that died left in the store's spool; returns the number of spans."""
    spool = stores.path / SPOOL
    if not spool.is_dir():
        return 0
    from tallystick.sdk.adoption import adopt as take_over
    from tallystick.sdk.local import StoreSink

    return take_over(spool, StoreSink(recorder(stores), _nothing)).spans


def _nothing() -> None:
    """The stores belong to the caller."""
