"""The embedded stores: one SQLite file for traces, one for the control plane."""

from tallystick.adapters.sqlite.control import SqliteControl
from tallystick.adapters.sqlite.traces import SqliteTraces

__all__ = ["SqliteControl", "SqliteTraces"]
