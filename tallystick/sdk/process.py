"""Who this process is, in a way that another process can check after a crash."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def process_name() -> str:
    """Return "host/boot/pid/start" of this process.

    ``boot`` is the kernel's boot id and ``start`` the start time in clock ticks since boot (field 22 of
    /proc/self/stat); both are "0" where the system has no /proc. A reused pid has another start time.
    """
    return f"{_plain(socket.gethostname())}/{_boot()}/{os.getpid()}/{_start()}"


def _plain(host: str) -> str:
    return host.replace("/", "_") or "localhost"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "0"


def _start() -> str:
    try:
        stat = Path("/proc/self/stat").read_bytes()
    except OSError:
        return "0"
    # The command name in field 2 may hold blanks and brackets; what follows the last bracket is regular.
    return stat.rsplit(b")", 1)[1].split()[19].decode("ascii")
