"""Moments: the days and hours that a text names, so that ``2024-05-15 10:00`` is found in "May 15th at 10 am"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL: Final = (
    "january|february|march|april|may|june|july|august|september|october|november|december|"
    "jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
)
_ISO: Final = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_MONTH_DAY: Final = re.compile(
    rf"\b({_FULL})\.?\s+(?:the\s+)?(\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)(?:,?\s+(\d{{4}})\b)?"
)
_DAY_MONTH: Final = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+({_FULL})\b\.?(?:,?\s+(\d{{4}})\b)?"
)
_SLASHED: Final = re.compile(r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4})(?![\d/])")
_HOUR: Final = re.compile(r"(?<![\d:.])(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([ap]m\b)?")
_HALF: Final = re.compile(r"(?<![\d:.])(\d{1,2})\s*([ap])\.?m\b")
_STAMP: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[t ](\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?(?:z|[+-]\d{2}:\d{2})?)?"
)
_TIME: Final = re.compile(r"(\d{1,2}:\d{2})(?::\d{2})?")

Day = tuple[int | None, int, int]  # year (None: not said), month, day


@dataclass(frozen=True, slots=True)
class Moments:
    """Days and hours (as minutes of the day) that were named."""

    days: frozenset[Day] = frozenset()
    minutes: frozenset[int] = frozenset()

    def covers(self, value: str) -> bool:
        """Whether a value that is a day, an hour or both was named, part by part; other values were not."""
        stamp = _STAMP.fullmatch(value)
        if stamp is not None:
            year, month, day = (int(part) for part in stamp.group(1).split("-"))
            if (year, month, day) not in self.days and (None, month, day) not in self.days:
                return False
            return stamp.group(2) is None or _minute(stamp.group(2)) in self.minutes
        hour = _TIME.fullmatch(value)
        return hour is not None and _minute(hour.group(1)) in self.minutes


def moments_in(text: str) -> tuple[Moments, str]:
    """The moments of a text (in lower case), and the text with a blank in the place of each of them."""
    days: set[Day] = set()
    minutes: set[int] = set()

    def day(year: str | None, month: int, number: str) -> str:
        if 1 <= month <= 12 and 1 <= int(number) <= 31:
            days.add((int(year) if year else None, month, int(number)))
        return " "

    def slashed(hit: re.Match[str]) -> str:
        day(hit[3], int(hit[1]), hit[2])  # which comes first depends on the country, so both count
        return day(hit[3], int(hit[2]), hit[1])

    def hour(hit: re.Match[str]) -> str:
        minutes.add((_hours(int(hit[1]), hit[4]) * 60 + int(hit[2])) % 1440)
        return " "

    def half(hit: re.Match[str]) -> str:
        minutes.add(_hours(int(hit[1]), hit[2] + "m") * 60 % 1440)
        return " "

    text = _ISO.sub(lambda hit: day(hit[1], int(hit[2]), hit[3]), text)
    text = _MONTH_DAY.sub(lambda hit: day(hit[3], _month(hit[1]), hit[2]), text)
    text = _DAY_MONTH.sub(lambda hit: day(hit[3], _month(hit[2]), hit[1]), text)
    text = _SLASHED.sub(slashed, text)
    text = _HOUR.sub(hour, text)
    rest = _HALF.sub(half, text)
    return Moments(frozenset(days), frozenset(minutes)), rest


def _month(name: str) -> int:
    return _MONTHS.index(name[:3]) + 1


def _hours(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    return hour % 12 + (12 if half.startswith("p") else 0)


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return (int(hour) * 60 + int(minute)) % 1440
