"""Segment files of the spool: allocated whole when they are made, then filled by copying into a shared memory mapping.

A copy into a shared mapping is in the kernel's page cache at once: it outlives ``kill -9`` as a write(2) would, without
the system call. Two things can go wrong with a mapping that cannot with a write, and both are met when the file is
made: a full disk (all blocks are allocated before the first byte is copied; else the process would die of SIGBUS) and a
filesystem that may break such a promise later (network, copy on write). Only filesystems known to keep it are mapped;
all others, and all systems without Linux's list of mounts, get one positioned write per frame instead.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

MAPPED = frozenset({"ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "xfs"})
_MOUNTS = Path("/proc/self/mountinfo")
_ZEROS = bytes(64 * 1024)


class Segment:
    """One segment file. ``size`` counts whole frames only; a sealed segment gets no more of them.

    ``room`` is what the file may grow to (bytes on disk until it is sealed), ``map`` takes slice assignments.
    """

    __slots__ = ("descriptor", "map", "path", "room", "sealed", "size")

    def __init__(self, path: Path, room: int, *, mapped: bool) -> None:
        """Make the file with ``room`` bytes of zeros. Raises OSError, and leaves no file, when there is no space."""
        self.path = path
        self.room = room
        self.size = 0
        self.sealed = False
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _allocate(self.descriptor, room)
            self.map: Any = mmap.mmap(self.descriptor, room) if mapped else Written(self.descriptor)
        except BaseException:
            os.close(self.descriptor)
            path.unlink()
            raise

    def seal(self) -> None:
        """Cut the file down to its frames and let go of it."""
        if self.sealed:
            return
        self.sealed = True
        self.map.close()
        os.ftruncate(self.descriptor, self.size)
        os.close(self.descriptor)
        self.room = self.size

    def forget(self) -> None:
        """Let go without touching the file: it belongs to the parent process."""
        if not self.sealed:
            self.sealed = True
            self.map.close()
            os.close(self.descriptor)


class Written:
    """Takes slice assignments as a mapping does, by writing to the file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __setitem__(self, where: slice, data: bytes) -> None:
        """Write ``data`` at ``where``. Raises OSError; a part may have been written then."""
        written = os.pwrite(self._descriptor, data, where.start)
        if written < len(data):
            raise OSError(f"only {written} of {len(data)} bytes could be written")

    def close(self) -> None:
        """The descriptor is the segment's."""


def may_map(folder: Path, mounts: Path = _MOUNTS) -> bool:
    """Whether the folder lies on a filesystem that keeps what allocation promises (see MAPPED)."""
    try:
        device = folder.stat().st_dev
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:  # "36 35 98:0 / /mnt rw,noatime shared:1 - ext4 /dev/sda1 rw"
        left, _, right = line.partition(" - ")
        if left.split(" ", 3)[2:3] == [wanted]:
            return right.split(" ", 1)[0] in MAPPED
    return False


def _allocate(descriptor: int, room: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, room)
        return
    at = 0
    while at < room:
        at += os.pwrite(descriptor, _ZEROS[: room - at], at)
