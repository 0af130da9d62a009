"""Personal data in texts: mail addresses, telephone and card numbers, IBANs, IP addresses, US social security numbers.

A pattern finds a candidate and a check decides: Luhn's digit for cards, ISO 7064 for IBANs, the numbering plans of all
countries (the library phonenumbers) for telephone numbers. Names and street addresses have no shape: rules by field
(``app.recording.redacting``) are the way to keep those out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, Final

from tallystick.govern.finding import Place, expression

EMAIL, PHONE, CARD, IBAN, IP, SSN = "email", "phone", "card", "iban", "ip", "ssn"
KINDS: Final = (EMAIL, PHONE, CARD, IBAN, IP, SSN)

_PATTERNS: Final[Mapping[str, str]] = {
    EMAIL: r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}",
    # with a country's code, or in groups: a bare run of digits is an id far more often than a telephone
    PHONE: r"(?:\+|\b00)[1-9][0-9 ()./-]{6,22}[0-9]\b"
    r"|\(?\b[0-9]{2,5}\)?[ .-][0-9]{2,5}[ .-][0-9]{2,6}(?:[ .-][0-9]{1,4})?\b",
    CARD: r"\b[2-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}\b|\b3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5}\b",
    IBAN: r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b",
    IP: r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b|(?:[0-9a-fA-F]{1,4}:){2,7}(?::?[0-9a-fA-F]{1,4}){1,7}",
    SSN: r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b",
}
# Cheaper expressions that are found in every text in which those above are; \b is left out where an escape may stand.
_FIRST: Final[Mapping[str, str]] = {
    EMAIL: r"@[A-Za-z0-9-]{1,63}\.",
    PHONE: r"(?:\+|00)[1-9][0-9 ()./-]{6}|[0-9]\)?[ .-][0-9]{2,5}[ .-][0-9]{2}",
    CARD: r"[2-6][0-9]{3}[ -]?[0-9]{2}[0-9 -]{6}",
    IBAN: r"[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}",
    IP: r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.|[0-9a-fA-F]{1,4}:[0-9a-fA-F]{1,4}:",
    SSN: r"[0-9]{3}-[0-9]{2}-[0-9]{4}",
}

MOST_CHECKED: Final = (
    1_000  # candidates of a kind in one text; what comes after them is taken out without a check
)

Phones = Callable[[str], bool]  # whether a candidate is a telephone number that its country's plan has


class Personal:
    """Finds personal data of some kinds (``finding.Finder``). ``phones`` is needed for telephone numbers."""

    def __init__(self, kinds: tuple[str, ...], phones: Phones | None = None) -> None:
        self.first = "|".join(_FIRST[kind] for kind in kinds)
        self._patterns: list[tuple[str, Any]] = [(kind, expression(_PATTERNS[kind])) for kind in kinds]
        self._checks: dict[str, Callable[[str], bool]] = {
            CARD: is_card, IBAN: is_iban, IP: is_address, SSN: is_social,
        }  # fmt: skip
        if phones is not None:
            self._checks[PHONE] = phones

    def find(self, text: str) -> Iterator[Place]:
        """The personal data in a text."""
        for kind, pattern in self._patterns:
            check = self._checks.get(kind)
            for nth, found in enumerate(pattern.finditer(text)):
                if check is None or nth >= MOST_CHECKED or check(found.group()):
                    yield Place(found.start(), found.end(), kind)

    def named(self, name: str) -> str | None:  # noqa: ARG002 - what a port asks
        """Nothing: which fields hold what is told by rules."""
        return None


def is_card(text: str) -> bool:
    """Whether digits (with blanks or hyphens) are the number of a payment card: 13 to 19 of them, Luhn's check."""
    digits = [int(one) for one in text if one.isdigit()]
    if not 13 <= len(digits) <= 19:
        return False
    return (
        sum(one if n % 2 == 0 else sum(divmod(2 * one, 10)) for n, one in enumerate(reversed(digits))) % 10
        == 0
    )


def is_iban(text: str) -> bool:
    """Whether a text (with blanks) is an IBAN: 15 to 34 characters, ISO 7064 check."""
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1


def is_address(text: str) -> bool:
    """Whether a text is an IP address that names somebody: not loopback, unspecified, or a version like 1.2.3.4."""
    try:
        four = IPv4Address(text)
        return not (four.is_loopback or four.is_unspecified or four.is_multicast or max(four.packed) < 16)
    except AddressValueError:
        pass
    try:
        six = IPv6Address(text)
    except AddressValueError:
        return False
    return not (six.is_loopback or six.is_unspecified or six.is_multicast)


def is_social(text: str) -> bool:
    """Whether a text like 123-45-6789 can be a US social security number."""
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
