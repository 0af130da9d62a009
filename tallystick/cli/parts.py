"""What the command line needs from the rest of the house, each part imported only when it is asked for.

Commands never import wiring, app or demo themselves; tests put other parts in this one's place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tallystick.config import Settings
from tallystick.model.span import Span
from tallystick.ports import ControlStore, TraceStore


class Stores(Protocol):
    """The two stores of one store folder, open."""

    @property
    def traces(self) -> TraceStore:
        """Runs, steps and spans."""
        ...

    @property
    def control(self) -> ControlStore:
        """Journal, registry, approvals, budgets."""
        ...

    @property
    def path(self) -> Path:
        """The store folder."""
        ...

    def close(self) -> None:
        """Release both."""
        ...


class Reading(Protocol):
    """The read model (``tallystick.app.read.Reader``): every answer is JSON-ready."""

    def runs(self, query: str = "", *, limit: int = 50, before: str | None = None) -> dict[str, Any]:
        """Runs that match, newest first."""
        ...

    def run(self, prefix: str) -> dict[str, Any]:
        """One run with all its steps."""
        ...

    def agents(self) -> list[dict[str, Any]]:
        """Agents, declared and observed."""
        ...

    def tools(self) -> list[dict[str, Any]]:
        """Tools, declared and observed."""
        ...

    def models(self) -> list[dict[str, Any]]:
        """Models, declared and observed."""
        ...

    def workflows(self) -> list[dict[str, Any]]:
        """Workflows, declared and observed."""
        ...

    def budgets(self) -> list[dict[str, Any]]:
        """Budgets with what is spent, held and available."""
        ...

    def spans(self, prefix: str) -> tuple[str, list[Span]]:
        """A run's id and its original spans."""
        ...

    def cost(self, by: str, query: str = "") -> dict[str, Any]:
        """What was spent, by one key."""
        ...

    def approvals(self, state: str | None = None) -> dict[str, Any]:
        """Approvals, newest first."""
        ...

    def approval(self, approval: str) -> dict[str, Any]:
        """One approval."""
        ...


class Parts:
    """The real parts."""

    def settings(self, flags: Mapping[str, Any]) -> Settings:
        """Settings of this process. Raises ConfigError."""
        from tallystick.config import load

        return load(flags, os.environ, Path.cwd())

    def find_store(self, settings: Settings) -> Path:
        """The store folder that these settings mean; it need not exist yet."""
        from tallystick import wiring

        return Path(wiring.find_store(settings.store))

    def open(self, path: Path, *, create: bool) -> Stores:
        """Open the stores of a folder."""
        from tallystick import wiring

        return wiring.open_stores(path, create=create)

    def reader(self, stores: Stores) -> Reading:
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

    def play(
        self,
        store: Path | None,
        on_scene: Callable[[Mapping[str, Any]], None],
        on_start: Callable[[str, str], None],
    ) -> Mapping[str, Any]:
        """Play the demo's scenes; each is told by name and title before it begins, and its row after it ended."""
        from tallystick.demo.scenes import play

        return play(store, on_scene, on_start=on_start)

    def execute(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Become another program (signals and exit code are then its own)."""
        os.execvpe(command[0], list(command), dict(environment))
