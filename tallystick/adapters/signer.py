"""The journal's signing key in a file: Ed25519, made when it is first needed, readable by its owner alone.

``journal.key`` holds one line as Go's ``note`` package writes private keys,
``PRIVATE+KEY+<name>+<key id>+<base64(type ‖ seed)>``: the key carries its name, so every process that signs for a
journal signs under the same origin, whatever its settings say. ``journal.pub`` beside it holds the verifier keys to
hand out, newest first; those of retired keys stay there, since what they signed must still be verifiable.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tallystick.model.errors import ConfigError, StoreFault
from tallystick.proof.keys import COSIGNATURE, ED25519, VerifierKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE: Final = "journal.key"
_HEAD: Final = "PRIVATE+KEY+"
_SEED_BYTES: Final = 32


class FileSigner:
    """Signs with the key in one file (``ports.Signer``). ``path`` is the private key's file."""

    def __init__(self, path: Path, key: VerifierKey, private: Ed25519PrivateKey) -> None:
        self.path = path
        self.key = key
        self._private = private

    @property
    def verifier_key(self) -> str:
        """The public key as a C2SP verifier key."""
        return self.key.text

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature (64 bytes)."""
        return self._private.sign(message)

    def seed(self) -> bytes:
        """The private key (32 bytes), for what signs with a library of its own. A secret."""
        return self._private.private_bytes_raw()


def open_signer(path: Path, *, name: str | None = None, algorithm: int = ED25519) -> FileSigner:
    """The key in ``path``; where there is none it is made, and of several processes that make one, one wins.

    ``name`` is what a new key is called (unset: after the key), and what an old one must be called. Raises StoreFault
    for a file that others may read, that is no key or that cannot be made, and ConfigError for another name.
    """
    if not _is_there(path):
        with _turn(path):
            if not _is_there(path):
                _write(path, _fresh(name, algorithm))
    signer = read_signer(path)
    if name is not None and signer.key.name != name:
        raise ConfigError(
            f"the key in {path} is called {signer.key.name!r}, and {name!r} is asked for",
            hint="a key keeps its name; a new one is made with: tally journal key rotate", file=str(path),
        )  # fmt: skip
    return signer


def rotate(path: Path, *, name: str | None = None) -> FileSigner:
    """Put a new key in the place of the one in ``path``; the old private key is gone, its public key is kept."""
    with _turn(path):
        if name is None and _is_there(path):
            old = read_signer(path).key
            name = None if old.name == _default_name(old.type, old.public) else old.name
        _write(path, _fresh(name, ED25519))
    return read_signer(path)


def _is_there(path: Path) -> bool:
    """Whether there is a key. Raises StoreFault where nobody can tell: then no new one is made in its place."""
    try:
        return path.exists()
    except OSError as error:
        raise StoreFault(
            f"the key {path} cannot be read: {error.strerror}", hint=f"check {path.parent}", path=str(path)
        ) from error


def read_signer(path: Path) -> FileSigner:
    """The key in ``path``. Raises StoreFault for a file that is missing, is no key or may be read by others."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            line = file.read(4096)
    except OSError as error:
        raise StoreFault(f"the key {path} cannot be read: {error.strerror}", path=str(path)) from error
    if os.name == "posix" and mode & 0o077:
        raise StoreFault(
            f"others on this machine may read the key {path}",
            hint=f"chmod 600 {path}; if somebody may have read it, then: tally journal key rotate",
            path=str(path),
        )
    try:
        name, told, blob = line.decode("utf-8").strip().removeprefix(_HEAD).split("+", 2)
        raw = base64.b64decode(blob, validate=True)
    except (UnicodeDecodeError, ValueError, binascii.Error) as error:
        raise _no_key(path) from error
    if not line.startswith(_HEAD.encode()) or len(raw) != _SEED_BYTES + 1:
        raise _no_key(path)
    private, public = _pair(raw[1:])
    key = VerifierKey.of(name, raw[0], public)
    if key.id.hex() != told:
        raise _no_key(path)
    return FileSigner(path, key, private)


def _no_key(path: Path) -> StoreFault:
    return StoreFault(
        f"{path} does not hold a signing key",
        hint="put a backup in its place, or move it aside: a new key is made when one is needed", path=str(path),
    )  # fmt: skip


def _pair(seed: bytes) -> tuple[Ed25519PrivateKey, bytes]:
    # Imported here: it costs a tenth of a second, and most processes never sign.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(seed)
    return private, private.public_key().public_bytes_raw()


def _default_name(algorithm: int, public: bytes) -> str:
    place = "witness.local" if algorithm == COSIGNATURE else "tallystick.local"
    return f"{place}/{sha256(public).hexdigest()[:8]}"


def _fresh(name: str | None, algorithm: int) -> tuple[str, VerifierKey]:
    seed = os.urandom(_SEED_BYTES)
    _, public = _pair(seed)
    key = VerifierKey.of(name or _default_name(algorithm, public), algorithm, public)
    blob = base64.b64encode(bytes((algorithm,)) + seed).decode()
    return f"{_HEAD}{key.name}+{key.id.hex()}+{blob}\n", key


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """One process at a time makes or changes the key."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise StoreFault(f"no key can be made in {path.parent}: {error.strerror}", path=str(path)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, made: tuple[str, VerifierKey]) -> None:
    """Private file first: a public key that nobody can sign with is worse than none."""
    private, key = made
    public = path.with_suffix(".pub")
    try:
        _replace(path, private, 0o600)
        before = public.read_text("utf-8") if public.exists() else ""
        _replace(public, f"{key.text}\n{before}", 0o644)
    except OSError as error:
        raise StoreFault(
            f"the key {path} cannot be written: {error.strerror}", hint=f"check {path.parent}", path=str(path)
        ) from error


def _replace(path: Path, text: str, mode: int) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(text.encode())  # all of it, or an error: a torn key must never replace a whole one
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
