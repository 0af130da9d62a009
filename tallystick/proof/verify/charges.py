"""Charges: each is a record's cost, follows from usage and price, stands in the journal's root, and all add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.model.canonical import canonical_json
from tallystick.model.journal import Entry
from tallystick.model.money import round_pico
from tallystick.proof.lines import Line
from tallystick.proof.merkle import leaf_hash, root_from_inclusion, root_of
from tallystick.proof.report import Checklist
from tallystick.proof.verify.budgets import number
from tallystick.proof.verify.decisions import NO_JUDGE, tell
from tallystick.proof.verify.judge import Judge
from tallystick.proof.verify.records import Records
from tallystick.proof.verify.seals import Seals
from tallystick.proof.verify.seen import Seen, hash_of

_CHECK: Final = "charges"
_BUCKETS: Final = ("fresh", "read", "write", "output", "reasoning")
_PLAIN: Final = {
    "read": "fresh",
    "write": "fresh",
    "reasoning": "output",
}  # billed so where it has no price of its own


class Charges:
    """Follows prices and charges."""

    def __init__(
        self, told: Checklist, seen: Seen, records: Records, seals: Seals, judge: Judge | None
    ) -> None:
        self._told = told
        self._seen = seen
        self._records = records
        self._seals = seals
        self._judge = judge
        self._cards: set[str] = set()
        self._rows: dict[int, tuple[str, Mapping[str, Any]]] = {}
        self._charged: tuple[int, Mapping[str, Any]] | None = None
        self._sealed = 0
        self._hashes: list[bytes] = []
        self._known = 0
        self._unknown = 0
        self._order = -1
        self._used: set[int] = set()
        self._charging: set[tuple[str, str]] = set()  # steps that are charged
        self._declared: dict[str, int | None] = {}  # step -> the price that its tool declares, nano-dollars

    def entry(self, entry: Entry) -> None:
        """Look at one entry."""
        if entry.kind == "rates.loaded":
            self._cards.add(entry.body["card"])
        elif entry.kind == "run.charged" and entry.body["run"] == self._seen.run:
            self._charged = (entry.seq, entry.body)
        elif entry.kind == "run.sealed" and entry.body["run"] == self._seen.run:
            self._sealed += 1
        elif entry.kind == "decision.made":
            declaration = self._seen.declaration(entry.body["declaration"])
            if declaration is not None:
                self._declared[entry.body["step"]] = declaration["price_nano"]

    def price(self, line: Line) -> None:
        """A row of the rate card, with its way to the card's root."""
        value = line.value
        if number(value["index"]) <= max(self._rows, default=-1):
            self._told.finding("format", line.place, "price rows are not in the order of their index")
        leaf = leaf_hash(canonical_json(value["row"]))
        path = [hash_of(one) for one in value["path"]]
        root = root_from_inclusion(value["index"], value["size"], leaf, path)
        if root is None or root.hex() != value["card"]:
            self._told.finding(_CHECK, line.place, "the row is not in the rate card that it names")
        else:
            self._told.holds(_CHECK)
        self._rows[value["index"]] = (value["card"], value["row"])
        self._seen.keep(len(line.raw))

    def charge(self, line: Line) -> None:
        """One charge."""
        leaf = line.value["leaf"]
        if set(leaf) != {"gap", "nano", "span", "trace"}:
            raise TypeError("it does not have the fields of a charge")
        self._hashes.append(leaf_hash(canonical_json(leaf)))
        self._seals.charge(leaf)
        if leaf["nano"] is None:
            self._unknown += 1
        else:
            self._known += number(leaf["nano"])
        found = self._records.costed.get((leaf["trace"], leaf["span"]))
        if found is None:
            self._told.finding(_CHECK, line.place, "no record here has this cost")
            return
        if found.order <= self._order:
            self._told.finding(_CHECK, line.place, "charges are not in the order of their records")
        self._order = found.order
        self._charging.add((leaf["trace"], leaf["span"]))
        step = found.leaf["step"]
        if leaf["nano"] != step.get("cost_nano") or leaf["gap"] != step.get("cost_gap"):
            self._told.finding(_CHECK, line.place, f"the record of step {leaf['span']} says another cost")
        self._made(line, found.leaf)

    def _made(self, line: Line, record: Mapping[str, Any]) -> None:
        """How the charge was made, where a price was used."""
        value, nano = line.value, line.value["leaf"]["nano"]
        buckets, rates, price = value["buckets"], value["rates"], value["price"]
        if buckets is None and rates is None and price is None:
            declared = self._declared.get(value["leaf"]["span"])
            if nano is None:
                self._told.not_checked(_CHECK, line.place, "what the step cost is not known")
            elif declared is not None and number(declared) == nano:
                self._told.holds(_CHECK)
            elif declared is not None and record["step"].get("kind") == "tool":
                self._told.finding(_CHECK, line.place, "the tool's declaration names another price")
            else:
                self._told.not_checked(
                    _CHECK,
                    line.place,
                    "no row of the rate card comes with it: the sender named the cost, or an earlier card",
                )
            return
        if nano is None or round_pico(pico(rates, buckets)) != number(nano):
            self._told.finding(_CHECK, line.place, "buckets and rates do not give the charge")
            return
        if price not in self._rows:
            self._told.finding(_CHECK, line.place, "the price row that it names is not here")
            return
        card, row = self._rows[price]
        self._used.add(price)
        if self._charged is None or self._charged[1]["card"] != card:
            self._told.finding(_CHECK, line.place, "the price is of another rate card than the run's")
        if self._judge is None:
            self._told.holds(_CHECK)
            self._told.not_checked(_CHECK, line.place, NO_JUDGE)
            return
        tell(self._told, _CHECK, line.place, self._judge.charge(record, buckets, rates, row))

    def finish(self) -> None:
        """Root, number and sum are those that the journal says."""
        for index in sorted(self._rows.keys() - self._used):
            self._told.finding("format", f"price {index}", "no charge names this row")
        for _, span in sorted(self._records.costed.keys() - self._charging):
            self._told.not_checked(
                _CHECK,
                f"step {span}",
                "it has a cost and is not charged: whether it repeats another is not judged",
            )
        if self._charged is None:
            if self._sealed or self._hashes:
                self._told.finding(_CHECK, "", "the journal does not say what this run cost")
            return
        seq, body = self._charged
        place = f"entry {seq}"
        if root_of(self._hashes).hex() != body["root"] or body["rows"] != len(self._hashes):
            self._told.finding(_CHECK, place, "the charges here are not those that the journal says")
        if number(body["known_nano"]) != self._known or body["unknown"] != self._unknown:
            self._told.finding(_CHECK, place, "the charges do not add up to the total")
        if self._used and body["card"] not in self._cards:
            self._told.finding(_CHECK, place, "the journal does not say when this rate card was loaded")
        self._told.holds(_CHECK)


def pico(rates: Mapping[str, Any], buckets: Mapping[str, Any]) -> int:
    """Pico-dollars of disjoint token counts: each count times its rate, plus what a call costs."""
    total = number(rates["call"])
    for name in _BUCKETS:
        rate = rates[name]
        if rate is None:
            rate = rates[_PLAIN.get(name, name)]
        total += number(buckets[name]) * (0 if rate is None else number(rate))
    return total
