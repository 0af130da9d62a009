"""Rate cards in the journal: each card that prices anything is named once, by the Merkle root over its rows."""

from __future__ import annotations

from typing import Final

from tallystick.cost.rates import RateCard
from tallystick.model.canonical import canonical_json, digest_bytes
from tallystick.model.journal import Draft
from tallystick.ports import ControlStore
from tallystick.proof.merkle import leaf_hash, root_of

_CARDS: Final = 1_000


def card_root(card: RateCard) -> str:
    """The Merkle root (hex) over the canonical JSON of the card's rows."""
    return root_of(leaf_hash(canonical_json(row)) for row in card.rows()).hex()


def card_entry(card: RateCard) -> Draft:
    """The entry that names a card; the rows are a text of the journal."""
    text = canonical_json(list(card.rows()))
    named, root = digest_bytes(text), card_root(card)
    body = {"card": root, "rows": len(card.rows()), "made": card.made, "text": named}
    return Draft("rates.loaded", root, body, texts={named: text.decode()})


def name_card(control: ControlStore, card: RateCard) -> None:
    """Write the entry of a card, unless the journal named it last."""
    known = control.entries(kind="rates.loaded", limit=_CARDS)
    if not known or known[-1].body["card"] != card_root(card):
        control.append([card_entry(card)])
