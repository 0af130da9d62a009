"""Who this process is, and whether another one still lives.

A process is named "host/boot/pid/start". The boot id and the start time keep a pid that was given out again from
passing for the old process; from another host or boot nothing can be told.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

_PROC = Path("/proc")
_NOBODY = "-"  # stands for a part that this system does not tell


def identity(pid: int | None = None) -> str:
    """The name of a process of this host (this one by default)."""
    number = os.getpid() if pid is None else pid
    stat = _stat(number)
    return f"{_host()}/{_boot()}/{number}/{stat[1] if stat else _NOBODY}"


def alive(process: str) -> bool | None:
    """True while the named process lives, False when it is gone, None when that cannot be told from here."""
    parts = process.split("/")
    if len(parts) != 4 or not parts[2].isdigit() or len(parts[2]) > 9:
        return None
    host, boot, pid, start = parts
    if host != _host() or boot != _boot() or _NOBODY in (boot, start):
        return None
    stat = _stat(int(pid))
    return stat is not None and stat[1] == start and stat[0] not in ("Z", "X")


def _host() -> str:
    return socket.gethostname().replace("/", "_")


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux: then nobody can be told dead by this
        return _NOBODY


def _stat(pid: int) -> tuple[str, str] | None:
    """State and start time (clock ticks after boot) of a process; None when there is no such process."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[
        2
    ].split()  # the command, which may hold anything, stands in brackets before
    return (fields[0], fields[19]) if len(fields) > 19 else None
