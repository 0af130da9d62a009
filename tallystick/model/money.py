"""Money as integers: rates in pico-dollars per unit, charges in nano-dollars.

Of 2,515 published price points every one is a whole number of pico-dollars per token, so a rate is exact; a
charge is rounded once, half to even. Decimal appears only where people write or read money.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, Overflow
from typing import Final

from tallystick.model.errors import BadInput

NANO: Final = 1_000_000_000
PICO_PER_NANO: Final = 1_000
_TOO_MUCH: Final = 9 * 10**18  # nano-dollars: what a store can hold


def nano_from_usd(amount: str | int | Decimal) -> int:
    """Read US dollars ("0.50", 2, Decimal) as nano-dollars. Raises BadInput; floats are refused."""
    if isinstance(amount, float):
        raise BadInput("money is not a float", hint='write it as text, for example "0.50"')
    try:
        exact = Decimal(amount) * NANO
    except (InvalidOperation, Overflow) as error:
        raise BadInput(f"{amount!r:.80} is not an amount of money", hint='for example "0.50"') from error
    if not exact.is_finite():
        raise BadInput(f"{amount!r} is not an amount of money", hint='for example "0.50"')
    if abs(exact) >= _TOO_MUCH:
        raise BadInput(
            f"{amount!r:.80} is more money than is counted here", hint="below 9 billion US dollars"
        )
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))


def round_pico(pico: int) -> int:
    """Pico-dollars to nano-dollars, half to even."""
    quotient, rest = divmod(pico, PICO_PER_NANO)
    if rest * 2 > PICO_PER_NANO or (rest * 2 == PICO_PER_NANO and quotient % 2):
        quotient += 1
    return quotient


def usd_text(nano: int | None) -> str:
    """Nano-dollars for people: two digits from a dollar up, else three significant ones; unknown is "unknown"."""
    if nano is None:
        return "unknown"
    value = Decimal(nano) / NANO
    if value == 0:
        return "$0"
    if abs(value) >= 1:
        return f"${value:,.2f}"
    digits = -value.adjusted() + 2
    return f"${value:.{min(digits, 9)}f}"
