"""Door: the ``tally`` command, one file a noun."""

from tallystick.cli.root import main

__all__ = ["main"]
