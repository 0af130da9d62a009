"""Salted commitments: how the record holds on to a content that may be withheld or erased.

The record keeps the commitment for ever and the opening (salt and content) apart from it. With the opening anybody can
check that the content is what was committed to; without it nobody can guess the content, because the salt is random.
Erasing the opening erases the content and leaves every proof standing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from typing import Any, Final

from tallystick.model.canonical import canonical_json
from tallystick.model.errors import BadInput

SALT_BYTES: Final = 16
COMMITMENT_KEY: Final = "commitment"  # {"commitment": "<64 hex digits>"} stands in a body where a content was
_PREFIX: Final = b"\x02"  # RFC 6962 uses 0x00 for leaves and 0x01 for nodes


def commitment(content: bytes, salt: bytes) -> str:
    """SHA-256(0x02 ‖ salt ‖ content) as 64 hex digits; ``content`` is the RFC 8785 form of the value.

    Raises BadInput for a salt of another length than 16 bytes: salt and content are not divided in what is hashed, so
    with a longer salt the end of a content would open the commitment to the whole.
    """
    if len(salt) != SALT_BYTES:
        raise BadInput(f"the salt of a commitment has {SALT_BYTES} bytes")
    return sha256(_PREFIX + salt + content).hexdigest()


def derived_salt(root: bytes, name: str) -> bytes:
    """A salt for one of several contents that share a root salt: knowing one opening does not open the others."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=SALT_BYTES, key=root).digest()


@dataclass(frozen=True, slots=True)
class Content:
    """A value that a journal entry commits to and does not hold.

    ``keep`` false: the opening is not stored either (the value is too large, or stands elsewhere); ``why`` says so to
    those who look for it. Raises BadInput for a value without canonical JSON.
    """

    value: Any
    salt: bytes
    keep: bool = True
    why: str | None = None
    bytes: bytes = field(init=False, repr=False, compare=False)
    commitment: str = field(init=False)

    def __post_init__(self) -> None:
        content = canonical_json(self.value)
        object.__setattr__(self, "bytes", content)
        object.__setattr__(self, "commitment", commitment(content, self.salt))


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens a commitment: the salt and the content's RFC 8785 bytes. ``content`` None: withheld, ``why`` says."""

    commitment: str
    salt: bytes | None
    content: bytes | None
    why: str | None = None

    @property
    def fits(self) -> bool:
        """Whether salt and content are what was committed to (false when they are withheld)."""
        return (
            self.salt is not None and len(self.salt) == SALT_BYTES and self.content is not None
            and commitment(self.content, self.salt) == self.commitment
        )  # fmt: skip
