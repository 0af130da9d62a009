"""What the command line needs from the rest of the house, each part imported only when it is asked for.

Commands never import wiring, app or demo themselves; tests put other parts in this one's place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.config import Settings

if TYPE_CHECKING:
    from tallystick.app.read import Reader
    from tallystick.model.span import Span
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

    def open(self, path: Path, *, create: bool) -> Stores:
        """Open the stores of a folder."""
        from tallystick import wiring

        return wiring.open_stores(path, create=create)

    def reader(self, stores: Stores) -> Reader:
        """The read model over open stores."""
        from tallystick import wiring

        return wiring.reader(stores)

    def recorder(self, stores: Stores) -> Any:
        """What takes spans into open stores."""
        from tallystick import wiring

        return wiring.recorder(stores)

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
        from tallystick.app.importing import import_file
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

    def answer(
        self, stores: Stores, approval: str, answer: str, *, by: str, note: str | None
    ) -> Mapping[str, Any]:
        """Approve or reject one held call. Raises Conflict when somebody was first."""
        from tallystick import wiring
        from tallystick.app.approvals import answer as give

        return give(stores.control, wiring.clock(), wiring.ids(), approval, answer, by=by, note=note)

    def declare(self, stores: Stores, project: Path, *, dry_run: bool) -> Mapping[str, Any]:
        """Declare a project's agents and tools."""
        from tallystick import wiring

        return wiring.apply(stores, project, dry_run=dry_run)

    def check_policies(self, settings: Settings) -> Mapping[str, Any]:
        """Check the policies in a project's folder against its declared tools."""
        from tallystick import wiring

        return wiring.check_policies(settings)

    def evidence(
        self, stores: Stores, settings: Settings, run: str, *, redact: bool, since: Sequence[str]
    ) -> tuple[str, Iterator[bytes]]:
        """A run's whole id, and its evidence file line by line."""
        from tallystick import wiring

        whole = stores.traces.resolve(run)
        return whole, wiring.evidence(stores, settings).evidence(whole, redact=redact, since=since)

    def play(
        self,
        store: Path | None,
        on_scene: Callable[[Mapping[str, Any]], None],
        on_start: Callable[[str, str], None],
    ) -> Mapping[str, Any]:
        """Play the demo's scenes; each is told by name and title before it begins, and its row after it ended."""
        from tallystick.demo.scenes import play

        return play(store, on_scene, on_start=on_start)

    def serve_demo(self, store: Path, settings: Settings) -> None:
        """Serve the demo's pages until interrupted, with one refund that waits for an answer."""
        from tallystick.demo.serve import serve

        serve(store, settings)

    def execute(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Become another program (signals and exit code are then its own)."""
        os.execvpe(command[0], list(command), dict(environment))
