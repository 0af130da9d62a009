"""How values read to people: money, time, counts and hostile text. Pure; the templates use these as filters.

Unknown is always written out ("unknown", "–"), never as zero. Text from agents, models and tools may hold
control and direction characters that make a reader see something else than what is there: ``visible`` writes
them out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

from markupsafe import Markup, escape

from tallystick.model.money import usd_text

UNKNOWN: Final = "unknown"
NANO: Final = 1_000_000_000
SHOWN_CHARACTERS: Final = 40_000

# C0 and C1 controls but tab and newline; soft hyphen, zero-width and direction marks; tag and private-use
# characters; halves of surrogate pairs. Each can hide or reorder what a person decides on. Joiners stay where
# a script or an emoji needs them, and so does the emoji selector behind a symbol.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\ue000-\uf8ff"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
    "|(?<![\u0600-\u06ff\u0900-\u0dff\ufe0f\u2600-\u27bf\U0001f000-\U0001faff])[\u200c\u200d]"
    "|(?<![#*0-9\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff])\ufe0f"
)
_TAKEN_OUT = re.compile(r"‹(?:redacted:[a-z_]{1,40}|digest:[0-9a-f]{32})›")  # what redaction leaves in a text
_JSON_TOKEN = re.compile(
    r'("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b'
)

STATUS_WORDS: Final = {
    "ok": "ok", "failed": "failed", "error": "error", "running": "running", "stopped": "stopped",
    "crashed": "crashed", "unknown": "unknown", "denied": "denied", "held": "held",
    "complete": "complete", "lossy": "lossy", "open": "open",
    "waiting": "waiting", "approved": "approved", "rejected": "rejected", "expired": "expired",
    "consumed": "consumed", "allow": "allow", "deny": "deny", "hold": "hold", "not evaluated": "unknown",
    "edited": "held", "in doubt": "lossy", "landed": "ok", "started": "running",
    "holds": "ok", "finding": "failed", "not checked": "unknown",
    "signed": "ok", "written": "ok", "behind": "lossy", "fork": "failed",
    "may": "allow", "after approval": "hold", "not permitted": "deny", "no policy": "unknown",
    "permit": "allow", "forbid": "deny", "accepted": "approved", "quarantined": "held",
}  # fmt: skip


def visible(value: object) -> str:
    """Text with every hidden or reordering character written as ``⟨U+202E⟩``. None gives the empty text."""
    if value is None:
        return ""
    return _HIDDEN.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", str(value))


def one_line(value: object, limit: int = 160) -> str:
    """``visible`` text on one line, cut at ``limit`` characters with an ellipsis that shows the cut."""
    text = " ".join(visible(value).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def count(value: int | None) -> str:
    """A whole number with thousands separators, or "unknown"."""
    return UNKNOWN if value is None else f"{value:,}"


def plural(value: int | None, noun: str) -> str:
    """A number with its noun: "1 step", "2 steps", "unknown steps"."""
    return f"{count(value)} {noun}" if value == 1 else f"{count(value)} {noun}s"


def usd(nano: int | None) -> str:
    """Nano-dollars as text, or "unknown"."""
    return usd_text(nano)


def cost(total: int | None, known: int | None = None, gaps: int | None = None) -> str:
    """A cost with its unknown part said: "$0.12", "≥ $0.12" when some steps have no price, or "unknown"."""
    if total is not None:
        return usd_text(total)
    if known and gaps:
        return f"≥ {usd_text(known)}"
    return UNKNOWN


def duration(nanoseconds: int | None) -> str:
    """Nanoseconds as "830 ms", "4.2 s", "1 m 04 s", "2 h 03 m", "3 d 4 h"; "–" when unknown."""
    if nanoseconds is None:
        return "–"
    if nanoseconds < 1_000:
        return f"{nanoseconds} ns" if nanoseconds else "0 s"
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1_000:.3g} µs"
    if nanoseconds < 999_500_000:
        milliseconds = nanoseconds / 1_000_000
        return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"
    seconds = nanoseconds / NANO
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3_600:
        return f"{whole // 60} m {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3_600} h {whole % 3_600 // 60:02} m"
    return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"


def instant(text: str | None) -> int | None:
    """RFC 3339 text as nanoseconds since the epoch (to the microsecond); None when absent or not a time."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * NANO + delta.microseconds * 1_000


def ago(text: str | None, now: int) -> str:
    """A time relative to ``now`` (nanoseconds): "12 s ago", "in 4 m"; "no time recorded" when absent."""
    then = instant(text)
    if then is None:
        return "no time recorded"
    seconds = (now - then) // NANO
    size = abs(seconds)
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        if size >= length or unit == "s":
            amount = f"{size // length} {unit}"
            break
    if size < 2:
        return "now"
    return f"{amount} ago" if seconds > 0 else f"in {amount}"


def exact(text: str | None) -> str:
    """A time in full, in UTC and saying so: "2026-11-22 10:04:05.123 UTC"."""
    then = instant(text)
    if then is None:
        return "no time recorded"
    moment = datetime.fromtimestamp(then // NANO, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{then % NANO // 1_000_000:03} UTC"


def clock(text: str | None) -> str:
    """A short exact time for narrow columns: "22 Nov 10:04:05"."""
    then = instant(text)
    return "–" if then is None else f"{datetime.fromtimestamp(then // NANO, UTC):%d %b %H:%M:%S}"


def tokens(usage: Mapping[str, int | None], known: Mapping[str, int | None] | None = None) -> str:
    """Input and output tokens together; when a call did not report them, "≥" what is known, else "unknown"."""
    given, made = usage.get("input_tokens"), usage.get("output_tokens")
    if given is not None and made is not None:
        return count(given + made)
    least = ((known or {}).get("input_tokens") or 0) + ((known or {}).get("output_tokens") or 0)
    return f"≥ {count(least)}" if least else UNKNOWN


def status_class(status: object) -> str:
    """The style name of a status: one of a closed set, so that no stored text can choose a class."""
    return STATUS_WORDS.get(str(status), "unknown")


def pretty(value: Any) -> str:
    """A JSON value or text as people read it: text stays text, JSON is indented, nothing is reordered."""
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def payload(value: Any, limit: int = SHOWN_CHARACTERS) -> Markup:
    """A value as safe HTML with JSON lightly coloured; a cut is announced with both lengths."""
    text = pretty(value)
    shown = text[:limit]
    body = _text(shown) if isinstance(value, str) else _coloured(shown)
    if len(text) <= limit:
        return body
    note = f"cut here: {limit:,} of {len(text):,} characters shown"
    return body + Markup('<span class="cut">{}</span>').format(note)


def _text(text: str) -> Markup:
    """Stored text as HTML; the marks that stand for what was taken out of it look like no text of its own."""
    out: list[Markup] = []
    position = 0
    for match in _TAKEN_OUT.finditer(text):
        out.append(escape(visible(text[position : match.start()])))
        out.append(Markup('<span class="taken">{}</span>').format(match.group()))
        position = match.end()
    out.append(escape(visible(text[position:])))
    return Markup("").join(out)


def _coloured(text: str) -> Markup:
    out: list[Markup] = []
    position = 0
    for match in _JSON_TOKEN.finditer(text):
        out.append(escape(visible(text[position : match.start()])))
        string, colon, number, word = match.groups()
        if string is not None:
            kind = "j-key" if colon else "j-text"
            out.append(Markup('<span class="{}">{}</span>').format(kind, _text(string)))
            out.append(escape(colon or ""))
        else:
            kind = "j-number" if number is not None else "j-word"
            out.append(Markup('<span class="{}">{}</span>').format(kind, number or word))
        position = match.end()
    out.append(escape(visible(text[position:])))
    return Markup("").join(out)


def term(field: str, value: object) -> str:
    """One query term, quoted so that any value reads back as itself."""
    text = str(value)
    if re.fullmatch(r"[A-Za-z0-9_][\w.@/+-]*", text):
        return f"{field}:{text}"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'{field}:"{escaped}"'


def path(value: object) -> str:
    """One segment of a URL's path, or one value of its query; what UTF-8 cannot write becomes "?"."""
    return quote(str(value), safe="", errors="replace")


def share(value: float | int | None) -> str:
    """A part of one as percent ("98.5 %"), or "not measured". Only what is all of it is shown as 100 %."""
    if value is None:
        return "not measured"
    percent = min(99.9, 100 * value) if value < 1 else 100.0
    return f"{percent:.1f} %".replace(".0 %", " %")


_UNITS: Final = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}


def span(since: object) -> str:
    """An age or a date of a query as words: "in the last 30 days", "since 2026-11-01"; others as they are."""
    age = re.fullmatch(r"([0-9]{1,6})([smhdw])", str(since))
    if age is None:
        return f"since {one_line(since, 40)}"
    many, unit = int(age[1]), _UNITS[age[2]]
    return f"in the last {unit}" if many == 1 else f"in the last {plural(many, unit)}"


def safe_link(address: str) -> str | None:
    """The address where it may become a link: http or https, with a host, without characters that mislead."""
    if len(address) > 2_000 or _HIDDEN.search(address) or any(sign in address for sign in " \t\n\\<>\"'"):
        return None
    try:
        parts = urlsplit(address)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:  # a host that is none, such as "[":  nothing to link to
        return None
    return address if named else None
