"""The wall clock behind ``ports.Clock``."""

from __future__ import annotations

import time


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        return time.time_ns()
