"""The store's key for the tokens of its agents: Ed25519, in ``keys/`` of the store, for its owner alone.

``keys/identity.key`` signs; ``keys/identity.pub`` holds every public key that ever did, newest first, in the form of
the journal's keys (``adapters.signer``). A token names the key that signed it by the key's id, as a number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tallystick.adapters import biscuits
from tallystick.adapters.biscuits import Opened
from tallystick.adapters.signer import FileSigner, open_signer, rotate
from tallystick.model.errors import BadInput, StoreFault
from tallystick.model.identity import Block
from tallystick.proof.keys import VerifierKey

KEY_PLACE: Final = ("keys", "identity.key")


class IdentityKeys:
    """Makes, narrows and opens tokens with the keys of one store folder (``app.acting.identity.Tokens``)."""

    def __init__(self, store: Path, *, told: Callable[[VerifierKey], None] | None = None) -> None:
        """``told`` hears of the key before it signs for the first time in this process."""
        self._path = store.joinpath(*KEY_PLACE)
        self._told = told
        self._lock = threading.Lock()
        self._signer: FileSigner | None = None
        self._public: dict[int, bytes] = {}
        self._read: tuple[int, int] | None = None

    def mint(self, block: Block) -> str:
        """A new token, signed with the newest key. Raises StoreFault where the key cannot be used."""
        signer = self._signing()
        return biscuits.mint(block, signer.seed(), number_of(signer.key))

    def narrow(self, token: str, block: Block) -> str:
        """The token with one block more. Raises BadInput for one that is not genuine."""
        return biscuits.append(token, block, self.public)

    def opened(self, token: str) -> Opened:
        """The blocks of a token. Raises BadInput for one that is not genuine."""
        return biscuits.opened(token, self.public)

    def public(self, number: int) -> bytes | None:
        """The public key of a number (32 bytes), or None."""
        with self._lock:
            if number not in self._public:
                self._look()
            return self._public.get(number)

    def keys(self) -> Sequence[VerifierKey]:
        """Every key that ever signed, newest first."""
        try:
            lines = self._path.with_suffix(".pub").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError) as error:
            raise StoreFault(f"{self._path.with_suffix('.pub')} cannot be read: {error}") from error
        try:
            return tuple(VerifierKey.parse(line) for line in lines if line.strip())
        except BadInput as error:
            raise StoreFault(f"{self._path.with_suffix('.pub')} holds what is no key") from error

    def signing_key(self) -> VerifierKey:
        """The key that signs now; it is made where there is none. Raises StoreFault."""
        return self._signing().key

    def rotate(self) -> VerifierKey:
        """Put a new key in the place of the one that signs. Tokens of the old one hold until it is retired."""
        with self._lock:
            self._signer = None
            made = rotate(self._path).key
        self._tell(made)
        return made

    def _signing(self) -> FileSigner:
        """The signer, read again when another process replaced its file."""
        with self._lock:
            stamp = self._stamp()
            if self._signer is None or stamp is None or stamp != self._read:
                signer = open_signer(self._path)
                self._path.parent.chmod(0o700)
                self._tell(signer.key)
                self._signer, self._read = signer, self._stamp()
            return self._signer

    def _tell(self, key: VerifierKey) -> None:
        if self._told is not None:
            self._told(key)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _look(self) -> None:
        self._public = {number_of(key): key.public for key in self.keys()}


def number_of(key: VerifierKey) -> int:
    """The number by which tokens name a key."""
    return int.from_bytes(key.id)
