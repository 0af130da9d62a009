"""Numbers, money, times and states in the words and glyphs that people read. Unknown is said, never shown as 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick.model.money import usd_text

UNKNOWN = "–"
GLYPHS = {
    "ok": "✓", "complete": "✓", "approved": "✓", "consumed": "✓", "allow": "✓",
    "error": "✗", "failed": "✗", "crashed": "✗", "denied": "✗", "deny": "✗", "rejected": "✗",
    "stopped": "■", "running": "▶", "open": "▶", "waiting": "…", "held": "…", "hold": "…",
    "lossy": "!", "expired": "!", "unknown": "?", "warn": "!", "fail": "✗",
}  # fmt: skip
COLOURS = {"✓": "green", "✗": "red", "■": "magenta", "▶": "cyan", "…": "yellow", "!": "yellow", "?": "dim"}


def glyph(state: str | None) -> str:
    """One character for a state; states are always written out beside it."""
    return GLYPHS.get(state or "", "·")


def colour(state: str | None) -> str:
    """The style of a state in a terminal."""
    return COLOURS.get(glyph(state), "")


def duration(nanoseconds: int | None) -> str:
    """A span of time, nanoseconds in: 640ms, 1.3s, 2m05s, 3h10m."""
    if nanoseconds is None:
        return UNKNOWN
    milliseconds = nanoseconds // 1_000_000
    if milliseconds < 1:
        return f"{nanoseconds // 1000}µs"
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    seconds = milliseconds // 1000
    if seconds < 60:
        return f"{seconds}.{milliseconds % 1000 // 100}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"


def count(number: int | None) -> str:
    """A whole number with thousands separated."""
    return UNKNOWN if number is None else f"{number:,}"


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 agent, 2 agents."""
    return f"{count(number)} {noun}" + ("" if number == 1 else "s")


def size(number: int | None) -> str:
    """A number of bytes."""
    if number is None:
        return UNKNOWN
    for unit, factor in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number} B"


def money(total_nano: int | None, known_nano: int | None = None, gaps: int | None = None) -> str:
    """A cost: the sum; with gaps "at least" what is known; else "unknown"."""
    if total_nano is not None:
        return usd_text(total_nano)
    if known_nano:
        return f"≥ {usd_text(known_nano)}" + (f" ({gaps} unpriced)" if gaps else "")
    return "unknown"


def tokens(usage: Mapping[str, Any] | None) -> str:
    """Input and output tokens as ``in→out``."""
    if not usage or (usage.get("input_tokens") is None and usage.get("output_tokens") is None):
        return UNKNOWN
    return f"{count(usage.get('input_tokens'))}→{count(usage.get('output_tokens'))}"


def moment(text: str | None) -> str:
    """An RFC 3339 time to the second, in UTC."""
    return UNKNOWN if not text else text[:19].replace("T", " ") + "Z"


def short(identity: str | None) -> str:
    """The first twelve characters of an id: enough for a person, and every command takes a prefix."""
    return UNKNOWN if not identity else identity[:12]
