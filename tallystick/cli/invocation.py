"""One invocation of a command: its output, its settings, and the store, opened when a command asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.output import Out
from tallystick.cli.parts import Parts
from tallystick.config import Settings

if TYPE_CHECKING:
    from tallystick.app.reading.read import Reader
    from tallystick.app.registry.catalog import Catalog
    from tallystick.wiring import Stores


class Invocation:
    """What one command is given: ``out`` for its answer, ``settings``, and the store behind ``stores()``."""

    def __init__(self, parts: Parts, *, as_json: bool, flags: dict[str, Any]) -> None:
        self.parts = parts
        self.out = Out(as_json=as_json)
        self._flags = flags
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """Settings in force, read once. Raises ConfigError."""
        if self._settings is None:
            self._settings = self.parts.settings(self._flags)
        return self._settings

    def flag(self, **flags: Any) -> None:
        """Add flags that are settings too; to be called before ``settings`` is read."""
        self._flags |= flags

    @property
    def store_path(self) -> Path:
        """Where the store is, or would be made."""
        return self.parts.find_store(self.settings)

    def server(self, flag: str | None) -> str | None:
        """The server that is meant: the one given, else, unless a store was given, that of the settings."""
        if flag is not None:
            return flag
        return self.settings.server if self._flags.get("store") is None else None

    @contextmanager
    def stores(self, *, create: bool = True, writing: bool = False) -> Iterator[Stores]:
        """The stores, open for as long as the block runs.

        A journal that does not lead on from its last checkpoint may be read, and that is said; with ``writing`` it
        raises StoreFault.
        """
        stores = self.parts.open(self.store_path, self.settings, create=create, writing=writing)
        for trouble in (stores.doubt, stores.frozen):
            if trouble is not None:
                self.out.say(f"beware: {trouble.message}")
        try:
            yield stores
        finally:
            stores.close()

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """The read model, open for as long as the block runs."""
        with self.stores() as stores:
            yield self.parts.reader(stores)

    @contextmanager
    def catalog(self) -> Iterator[Catalog]:
        """The registry's read model, open for as long as the block runs."""
        with self.stores() as stores:
            yield self.parts.catalog(stores)


def common(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--store DIR`` and ``--json`` and call it with an Invocation first."""

    @click.option(
        "--store", "store", type=click.Path(path_type=str), metavar="DIR", help="Folder of the store."
    )
    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
    @wraps(function)
    def command(store: str | None, as_json: bool, **arguments: Any) -> Any:
        ctx = click.get_current_context()
        parts = ctx.obj if isinstance(ctx.obj, Parts) else Parts()
        return function(Invocation(parts, as_json=as_json, flags={"store": store}), **arguments)

    return command
