"""Asking: what the annotations of a rule that holds say of who is asked, what, and how often that may be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tallystick.govern.approvals import MOST_APPROVERS

_BUDGET: Final = re.compile(r"\s*(\d{1,6})\s+per\s+(\d{1,6})\s*")
_BESIDE: Final = ("quorum", "ask", "budget")  # annotations that say something of @hold
LONGEST_QUESTION: Final = 500


def quorum_of(note: str | None) -> int | None:
    """How many people a rule's ``@quorum`` asks for; None where it does not say a number from 1 to 9."""
    text = (note or "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 1:
        return None
    return int(text) if 1 <= int(text) <= MOST_APPROVERS else None


def budget_of(note: str | None) -> tuple[int, int] | None:
    """A rule's ``@budget``: so many approvals per so many runs ("5 per 100"); None where it says no such thing."""
    found = _BUDGET.fullmatch(note or "")
    if found is None or int(found.group(2)) == 0:
        return None
    return int(found.group(1)), int(found.group(2))


def asking_problems(notes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with a rule's ``@quorum``, ``@ask`` and ``@budget``: (message, what to write instead)."""
    for name in _BESIDE:
        if name in notes and not notes.get("hold"):
            yield f"@{name} stands without @hold", 'write @hold("group") beside it'
    if notes.get("quorum") and quorum_of(notes["quorum"]) is None:
        yield f"@quorum says no number from 1 to {MOST_APPROVERS}", 'write @quorum("2")'
    if notes.get("budget") and budget_of(notes["budget"]) is None:
        yield (
            "@budget does not say how many approvals there may be",
            'write @budget("5 per 100"): per 100 runs',
        )
    if len(notes.get("ask") or "") > LONGEST_QUESTION:
        yield f"@ask has more than {LONGEST_QUESTION} characters", "ask one thing"
