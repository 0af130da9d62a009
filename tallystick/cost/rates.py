"""What tokens cost: a rate card of integer pico-dollars per token, by provider and model, with dates.

A card is rows of data (see ``load_card``). Looking a model up walks clauses once; afterwards pricing a call is one
dictionary access and a few integer products, because it happens for every model call that is ingested. An unknown
model has no price: that is said, never guessed, and never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple, TypeAlias

from tallystick.cost.matching import Matcher, compile_clause, dashed_date
from tallystick.model.errors import BadInput
from tallystick.model.money import round_pico
from tallystick.model.usage import Usage

NO_USAGE_GAP: Final = "no usage"
NO_PRICE_GAP: Final = "no price"
PARTIAL_GAP: Final = "partial usage"

_DAY_NS: Final = 86_400_000_000_000
_MINUTE_NS: Final = 60_000_000_000
_EPOCH: Final = date(1970, 1, 1).toordinal()
_REMEMBERED: Final = 4096  # names come from outside, so what is remembered of them is bounded


@dataclass(frozen=True, slots=True)
class Rates:
    """Pico-dollars per token of each disjoint bucket; ``call`` is per request. None: the bucket is not sold."""

    fresh: int | None
    read: int | None
    write: int | None
    output: int | None
    reasoning: int | None
    call: int = 0

    @property
    def highest_input(self) -> int:
        """The dearest way an input token can be billed."""
        return max(self.fresh or 0, self.read or 0, self.write or 0)

    @property
    def highest_output(self) -> int:
        """The dearest way an output token can be billed."""
        return max(self.output or 0, self.reasoning or 0)


class Buckets(NamedTuple):
    """Token counts that do not overlap: their sum is input plus output tokens."""

    fresh: int
    read: int
    write: int
    output: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class Era:
    """One row of prices and when it holds.

    ``since`` is a UTC day number (0: always), ``window`` minutes of the UTC day [from, to), ``tiers`` the rates above
    a number of input tokens (all tokens of such a call pay them), highest threshold first.
    """

    since: int
    window: tuple[int, int] | None
    base: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()

    def active(self, at: int) -> bool:
        """Whether the row holds at a time in nanoseconds since the epoch."""
        if at // _DAY_NS < self.since:
            return False
        if self.window is None:
            return True
        start, end = self.window
        minute = at % _DAY_NS // _MINUTE_NS
        return start <= minute < end if start <= end else minute >= start or minute < end

    def rates(self, input_tokens: int) -> Rates:
        """The rates for a call with so many input tokens (cached ones included)."""
        for threshold, rates in self.tiers:
            if input_tokens > threshold:
                return rates
        return self.base


@dataclass(frozen=True, slots=True)
class Priced:
    """A model of the card with its eras in order: the last active one wins, the first is the default."""

    provider: str
    model: str
    eras: tuple[Era, ...]
    flat: Rates | None = None  # the rates of every call, where neither date nor size matters

    def era(self, at: int) -> Era | None:
        """The era in force; None when the time is unknown (0) and the price has changed over time."""
        if len(self.eras) == 1:
            return self.eras[0]
        if at <= 0:
            return None
        for era in reversed(self.eras):
            if era.active(at):
                return era
        return self.eras[0]


def buckets(usage: Usage) -> Buckets | None:
    """Split usage into disjoint buckets; None when counts are missing, negative, or parts exceed their whole.

    An unreported cache or reasoning count leaves those tokens in the bucket they would otherwise be part of.
    """
    whole_in, whole_out = usage.input_tokens, usage.output_tokens
    if whole_in is None or whole_out is None:
        return None
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    reasoning = usage.reasoning_tokens or 0
    fresh, plain = whole_in - read - write, whole_out - reasoning
    if fresh < 0 or plain < 0 or read < 0 or write < 0 or reasoning < 0:
        return None
    return Buckets(fresh, read, write, plain, reasoning)


def charge_pico(rates: Rates, counts: Buckets) -> int:
    """Pico-dollars of disjoint counts. A bucket without a price of its own is billed as the bucket it is part of."""
    fresh, read, write, output, reasoning = counts
    per_fresh, per_output = rates.fresh or 0, rates.output or 0
    pico = fresh * per_fresh + output * per_output + rates.call
    if read:
        pico += read * (per_fresh if rates.read is None else rates.read)
    if write:
        pico += write * (per_fresh if rates.write is None else rates.write)
    if reasoning:
        pico += reasoning * (per_output if rates.reasoning is None else rates.reasoning)
    return pico


class _Provider:
    """One provider's names and models; clauses are compiled when it is first asked."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.id: str = row["provider"]
        self.named: Matcher = compile_clause(row.get("names"))
        self.claims: Matcher = compile_clause(row.get("models"))
        self.fallback: tuple[str, ...] = tuple(row.get("fallback", ()))
        self.rows: list[Mapping[str, Any]] = []
        self._compiled: list[tuple[Matcher, Mapping[str, Any]]] | None = None

    def find(self, name: str) -> Mapping[str, Any] | None:
        """The first model row whose clause matches a lower-cased name."""
        if self._compiled is None:
            self._compiled = [(compile_clause(row["match"]), row) for row in self.rows]
        return next((row for matches, row in self._compiled if matches(name)), None)


class RateCard:
    """Prices model calls. Pure: the same card and arguments give the same answer; lookups are remembered."""

    def __init__(
        self,
        providers: Mapping[str, _Provider],
        made: str | None = None,
        rows: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._rows = tuple(rows)
        self._providers = providers
        self._known: dict[tuple[str | None, str | None], Priced | None] = {}
        self.made = made

    def price(
        self, provider: str | None, model: str | None, usage: Usage, *, at: int
    ) -> tuple[int | None, str | None]:
        """Nano-dollars of one call, or None and why: "no usage", "no price" or "partial usage".

        ``at`` is nanoseconds since the epoch (0: unknown, then only a price that never changed is used).
        """
        if usage.input_tokens is None and usage.output_tokens is None:
            return None, NO_USAGE_GAP
        priced = self._known.get((provider, model)) or self.find(provider, model)
        if priced is None:
            return None, NO_PRICE_GAP
        rates = priced.flat
        if rates is None:
            era = priced.era(at)
            if era is None:
                return None, NO_PRICE_GAP
            rates = era.rates(usage.input_tokens or 0)
        if usage.output_tokens is None and rates.output is None:  # an embedding has no output to bill
            usage = Usage(usage.input_tokens, 0, usage.cache_read_tokens, usage.cache_write_tokens)
        counts = buckets(usage)
        if counts is None:
            return None, PARTIAL_GAP
        return round_pico(charge_pico(rates, counts)), None

    def rates(
        self, provider: str | None, model: str | None, *, at: int, input_tokens: int = 0
    ) -> Rates | None:
        """The rates a call of that size would pay, or None when the model has no price."""
        priced = self.find(provider, model)
        era = None if priced is None else priced.era(at)
        return None if era is None else era.rates(input_tokens)

    def find(self, provider: str | None, model: str | None) -> Priced | None:
        """The card's model for a provider's (or an instrumentor's) name and a model name, or None."""
        key = (provider, model)
        try:
            return self._known[key]
        except KeyError:
            found = self._look_up(provider, model)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = found
            return found

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Every row that the card was made of, in the order of its file; see ``load_card``."""
        return self._rows

    def models(self) -> list[tuple[str, str]]:
        """Every (provider, model) of the card, in its order."""
        return [(one.id, row["model"]) for one in self._providers.values() for row in one.rows]

    def _look_up(self, provider: str | None, model: str | None) -> Priced | None:
        if not model:
            return None
        name = model.lower().strip()
        maker = self._named(provider)
        if maker is None:
            maker, name = self._inferred(name)
        if maker is None:
            return None
        row = self._row(maker, name)
        if row is None or not row["prices"]:  # known, but not sold by the token
            return None
        eras = tuple(map(_era, row["prices"]))
        flat = eras[0].base if len(eras) == 1 and not eras[0].tiers else None
        return Priced(row["provider"], row["model"], eras, flat)

    def _row(self, maker: _Provider, name: str) -> Mapping[str, Any] | None:
        dashed = dashed_date(name)
        for spelling in (name,) if dashed == name else (name, dashed):
            for one in (maker, *(self._providers[id_] for id_ in maker.fallback if id_ in self._providers)):
                row = one.find(spelling)
                if row is not None:
                    return row
        return None

    def _named(self, provider: str | None) -> _Provider | None:
        """The provider a name means: an id of the card, one of the names instrumentors use, or its own clause."""
        if not provider:
            return None
        name = provider.lower().strip()
        name = _INSTRUMENTOR_NAMES.get(name, name)
        if name in self._providers:
            return self._providers[name]
        return next((one for one in self._providers.values() if one.named(name)), None)

    def _inferred(self, name: str) -> tuple[_Provider | None, str]:
        """The only provider that claims a model name and sells it; "vendor/model" names the vendor itself."""
        vendor, slash, rest = name.partition("/")
        if slash and vendor in self._providers:
            return self._providers[vendor], rest
        claiming = [one for one in self._providers.values() if one.claims(name) and self._row(one, name)]
        return (claiming[0] if len(claiming) == 1 else None), name


# Names by which OpenTelemetry's conventions and instrumentors call a provider, where its own clause does not cover
# them; most must come before the clauses, because "azure.ai.openai" contains "openai".
_INSTRUMENTOR_NAMES: Final[Mapping[str, str]] = {
    "azure.ai.openai": "azure", "azure.ai.inference": "azure", "az.ai.openai": "azure", "az.ai.inference": "azure",
    "azure_openai": "azure", "azureopenai": "azure", "azure_ai": "azure", "microsoft.foundry": "azure",
    "aws.bedrock": "aws", "aws_bedrock": "aws", "bedrock": "aws",
    "gcp.gemini": "google", "gcp.vertex_ai": "google", "gcp.gen_ai": "google", "google_genai": "google",
    "mistral_ai": "mistral", "mistralai": "mistral", "x_ai": "x-ai", "xai": "x-ai", "grok": "x-ai",
    "together_ai": "together", "togetherai": "together", "fireworks_ai": "fireworks", "moonshot_ai": "moonshotai",
    "z_ai": "zai", "zhipu": "zhipuai", "voyage": "voyageai", "perplexity_ai": "perplexity", "deep_seek": "deepseek",
}  # fmt: skip

_Rate: TypeAlias = int | list[Any] | None


def _era(row: Mapping[str, Any]) -> Era:
    thresholds = sorted({step[0] for key in _BUCKET_KEYS for step in _steps(row.get(key))}, reverse=True)
    window = row.get("window")
    return Era(
        since=date.fromisoformat(row["from"]).toordinal() - _EPOCH if "from" in row else 0,
        window=None if window is None else (_minutes(window[0]), _minutes(window[1])),
        base=_rates(row, 0),
        tiers=tuple((threshold, _rates(row, threshold + 1)) for threshold in thresholds),
    )


_BUCKET_KEYS: Final = ("in", "read", "write", "out", "reasoning")


def _steps(rate: _Rate) -> list[list[int]]:
    return rate[1:] if isinstance(rate, list) else []


def _rates(row: Mapping[str, Any], input_tokens: int) -> Rates:
    fresh, read, write, output, reasoning = (_at(row.get(key), input_tokens) for key in _BUCKET_KEYS)
    return Rates(fresh, read, write, output, reasoning, row.get("call", 0))


def _at(rate: _Rate, input_tokens: int) -> int | None:
    if not isinstance(rate, list):
        return rate
    applicable: int = rate[0]
    for threshold, value in rate[1:]:
        if input_tokens > threshold:
            applicable = value
    return applicable


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def load_card(rows: Iterable[Mapping[str, Any]]) -> RateCard:
    """Make a card from rows. Raises BadInput naming the row that cannot be read.

    A provider's row comes before its models: ``{"provider", "names"?: clause, "models"?: clause, "fallback"?: [id]}``.
    A model's row is ``{"provider", "model", "match": clause, "prices": [era, …]}``; an era is ``{"from"?: date,
    "window"?: ["HH:MM", "HH:MM"], "in"?, "read"?, "write"?, "out"?, "reasoning"?, "call"?}`` with rates in
    pico-dollars per token, or ``[base, [threshold, rate], …]``. A row ``{"card": …, "made": date}`` dates the card.
    """
    providers: dict[str, _Provider] = {}
    made: str | None = None
    kept: list[Mapping[str, Any]] = []
    for number, row in enumerate(rows, 1):
        kept.append(row)
        try:
            if "card" in row:
                made = row["made"]
            elif "model" in row:
                _check_model(row)
                providers[row["provider"]].rows.append(row)
            else:
                providers[row["provider"]] = _Provider(row)
        except (KeyError, TypeError) as error:
            raise BadInput(f"row {number} of the rate card cannot be read: {error!r}", row=number) from error
    return RateCard(providers, made, kept)


def _check_model(row: Mapping[str, Any]) -> None:
    if "match" not in row:
        raise KeyError("match")
    for era in row["prices"]:
        for key in (*_BUCKET_KEYS, "call"):
            rate = era.get(key, 0)
            for value in (rate, ) if isinstance(rate, int) else (rate[0], *(step[1] for step in rate[1:])):  # fmt: skip
                if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                    raise TypeError(f"{key} is not a whole number of pico-dollars")
