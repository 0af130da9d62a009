"""Places outside the store that get every checkpoint: a file, a git repository, an HTTP address.

A checkpoint in other hands is what shows a rewritten journal. Each place takes a checkpoint that it has already as
done, so that a failed export can simply be tried again.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallystick.adapters.posting import post, shown
from tallystick.app.prove.checkpoints import Signed
from tallystick.model.errors import StoreFault, Unreachable

_GIT_S: Final = 20.0
_NOT_SLUG: Final = re.compile(r"[^a-z0-9]+")
_ME: Final = (
    "-c",
    "user.name=Tallystick",
    "-c",
    "user.email=journal@tallystick.invalid",
    "-c",
    "commit.gpgsign=false",
)


@dataclass(frozen=True, slots=True)
class FileTarget:
    """Appends notes to a file, each followed by an empty line; the one that stands last is not written again."""

    path: Path

    @property
    def name(self) -> str:
        """The target as it stands in the settings."""
        return f"file:{self.path}"

    def send(self, signed: Signed) -> None:
        """Append a note; on the disk on return. Raises StoreFault."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+", buffering=0) as file:
                content = f"{signed.note}\n".encode()
                before = os.fstat(file.fileno()).st_size
                if os.pread(file.fileno(), len(content), max(0, before - len(content))) == content:
                    return
                try:
                    _write_whole(file.fileno(), content)
                except OSError:
                    os.ftruncate(file.fileno(), before)  # half a note would spoil the one that is tried next
                    raise
        except OSError as error:
            raise StoreFault(f"{self.path} cannot be written: {error.strerror}") from error


def _write_whole(descriptor: int, content: bytes) -> None:
    """Write all of it, on the disk on return; a disk that fills up takes a part first, and refuses the next."""
    while content:
        content = content[os.write(descriptor, content) :]
    os.fsync(descriptor)


@dataclass(frozen=True, slots=True)
class GitTarget:
    """Commits ``checkpoints/<origin>/<size>`` in a repository. Nothing is pushed and nothing else is committed."""

    path: Path

    @property
    def name(self) -> str:
        """The target as it stands in the settings."""
        return f"git:{self.path}"

    def send(self, signed: Signed) -> None:
        """Write and commit a note. Raises StoreFault with what git said."""
        checkpoint = signed.checkpoint
        place = Path("checkpoints") / slug(checkpoint.origin) / str(checkpoint.size)
        if not (self.path / ".git").exists():
            raise StoreFault(f"{self.path} is not the top of a git repository", hint=f"git init {self.path}")
        try:
            file = self.path / place
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.resolve().is_relative_to(self.path.resolve()):
                raise StoreFault(f"{file} leads out of the repository by a link")
            file.write_text(signed.note, encoding="utf-8")
        except OSError as error:
            raise StoreFault(f"{self.path / place} cannot be written: {error.strerror}") from error
        self._git("add", "--force", "--", place.as_posix())
        if self._git("status", "--porcelain", "--", place.as_posix()).strip():
            message = f"Checkpoint {checkpoint.size} of {checkpoint.origin}"
            self._git(
                *_ME, "commit", "--quiet", "--no-verify", "--only", "-m", message, "--", place.as_posix()
            )

    def _git(self, *arguments: str) -> str:
        # A repository's hooks and the user's git variables have no say in what happens here.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        environment["GIT_TERMINAL_PROMPT"] = "0"
        command = ["git", "-C", str(self.path), "-c", "core.hooksPath=/dev/null", *arguments]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, errors="replace", timeout=_GIT_S,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise StoreFault("git is not installed", hint="install git, or export to a file") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StoreFault(f"git in {self.path} did not end: {error}") from error
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise StoreFault(f"git in {self.path}: {said[-1] if said else 'failed without a word'}")
        return done.stdout


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """Posts notes as text/plain; any 2xx answer will do, a redirect will not."""

    url: str

    @property
    def name(self) -> str:
        """The target without a query, which may hold a secret."""
        return shown(self.url)

    def send(self, signed: Signed) -> None:
        """Post a note. Raises Unreachable."""
        answer = post(self.url, signed.note.encode(), "text/plain; charset=utf-8")
        if not 200 <= answer.status < 300:
            raise Unreachable(f"{self.name} answered HTTP {answer.status}")


def target_of(text: str) -> FileTarget | GitTarget | HttpTarget:
    """The target that an item of ``checkpoint_export`` means (``config.keys`` has read it before)."""
    scheme, _, rest = text.partition(":")
    if scheme == "file":
        return FileTarget(Path(rest))
    if scheme == "git":
        return GitTarget(Path(rest))
    return HttpTarget(text)


def slug(origin: str) -> str:
    """An origin as the name of a folder: small letters, digits and hyphens."""
    return _NOT_SLUG.sub("-", origin.lower()).strip("-")[:100] or "journal"
