"""Who gives this command: the operating system's user, not a name that anyone can type."""

from __future__ import annotations

import getpass
import os


def this_person() -> str:
    """The user of this process; a bare number where the system has no name for it."""
    if os.name == "posix":
        import pwd

        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # a container may run under a number that nobody named
            return f"uid:{os.getuid()}"
    return getpass.getuser()
