"""The trace store in one SQLite file: what it stands on (``file``), one class per port, and the store of them."""

from tallystick.adapters.sqlite.traces.store import SqliteTraces

__all__ = ["SqliteTraces"]
