"""Verification: the rooms' own rules as the judge of an evidence file (``proof.verify.Judge``).

The proof room holds bytes against commitments; here decisions, loops, readings and prices are made again. Everything
that comes in is from a file that a stranger may have written, so nothing but an ``Opinion`` ever comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, Final

from tallystick.app.acting.decided import Missing, differences, inputs_of, made_again
from tallystick.app.acting.policies import evaluator, remade
from tallystick.app.acting.watch import LoopRecord, loop_record
from tallystick.app.prove.bounds import LARGEST_DECLARATION, limits_too_much, row_too_much, steps_too_much
from tallystick.cost.loops import LoopLimits, Rung, replay
from tallystick.cost.rates import RateCard, Rates, load_card
from tallystick.cost.rates import buckets as buckets_of
from tallystick.govern.policy import PolicySet
from tallystick.model.canonical import canonical_json, read_canonical
from tallystick.model.commitment import COMMITMENT_KEY, Opening
from tallystick.model.errors import BadInput, TallystickError
from tallystick.model.step import Step
from tallystick.model.usage import Usage
from tallystick.observe.normalise import read_span
from tallystick.observe.repeats import repeats
from tallystick.observe.summary import order_of
from tallystick.proof.records import reading_of, source_of, span_of
from tallystick.proof.report import State
from tallystick.proof.verify.judge import HOLDS, Asked, LoopEvent, Opinion

_WRONG: Final = (
    TallystickError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError,
)  # fmt: skip
_COSTS: Final = ("cost_nano", "cost_gap")
_RATES: Final = tuple(field.name for field in fields(Rates))
_MOST_POLICIES: Final = 64


class HouseJudge:
    """Judges by this installation's policy engine, loop rules, dialects and arithmetic. One judge for each file."""

    def __init__(self) -> None:
        self._sets: dict[str, PolicySet | Opinion] = {}
        self._evaluator = evaluator()
        self._rows = RowPrices()
        self._steps: list[Step] = []  # every span that was read, without its contents

    # ── decisions ───────────────────────────────────────────────────────────────────────────────────────────────

    def decision(self, asked: Asked) -> Opinion:
        """Make one decision again from its recorded inputs."""
        if asked.policy is None:
            return Opinion(State.FINDING, "the policy set that it names is not here")
        try:
            return self._decision(asked, asked.policy)
        except _WRONG as error:
            return Opinion(State.FINDING, f"it cannot be made again: {_said(error)}")

    def _decision(self, asked: Asked, policy: Mapping[str, Any]) -> Opinion:
        policies = self._policies(asked, policy)
        if isinstance(policies, Opinion):
            return policies
        body = asked.body
        declaration = asked.text(body["declaration"])
        if declaration is not None and len(declaration) > LARGEST_DECLARATION:
            return Opinion(State.NOT_CHECKED, "the tool's declaration is too large")
        inputs = inputs_of(body, _openings(asked), _Texts(asked))
        if isinstance(inputs, Missing):
            return Opinion(State.NOT_CHECKED, inputs.why)
        if body["policy_answer"] is None:
            return _settled_before(body)
        ruling = made_again(inputs, policies)
        if isinstance(ruling, Missing):
            return Opinion(State.NOT_CHECKED, ruling.why)
        found = differences(body, inputs, policies, ruling)
        if policy["evaluator"] != self._evaluator and policies.decides:
            return Opinion(
                State.NOT_CHECKED, f"made by {str(policy['evaluator'])[:60]}, and here is {evaluator()}"
            )
        return Opinion(State.FINDING, f"decision {body['decision']}: {'; '.join(found)}") if found else HOLDS

    def _policies(self, asked: Asked, policy: Mapping[str, Any]) -> PolicySet | Opinion:
        known = self._sets.get(policy["digest"])
        if known is None:
            try:
                known = remade(policy, _Texts(asked))
            except _WRONG as error:
                known = Opinion(State.FINDING, f"its policy set cannot be made again: {_said(error)}")
            if (
                len(self._sets) >= _MOST_POLICIES
            ):  # making sets again and again is what a hostile file would want
                return Opinion(State.NOT_CHECKED, f"the file has more than {_MOST_POLICIES} policy sets")
            self._sets[policy["digest"]] = known
        return known

    # ── loops ───────────────────────────────────────────────────────────────────────────────────────────────────

    def loops(self, events: Sequence[LoopEvent]) -> Sequence[tuple[int, Opinion]]:
        """Apply the loop rules to one detector's turns and hold what they find against what was recorded."""
        told: list[tuple[int, LoopEvent, LoopRecord]] = []
        limits: LoopLimits | None = None
        for event in events:
            try:
                record = loop_record(event.body)
            except _WRONG as error:
                return [(event.seq, Opinion(State.FINDING, _said(error)))]
            if record is None or record.turn != len(told) + 1:
                return [
                    (event.seq, Opinion(State.FINDING, f"turn {len(told) + 1} of the detector is not here"))
                ]
            limits = limits or record.limits
            told.append((event.seq, event, record))
        if limits is not None and limits_too_much(asdict(limits)):
            return [(events[0].seq, Opinion(State.NOT_CHECKED, "the limits of the loop rules are too large"))]
        if limits is None:
            return [(events[0].seq, Opinion(State.FINDING, "the limits of the loop rules are not recorded"))]
        try:
            again = iter(replay([record.event for _, _, record in told], limits))
        except _WRONG as error:
            return [(events[0].seq, Opinion(State.FINDING, _said(error)))]
        found: list[tuple[int, Opinion]] = []
        for seq, event, record in told:
            if record.finding is not None:
                finding = next(again)
                now = (finding.rung, finding.rule, finding.repeats)
                found.append((seq, _loop_opinion(event.body, record.finding, now)))
        return found

    # ── readings and prices ─────────────────────────────────────────────────────────────────────────────────────

    def reading(self, leaf: Mapping[str, Any], content: bytes, source: Any) -> Opinion:
        """Read an opened span again."""
        try:
            ended = leaf["ended"]
            span = span_of(
                read_canonical(content), leaf["trace"], leaf["span"], leaf["parent"], int(leaf["started"]),
                None if ended is None else int(ended), source_of(source),
            )  # fmt: skip
            step = read_span(span)[0][0]
            again = reading_of(step)
        except _WRONG as error:
            return Opinion(State.FINDING, f"the span cannot be read: {_said(error)}")
        self._steps.append(replace(step, name="", error=None, links=(), facts=None))
        then = dict(leaf["step"])
        if "cost_nano" not in again:  # the price came from a rate card: see the charges
            then = {name: value for name, value in then.items() if name not in _COSTS}
        now = read_canonical(canonical_json(again))
        if now == then:
            return HOLDS
        names = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
        return Opinion(State.FINDING, f"step {leaf['span']} reads otherwise: {', '.join(names)[:120]}")

    def repeated(self, records: int) -> Mapping[str, str] | None:
        """The steps that repeat another one, where the span of every record was read."""
        steps = self._steps
        if len(steps) != records or steps_too_much(steps):
            return None
        return repeats(sorted(steps, key=lambda step: order_of(step)[:2]))

    def charge(
        self, leaf: Mapping[str, Any], buckets: Mapping[str, Any], rates: Mapping[str, Any], row: Mapping[str, Any]
    ) -> Opinion:  # fmt: skip
        """Find the rates in the row of the card, and the buckets in the recorded usage."""
        try:
            step = leaf["step"]
            too_much = row_too_much(row, step["model"])
            if too_much is not None:
                return Opinion(State.NOT_CHECKED, too_much)
            made = self._rows.priced(step, int(leaf["started"]), row)
        except _WRONG as error:
            return Opinion(State.FINDING, f"the price row cannot be read: {_said(error)}")
        if made is None:
            return Opinion(State.FINDING, f"the price row does not price model {str(step.get('model'))[:60]}")
        if made[0] != dict(rates):
            return Opinion(State.FINDING, "the rates are not those of the price row at that time")
        if made[1] != dict(buckets):
            return Opinion(State.FINDING, "the buckets are not the usage")
        if self._rows.named(step, row):
            return HOLDS
        return Opinion(State.NOT_CHECKED, "the span does not name the provider whose price it is")


class RowPrices:
    """Prices by single rows of a rate card; what a row says is read once."""

    def __init__(self) -> None:
        self._cards: dict[
            int, tuple[Mapping[str, Any], RateCard]
        ] = {}  # by identity, with what keeps it alive

    def priced(
        self, step: Mapping[str, Any], at: int, row: Mapping[str, Any]
    ) -> tuple[dict[str, int | None], dict[str, int]] | None:
        """Rates and buckets of a recorded step by a row of the rate card; None when the row does not price it.

        ``at`` is nanoseconds since the epoch. Raises BadInput for a row that is none.
        """
        known = self._cards.get(id(row))
        if known is None:
            known = self._cards[id(row)] = (row, load_card([{"provider": row["provider"]}, row]))
        model = step["model"]
        card = known[1]
        found = card.find(row["provider"], model) or card.find(row["provider"], model.partition("/")[2])
        era = None if found is None else found.era(at)
        if era is None:
            return None
        usage = Usage(**step.get("usage", {}))
        rates = era.rates(usage.input_tokens or 0)
        if usage.output_tokens is None and rates.output is None:
            usage = Usage(usage.input_tokens, 0, usage.cache_read_tokens, usage.cache_write_tokens)
        counts = buckets_of(usage)
        return None if counts is None else ({name: getattr(rates, name) for name in _RATES}, counts._asdict())

    def named(self, step: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
        """Whether a recorded step that the row prices names its provider, by a name that needs no other row."""
        provider, model, card = step.get("provider"), step["model"], self._cards[id(row)][1]
        return type(provider) is str and any(
            card.find(provider, one) for one in (model, model.partition("/")[2])
        )


def _loop_opinion(
    body: Mapping[str, Any], then: tuple[Rung, str, int], now: tuple[Rung, str, int]
) -> Opinion:
    if then != now:
        return Opinion(
            State.FINDING,
            f"the loop rules say {now[0].name.lower()}, recorded is {then[0].name.lower()}"
            if then[0] is not now[0]
            else "the loop rules give another rule or count",
        )
    settles = now[0] >= Rung.REFUSED
    if settles != (body["stage"] == "loop") or (settles and body["answer"] != "deny"):
        return Opinion(State.FINDING, f"the loop rules say {now[0].name.lower()}, and the decision does not")
    return HOLDS


def _settled_before(body: Mapping[str, Any]) -> Opinion:
    """Another stage refused before a policy was asked; what it said is checked where it belongs."""
    if body["answer"] != "deny" or body["stage"] == "policy":
        return Opinion(State.FINDING, f"decision {body['decision']} has an answer that no policy gave")
    return HOLDS


class _Texts(Mapping[str, str]):
    """The file's texts, by digest."""

    def __init__(self, asked: Asked) -> None:
        self._text = asked.text

    def __getitem__(self, named: str) -> str:
        text = self._text(named)
        if text is None:
            raise KeyError(f"text {named[:12]}")
        return text

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


def _openings(asked: Asked) -> Mapping[str, Opening]:
    """The openings of a decision's arguments, as the reader of decisions wants them. They were checked already."""
    found: dict[str, Opening] = {}
    for one in (asked.body["arguments"] or {}).values():
        named = one[COMMITMENT_KEY]
        opened, value = asked.opened(named)
        found[named] = (
            Opening(named, b"", canonical_json(value)) if opened else Opening(named, None, None, str(value))
        )
    return found


def _said(error: Exception) -> str:
    return (error.message if isinstance(error, BadInput) else repr(error))[:200]
