"""Ties of the trace store in memory: what traces say of each other, and which belongs to which by that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from tallystick.model.tie import Tie


class MemoryTies:
    """Ties by key and role and by trace (``observe.tying.Look``)."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[int, int], set[Tie]] = {}
        self._by_trace: dict[str, set[Tie]] = {}
        self.tied: dict[str, str] = {}  # which trace belongs to which

    def add(self, ties: Iterable[Tie]) -> None:
        """Remember ties."""
        for tie in ties:
            self._by_key.setdefault((tie.key, tie.role), set()).add(tie)
            self._by_trace.setdefault(tie.trace, set()).add(tie)

    def near(
        self, key: int, role: int, since: int, until: int, limit: int | None = None, *, newest: bool = False
    ) -> Sequence[Tie]:
        """See ``observe.tying.Look``."""
        found = [tie for tie in self._by_key.get((key, role), ()) if since <= tie.at <= until]
        found.sort(key=lambda tie: (tie.at, tie.trace, tie.until), reverse=newest)
        return found[:limit]

    def of(self, trace: str) -> Sequence[Tie]:
        """The ties of a trace."""
        return sorted(self._by_trace.get(trace, ()), key=lambda tie: (tie.at, tie.role, tie.key, tie.until))

    def tie(self, decided: Mapping[str, str | None]) -> dict[str, str | None]:
        """Remember which trace belongs to which; returns those of which that is new."""
        changed = {trace: host for trace, host in decided.items() if self.tied.get(trace) != host}
        for trace, host in changed.items():
            self.tied.pop(trace, None)
            if host is not None:
                self.tied[trace] = host
        return changed

    def forget(self, traces: Collection[str]) -> None:
        """The contents of these traces go: nothing is decided by what they said any more."""
        for trace in traces:
            for tie in self._by_trace.pop(trace, ()):
                self._by_key[tie.key, tie.role].discard(tie)
        self.tied = {one: two for one, two in self.tied.items() if one not in traces and two not in traces}
