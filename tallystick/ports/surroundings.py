"""What a pure house needs from the world around it: time, identity, a signature."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        ...


class Ids(Protocol):
    """Identity, injected."""

    def new(self, prefix: str) -> str:
        """A fresh id such as ``apr_01J…``: sortable by time, unguessable."""
        ...

    def salt(self) -> bytes:
        """16 random bytes for a commitment."""
        ...


class Signer(Protocol):
    """Signs for this journal. The private key never leaves the adapter."""

    @property
    def verifier_key(self) -> str:
        """The public key as a C2SP verifier key; its name is the journal's origin."""
        ...

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature (64 bytes)."""
        ...
