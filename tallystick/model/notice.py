"""A notice: what somebody is told outside Tallystick of a call that waits for them. Plain text, bounded, no secrets."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.model.canonical import canonical_json
from tallystick.model.masking import mask_text

_LONGEST_LINE: Final = 300
_LONGEST_ARGUMENTS: Final = 1_500
_HIDDEN: Final = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")  # controls, marks of direction, surrogates, line ends


def plain_line(text: object, longest: int = _LONGEST_LINE) -> str:
    """One line that somebody else wrote: nothing in it moves a cursor, turns a direction or is a credential."""
    flat = "".join(" " if unicodedata.category(one) in _HIDDEN else one for one in str(text)[: 8 * longest])
    masked = mask_text(" ".join(flat.split()))
    return masked if len(masked) <= longest else masked[: longest - 1] + "…"


@dataclass(frozen=True, slots=True)
class Notice:
    """Who asks what of whom, until when, and where to answer. ``expires`` is a time as text, ``link`` the page."""

    approval: str
    agent: str
    tool: str
    arguments: str
    group: str
    because: str
    asks: str
    expires: str
    link: str

    @property
    def subject(self) -> str:
        """What it is about, in one line."""
        return plain_line(f"{self.agent} asks {self.group} whether it may call {self.tool}", 150)

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What it says, line by line, with what each is; nothing empty."""
        said = [
            ("arguments", self.arguments), ("why it was held", self.because), ("to be told", self.asks),
            ("without an answer", f"it is denied at {self.expires}"), ("answer it", self.link),
        ]  # fmt: skip
        return [(what, text) for what, text in said if text]

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return "\n".join([self.subject, "", *(f"{what}: {text}" for what, text in self.lines)]) + "\n"

    def as_json(self) -> dict[str, Any]:
        """``{"event", "approval", "agent", "tool", "arguments", "group", "because", "asks", "expires", "link"}``."""
        named = ("approval", "agent", "tool", "arguments", "group", "because", "asks", "expires", "link")
        return {"event": "approval.requested", **{name: getattr(self, name) for name in named}}


def notice_of(row: Mapping[str, Any], address: str) -> Notice:
    """The notice of an approval as ``tally approvals show --json`` has it; ``address`` is that of the server."""
    arguments = canonical_json(row["arguments"]).decode("utf-8", "replace")
    link = f"{address.rstrip('/')}/approvals/{row['approval']}"
    return Notice(
        str(row["approval"]), plain_line(row["agent"], 100), plain_line(row["tool"], 100),
        plain_line(arguments, _LONGEST_ARGUMENTS), plain_line(row["group"] or "", 100),
        plain_line(row["because"] or ""), plain_line(row["asks"] or ""), str(row["expires"]), link,
    )  # fmt: skip
