"""Vouching: what a person said once of later calls, as it counts for the call that is asked about now.

It is heard like everything else that is in force: from the store's own registry, or from the server. What holds is
decided by the time of the call; a value counts as it is compared, leaf by leaf.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tallystick.app.acting.act import Word
from tallystick.app.acting.feed import Heard
from tallystick.govern.approvals import VALUE
from tallystick.govern.labels.leaves import key_of, leaves
from tallystick.model.control import ToolCall, Vouched

NO_WORD: Final = Word()


def word_for(heard: Heard, call: ToolCall, at: int) -> Word:
    """What people vouched for in this run or for this agent, for the tool of a call at a time (nanoseconds)."""
    if not heard.vouched:
        return NO_WORD
    found = (*heard.vouched.get(("run", call.run), ()), *heard.vouched.get(("agent", call.agent), ()))
    if not found:
        return NO_WORD
    return word_of(one for one in found if one.tool == call.tool and one.at <= at < one.until)


def word_of(vouched: Iterable[Vouched]) -> Word:
    """What some people vouched for, as calls are compared with it; values that were erased count for nothing."""
    endorsed: set[tuple[str, str, str]] = set()
    released: set[tuple[str, str]] = set()
    for one in vouched:
        if one.kind == VALUE:
            endorsed |= endorsed_by(one.tool, {one.name: one.value})
        else:
            released.add((one.name, one.tool))
    return Word(frozenset(endorsed), frozenset(released))


def endorsed_by(tool: str, values: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    """Each single value of some arguments, as it is compared."""
    return {
        (tool, name, str(key))
        for name, value in values.items()
        for _, leaf in leaves(value)
        if (key := key_of(leaf)) is not None
    }
