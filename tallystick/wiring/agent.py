"""The fuse box, an agent's process: recording and the guard, switched on and off."""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tallystick.config import Settings, load
from tallystick.config.place import find_store
from tallystick.model.errors import TallystickError
from tallystick.wiring import journal
from tallystick.wiring.feed import feed
from tallystick.wiring.identity import bearer, identities
from tallystick.wiring.machine import clock, ids, process_name, rate_card, say
from tallystick.wiring.project import declare_at_start
from tallystick.wiring.redacting import check_redaction, cleaner, redactor, text_redactor
from tallystick.wiring.stores import (
    SPOOL,
    Stores,
    lister,
    notary,
    open_aside,
    open_stores,
    open_traces,
    recorder,
)

if TYPE_CHECKING:
    from tallystick.app.acting.feed import Feed
    from tallystick.app.acting.guard import GuardSettings, RunGuard
    from tallystick.app.acting.policies import PolicyBook
    from tallystick.sdk.runtime import Sink

_MOST_LISTED = 50  # runs at a time: a server, or who reads the store, lists the rest
_started: list[Callable[[], None]] = []
_at_exit: list[int] = []  # the processes that have registered shutdown


def init(
    agent: str | None = None, *, version: str = "", workflow: str | None = None, store: str | Path | None = None,
    server: str | None = None, project: str | Path | None = None, instrument: bool = True,
) -> None:  # fmt: skip
    """Switch recording and the guard on in this process.

    Nothing is needed: records go to the local store, settings come from the environment and the nearest
    ``tallystick.toml``, installed instrumentors are switched on. ``agent`` and ``workflow`` name runs that do not name
    themselves, ``server`` sends records there instead, ``project`` is the folder with agents/, tools/ and policies/.
    Calling it again starts anew. Raises ConfigError for settings that cannot be read and StoreFault, StoreTooNew for a
    store that cannot be used: an agent that believes it is governed must not run ungoverned.
    """
    from tallystick.sdk.edge import raise_faults
    from tallystick.sdk.install import install
    from tallystick.sdk.tools import declared_tools, tell_tools

    shutdown()
    if os.getpid() not in _at_exit:  # a program that ends without a word loses no decision
        _at_exit.append(os.getpid())
        atexit.register(shutdown)
    flags = {"store": None if store is None else str(store), "server": server}
    settings = load(flags, os.environ, Path(project) if project else Path.cwd())
    folder = Path(project) if project else settings.project
    stores = open_stores(find_store(settings.store, project=folder), silent_after_s=settings.crash_after_s)
    _started.append(stores.close)
    guard = _guard(stores, folder, settings, agent or settings.agent)
    _started.append(
        journal.at_exit(stores.control, partial(open_aside, stores.path), stores.path, settings, say)
    )
    _started.append(guard.close)
    tell_tools(guard, declared_tools())
    raise_faults(settings.telemetry_fail == "raise")
    install(
        spool_dir=stores.path / SPOOL, clock=clock(), ids=ids(), sink=_sink(stores, settings), guard=guard,
        agent=agent or settings.agent, workflow=workflow, version=version,
        contents=settings.capture_content == "full", instrument=instrument,
        spool_limit=settings.spool_limit_mb * 1_048_576, rules=redactor(settings, stores, blobs=False),
    )  # fmt: skip


def flush(timeout: float = 5.0) -> bool:
    """Wait until everything recorded so far is in the store or at the server; False when something is left."""
    from tallystick.sdk.install import flush as flush_records

    return flush_records(timeout)


def shutdown(timeout: float = 5.0) -> bool:
    """Switch recording off; what cannot be delivered in time stays in the spool for the next process."""
    from tallystick.sdk.install import uninstall

    done = uninstall(flush=timeout)
    while _started:
        _started.pop()()
    return done


def run_env(settings: Settings) -> Mapping[str, str]:
    """Environment for a child process that records itself (``tally run``).

    Raises ConfigError where the settings ask for a redaction that cannot be done here: the program would only fail.
    """
    check_redaction(settings)
    from tallystick.sdk.autostart import autostart_env

    told = {"TALLYSTICK_STORE": str(find_store(settings.store, project=settings.project).resolve())}
    if settings.server is not None:
        told["TALLYSTICK_SERVER"] = settings.server
    if settings.agent is not None:
        told["TALLYSTICK_AGENT"] = settings.agent
    return autostart_env({**os.environ, **told})


def _sink(stores: Stores, settings: Settings) -> Callable[[], Sink]:
    server, token, silent = settings.server, bearer(settings), settings.crash_after_s

    def to_server() -> Sink:
        from tallystick.sdk.transport import ServerSink

        assert server is not None
        return ServerSink(server, token=token)

    def to_store() -> Sink:
        from tallystick.sdk.local import StoreSink

        own = Stores(open_traces(stores.path, silent), open_aside(stores.path), stores.path)
        return StoreSink(recorder(own, settings), own.close, _bring_up(own))

    return to_store if server is None else to_server


def _bring_up(own: Stores) -> Callable[[], None]:
    """What an agent's process does for its store every few seconds: attest records, and list what runs used."""
    attesting, listing = notary(own), lister(own)

    def bring_up() -> None:
        """Raises what kept records or lists from being written; the next time tries again."""
        attesting.attest()
        done = listing.list_due(most=_MOST_LISTED)
        if done.faults:
            raise done.faults[0]

    return bring_up


def rest(nanoseconds: int) -> None:
    """What a guard does between two looks at an approval that it waits for: it sleeps."""
    time.sleep(nanoseconds / 1e9)


def _guard(stores: Stores, folder: Path | None, settings: Settings, agent: str | None) -> RunGuard:
    from tallystick.app.acting.guard import RunGuard

    if folder is not None:
        try:
            declare_at_start(stores, folder, settings)
        except TallystickError as error:  # the book below refuses every effect and says why; reads go on
            sys.stderr.write(f"tallystick: {error.message}" + (f" ({error.hint})\n" if error.hint else "\n"))
    heard, close = feed(stores, settings)
    _started.append(close)
    return RunGuard(
        stores.control, clock(), ids(), rules(stores, folder, settings, heard), rate_card(),
        waiter=lambda nanoseconds: rest(nanoseconds), settings=guard_settings(settings), feed=heard,
        clean=cleaner(settings), process=process_name, identities=identities(stores, settings, agent),
    )  # fmt: skip


def rules(stores: Stores, folder: Path | None, settings: Settings, heard: Feed) -> PolicyBook:
    """The policies and declarations of a project's folder (None: the registry's alone), with what is ``heard``."""
    from tallystick.adapters.policy_files import shipped_policies
    from tallystick.adapters.project import open_book
    from tallystick.app.registry.registrar import known_sources

    policies = settings.policies if folder is None or settings.origins["policies"] != "default" else None
    return open_book(
        folder, policies=policies if policies is not None and policies.is_dir() else None,
        permissive=settings.policy_mode == "permissive", also=list(heard.heard().tools.values()),
        sources=known_sources(stores.control), now=clock().now, say=say,
        pack=shipped_policies(settings.policy_pack), report_only=settings.policy_report_only,
    )  # fmt: skip


def guard_settings(settings: Settings) -> GuardSettings:
    """How a guard behaves under these settings."""
    from tallystick.app.acting.contracts import ContractSettings, wanted_checks
    from tallystick.app.acting.guard import GuardSettings
    from tallystick.app.acting.holding import Asking
    from tallystick.cost.loops import LoopLimits

    return GuardSettings(
        run_budget_nano=settings.run_budget_nano,
        asking=Asking(
            settings.approval_timeout_s * 1_000_000_000, settings.separate_duties == "on", journal.operator(),
            suspend=settings.approvals == "suspend",
        ),
        tool_pins=settings.tool_pins == "enforced", loops=LoopLimits(calls=settings.run_tool_calls),
        contracts=ContractSettings(
            wanted=wanted_checks(settings.result_checks), finds=text_redactor(settings.result_checks),
            must_cite=settings.must_cite == "record",
        ),
    )  # fmt: skip
