"""Pricing: which rate card is in use stands in the journal, so that any price can be looked up in it afterwards."""

from __future__ import annotations

import threading
from functools import lru_cache

from tallystick.cost.rates import RateCard
from tallystick.model.canonical import canonical_json, digest_bytes
from tallystick.model.journal import Draft
from tallystick.ports import ControlStore
from tallystick.proof.merkle import leaf_hash, root_of


@lru_cache(maxsize=2)
def card_entry(card: RateCard) -> Draft:
    """The entry that names a rate card: the Merkle root over its rows, and all of them as a text.

    Raises BadInput for a row without canonical JSON.
    """
    leaves = [canonical_json(row) for row in card.rows()]
    root = root_of(map(leaf_hash, leaves)).hex()
    text = b"[" + b",".join(leaves) + b"]"  # that is the canonical JSON of the list
    named = digest_bytes(text)
    body = {"card": root, "rows": len(leaves), "made": card.made, "text": named}
    return Draft("rates.loaded", root, body, texts={named: text.decode("utf-8")})


class CardNotice:
    """Names a rate card in the journal when it is first used. Safe to use from several threads."""

    def __init__(self, control: ControlStore, card: RateCard) -> None:
        self._control = control
        self._card = card
        self._given = False
        self._lock = threading.Lock()

    def give(self) -> None:
        """Write the entry, unless the journal names this card last. Raises what the store raises."""
        with self._lock:
            if self._given:
                return
            entry = card_entry(self._card)
            if self._named_last() != entry.subject:
                self._control.append([entry])
            self._given = True

    def _named_last(self) -> str | None:
        found = self._control.entries(kind="rates.loaded", newest=True, limit=1)
        return found[0].subject if found else None
