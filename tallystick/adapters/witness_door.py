"""A witness over HTTP, as an item of the setting ``witnesses`` names it."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.adapters.posting import Answer, post
from tallystick.proof.keys import VerifierKey


@dataclass(frozen=True, slots=True)
class HttpWitness:
    """See ``app.prove.cosigning.WitnessDoor``."""

    key: VerifierKey
    url: str
    outside: bool

    def ask(self, body: bytes) -> Answer:
        """POST to add-checkpoint. Raises Unreachable."""
        return post(f"{self.url}/add-checkpoint", body, "text/plain; charset=utf-8")


def witness_of(text: str) -> HttpWitness:
    """The witness that "VERIFIERKEY URL" or "VERIFIERKEY URL outside" means. Raises BadInput for a bad key."""
    key, url, *rest = text.split()
    return HttpWitness(VerifierKey.parse(key), url, rest == ["outside"])
