"""What the command line needs from the rest of the house, each part imported only when it is asked for.

Commands never import wiring, app or demo themselves; tests put other parts in this one's place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.cli.person import this_person
from tallystick.config import Settings

if TYPE_CHECKING:
    from tallystick.adapters.backup import BackedUp
    from tallystick.adapters.server_people import ServerPeople
    from tallystick.app.keeping.export_runs import RunExport
    from tallystick.app.keeping.retention import Expired
    from tallystick.app.people.desk import PeopleDesk
    from tallystick.app.prove.checkpoints import JournalKey, Signed
    from tallystick.app.prove.journalbook import JournalBook
    from tallystick.app.reading.read import Reader
    from tallystick.app.registry.catalog import Catalog
    from tallystick.app.registry.promote import Wish
    from tallystick.app.registry.push import PolicyDesk
    from tallystick.app.registry.ready import Ready
    from tallystick.govern.policy import PolicyFile
    from tallystick.model.people import Caller
    from tallystick.model.span import Span
    from tallystick.model.step import Step
    from tallystick.ports.archive import Archived
    from tallystick.registry.plan import Plan
    from tallystick.registry.sketch import Sketch
    from tallystick.wiring import Stores


class Parts:
    """The real parts."""

    def settings(self, flags: Mapping[str, Any]) -> Settings:
        """Settings of this process. Raises ConfigError."""
        from tallystick.config import load

        return load(flags, os.environ, Path.cwd())

    def find_store(self, settings: Settings) -> Path:
        """The store folder that these settings mean; it need not exist yet."""
        from tallystick import wiring

        return wiring.find_store(settings.store, project=settings.project)

    def open(self, path: Path, settings: Settings, *, create: bool, writing: bool) -> Stores:
        """Open the stores of a folder; to write, the journal must lead on from its last checkpoint."""
        from tallystick import wiring

        silent = settings.crash_after_s
        return wiring.open_stores(path, create=create, silent_after_s=silent, writing=writing)

    def journal_book(self, stores: Stores, settings: Settings) -> JournalBook:
        """The journal as people look at it."""
        from tallystick import wiring

        return wiring.journal.book(stores, settings)

    def keep(self, stores: Stores, settings: Settings, say: Callable[[str], None]) -> Signed:
        """Make a checkpoint and pass it on to witnesses and exports."""
        from tallystick import wiring

        return wiring.journal.keeper(stores.control, stores.path, settings, say).keep()

    def public_keys(self, stores: Stores, settings: Settings) -> Sequence[JournalKey]:
        """The journal's keys, oldest first; the first is made where there is none."""
        from tallystick import wiring
        from tallystick.app.prove.checkpoints import enrol, journal_keys

        enrol(stores.control, wiring.journal.signer(stores.path, settings))
        return journal_keys(stores.control)

    def rotate_key(self, stores: Stores, settings: Settings, because: str) -> str:
        """Put a new key in the place of the journal's key; gives the new public key."""
        from tallystick import wiring

        return wiring.journal.rotate_key(stores.control, stores.path, settings, because=because)

    def reopen(
        self, stores: Stores, settings: Settings, *, because: str, by: str
    ) -> tuple[Signed, Path | None]:
        """Admit that history was lost."""
        from tallystick import wiring

        return wiring.journal.reopen(stores.control, stores.path, settings, because=because, by=by)

    def mirror(self, stores: Stores, folder: Path) -> tuple[Signed, int]:
        """Bring a copy of the journal up to its newest checkpoint."""
        from tallystick import wiring

        return wiring.journal.mirror(stores.control, folder)

    def serve_witness(self, logs: Sequence[str], **options: Any) -> None:
        """Serve a witness until interrupted."""
        from tallystick import wiring

        wiring.journal.serve_witness(logs, clock=wiring.clock(), **options)

    def reader(self, stores: Stores) -> Reader:
        """The read model over open stores."""
        from tallystick import wiring

        return wiring.reader(stores)

    def catalog(self, stores: Stores) -> Catalog:
        """The read model of the registry over open stores."""
        from tallystick import wiring

        return wiring.catalog(stores)

    def eraser(self, stores: Stores) -> Any:
        """What erases contents in open stores."""
        from tallystick import wiring

        return wiring.eraser(stores)

    def recorder(self, stores: Stores) -> Any:
        """What takes spans into open stores."""
        from tallystick import wiring

        return wiring.recorder(stores, believed=False)

    def run_export(self, stores: Stores) -> RunExport:
        """What exports runs of open stores."""
        from tallystick import wiring
        from tallystick.app.keeping.export_runs import RunExport

        return RunExport(stores.traces, wiring.clock())

    def write_parquet(self, target: Path, pairs: Iterable[tuple[Step, Span]]) -> int:
        """Write steps with their spans into a Parquet file."""
        from tallystick import wiring

        return wiring.keeping.write_parquet(target, pairs)

    def archive(self, stores: Stores, *, days: int, dry_run: bool, say: Callable[[str], None]) -> Archived:
        """Move runs that ended so many days ago into the archive."""
        from tallystick import wiring

        return wiring.keeping.archive(stores, days=days, dry_run=dry_run, tell=say)

    def expire(self, stores: Stores, settings: Settings, *, dry_run: bool) -> Expired:
        """Delete the runs that the settings let go."""
        from tallystick import wiring

        return wiring.keeping.expire(stores, settings, by=self.caller(stores).name, dry_run=dry_run)

    def backup(self, stores: Stores, folder: Path, *, with_key: bool, say: Callable[[str], None]) -> BackedUp:
        """Copy the store into an empty folder."""
        from tallystick import wiring

        return wiring.keeping.backup(stores, folder, with_key=with_key, tell=say)

    def serve(self, path: Path, settings: Settings) -> None:
        """Serve a store until interrupted."""
        from tallystick import wiring

        wiring.serve(path, settings)

    def run_environment(self, settings: Settings) -> Mapping[str, str]:
        """Environment variables that switch recording on in a child process."""
        from tallystick import wiring

        return wiring.run_env(settings)

    def import_file(
        self, recorder: Any, name: str, format: str, content: bytes, progress: Callable[[int, int], None]
    ) -> Mapping[str, Any]:
        """Import one file of recorded runs; importing it again adds nothing."""
        from tallystick.app.recording.importing import import_file
        from tallystick.cli.otlp_files import read_otlp

        unreadable: list[dict[str, str]] = []

        def decode(document: bytes) -> Sequence[Span]:
            batch = read_otlp(document, name)
            unreadable.extend(
                {"trace": item.trace, "span": item.span, "reason": item.reason} for item in batch.rejected
            )
            return batch.spans

        receipt = import_file(recorder, name, format, content, progress, decode_otlp=decode)
        return {**receipt, "rejected": [*unreadable, *receipt["rejected"]]}

    def people(self, stores: Stores) -> PeopleDesk:
        """The people of open stores."""
        from tallystick import wiring

        return wiring.people.desk(stores)

    def caller(self, stores: Stores) -> Caller:
        """Who gives this command: the operating system's user, as the person that was added with it, if one was."""
        return self.people(stores).os_caller(this_person())

    def server_people(self, server: str, settings: Settings) -> ServerPeople:
        """The people and approvals of a server. Raises ConfigError for what is no address."""
        from tallystick import wiring

        return wiring.people.at_server(server, settings)

    def answer(
        self, stores: Stores, settings: Settings, approval: str, answer: str, *, by: Caller, note: str | None
    ) -> Mapping[str, Any]:
        """Approve or reject one held call, under the journal's signature. Raises Conflict when somebody was first."""
        from tallystick import wiring
        from tallystick.app.acting.approvals import answer as give

        sign = wiring.journal.sign_answers(stores.path, settings)
        return give(stores.control, wiring.clock(), wiring.ids(), approval, answer, by, note, sign=sign)

    def plan(self, stores: Stores, settings: Settings, *, prune: bool) -> Plan:
        """What declaring a project would change. Raises ConfigError with file and line."""
        from tallystick import wiring

        return wiring.plan(stores, settings, prune=prune)

    def declare(
        self, stores: Stores, settings: Settings, *, by: str, prune: bool, because: str | None
    ) -> Mapping[str, Any]:
        """Declare a project. Raises Conflict where a version would be overwritten or somebody else was first."""
        from tallystick import wiring

        return wiring.apply(stores, settings, actor=by, prune=prune, because=because)

    def sketch(self, stores: Stores, folder: Path) -> tuple[bool, Sketch]:
        """Whether anything was observed, and files for what is not declared yet."""
        from tallystick import wiring

        return wiring.sketch(stores, folder)

    def ready(self, stores: Stores) -> Ready:
        """What says of agents whether they are ready."""
        from tallystick import wiring

        return wiring.release.ready(stores)

    def promote(
        self, stores: Stores, settings: Settings, wish: Wish, *, by: str, dry_run: bool
    ) -> Mapping[str, Any]:
        """Move an alias of an agent. Raises AnswerIsNo while something needed is missing, and Conflict."""
        from tallystick import wiring

        return wiring.release.promote(stores, settings, wish, by=by, dry_run=dry_run)

    def import_tools(self, stores: Stores, target: Sequence[str], **options: Any) -> Mapping[str, Any]:
        """Import the tools of an MCP server; options as of ``wiring.exchange.import_tools``."""
        from tallystick import wiring

        return wiring.exchange.import_tools(stores, target, **options)

    def import_card(self, stores: Stores, document: bytes, **options: Any) -> Mapping[str, Any]:
        """Declare an agent from its card; options as of ``app.registry.cards.import_card``."""
        from tallystick.app.registry.cards import import_card

        return import_card(stores.control, document, **options)

    def export_card(self, stores: Stores, agent: str, **options: Any) -> Mapping[str, Any]:
        """The card of a declared agent; options as of ``app.registry.cards.export_card``."""
        from tallystick import wiring

        return wiring.exchange.export_card(stores, agent, **options)

    def bill(self, stores: Stores, what: str) -> str:
        """The bill of materials of what a reference or a query means, as CycloneDX JSON."""
        from tallystick import wiring

        return wiring.exchange.bill(stores, what)

    def check_policies(self, settings: Settings) -> Mapping[str, Any]:
        """Check the policies in a project's folder against its declared tools."""
        from tallystick import wiring

        return wiring.check_policies(settings)

    def try_policies(self, settings: Settings, files: Sequence[Path], *, mutate: bool) -> Mapping[str, Any]:
        """Try the tests of a project's policies. Raises ConfigError with file and line."""
        from tallystick import wiring

        return wiring.policing.try_policies(settings, files, mutate=mutate)

    def try_pack(self, settings: Settings, *, mutate: bool) -> Mapping[str, Any]:
        """Try the tests of the policies that come with Tallystick."""
        from tallystick import wiring

        return wiring.policing.try_pack(settings, mutate=mutate)

    def backtest(self, stores: Stores, settings: Settings, query: str, **options: Any) -> Mapping[str, Any]:
        """What other policies would have said of recorded runs; options as of ``wiring.policing.backtest``."""
        from tallystick import wiring

        return wiring.policing.backtest(stores, settings, query, **options)

    def policy_report(self, stores: Stores, since: str) -> Mapping[str, Any]:
        """What rules that are only reported would have said. Raises BadInput for what is no time."""
        from tallystick import wiring
        from tallystick.app.acting.policy_report import policy_report
        from tallystick.model.query import moment

        return policy_report(stores.control, since=moment(since, now=wiring.clock().now()))

    def stop(self, stores: Stores, scope: str, *, by: str, because: str) -> Mapping[str, Any]:
        """Stop an agent, a tool, a workflow or everything."""
        from tallystick.app.acting.switches import throw

        return throw(stores.control, scope, by=by, because=because)

    def resume(self, stores: Stores, scope: str, *, by: str, because: str) -> Mapping[str, Any]:
        """Let what was stopped go on. Raises Conflict where it was not stopped."""
        from tallystick.app.acting.switches import release

        return release(stores.control, scope, by=by, because=because)

    def stops(self, stores: Stores) -> Mapping[str, Any]:
        """What is stopped now."""
        from tallystick.app.acting.switches import switches_json

        return switches_json(stores.control)

    def policy_file(self, path: Path) -> PolicyFile:
        """A policy file that was named by a person. Raises ConfigError for one that cannot be read."""
        from tallystick import wiring

        return wiring.policy_file(path)

    def policy_desk(self, stores: Stores) -> PolicyDesk:
        """The policies of the registry as it stands."""
        from tallystick import wiring

        return wiring.policy_desk(stores)

    def server_reader(self, server: str, settings: Settings, say: Callable[[str], None]) -> Any:
        """A server's live stream and its read model. Raises ConfigError for what is no address."""
        from tallystick import wiring

        return wiring.loss.server_reader(server, settings, say)

    def loss(self, stores: Stores, settings: Settings) -> Mapping[str, Any]:
        """What came into open stores, what was lost on the way, and what is still to be done with it."""
        from tallystick import wiring

        return wiring.loss.loss_book(stores, settings).state()

    def feed_trouble(self, settings: Settings) -> str | None:
        """Why the server's registry is not heard; None where it is, or there is no server."""
        from tallystick import wiring

        return wiring.feed_trouble(settings)

    def accept(
        self, stores: Stores, tool: str, definition: str | None, *, by: str, because: str | None
    ) -> Mapping[str, Any]:
        """Accept what a tool says of itself. Raises UnknownThing where nothing waits."""
        from tallystick.app.registry.accept import accept

        return accept(stores.control, tool, definition, by=by, because=because).as_json()

    def evidence(
        self, stores: Stores, settings: Settings, run: str, *, redact: bool, since: Sequence[str],
        say: Callable[[str], None],
    ) -> tuple[str, Iterator[bytes]]:  # fmt: skip
        """A run's whole id, and its evidence file line by line."""
        from tallystick import wiring

        wiring.adopt(stores)
        whole = stores.traces.resolve(run)
        desk = wiring.journal.evidence_desk(
            stores.traces, stores.control, stores.path, settings, rates=wiring.rate_card(), clock=wiring.clock(),
            say=say,
        )  # fmt: skip
        return whole, desk.evidence(whole, redact=redact, since=since)

    def play(
        self,
        store: Path | None,
        on_scene: Callable[[Mapping[str, Any]], None],
        on_start: Callable[[str, str], None],
    ) -> Mapping[str, Any]:
        """Play the demo's scenes; each is told by name and title before it begins, and its row after it ended."""
        from tallystick.demo.proving import prove
        from tallystick.demo.scenes import play

        return play(store, on_scene, on_start=on_start, prove=prove)

    def serve_demo(self, store: Path, settings: Settings) -> None:
        """Serve the demo's pages until interrupted, with one refund that waits for an answer."""
        from tallystick.demo.serve import serve

        serve(store, settings)

    def execute(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Become another program (signals and exit code are then its own)."""
        os.execvpe(command[0], list(command), dict(environment))
