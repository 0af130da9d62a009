"""Accept: a person looked at what a tool says of itself, and takes it for the tool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.registry import Shown
from tallystick.ports import ControlStore
from tallystick.registry.drafts import reason_kept


@dataclass(frozen=True, slots=True)
class Accepted:
    """A definition that is accepted now: its tool, channel and digest."""

    tool: str
    channel: str
    definition: str

    def as_json(self) -> dict[str, str]:
        """``{"tool", "channel", "definition"}``."""
        return {"tool": self.tool, "channel": self.channel, "definition": self.definition}


def accept(
    control: ControlStore, tool: str, definition: str | None = None, *, by: str, because: str | None = None
) -> Accepted:
    """Accept the definition of a tool that waits, or the one that starts with ``definition`` (hex digits).

    Raises UnknownThing where nothing waits or nothing starts so, BadInput where several do (another may have been shown
    since somebody looked), and Conflict where somebody was first.
    """
    rows = control.shown(tool)
    if definition is None:
        found = _waiting(rows, tool)
    else:
        fitting = [row for row in rows if row.definition.startswith(definition)] if definition else []
        if not fitting:
            raise UnknownThing(
                f"tool {tool} never showed a definition {definition[:64]!r}", hint="tally tools quarantine"
            )
        if len(fitting) > 1:
            raise BadInput(
                f"{len(fitting)} definitions of tool {tool} start with {definition!r}",
                hint="give more digits",
            )
        found = fitting[0]
    body = {
        "tool": tool, "channel": found.channel.value, "definition": found.definition, "because": reason_kept(because),
    }  # fmt: skip
    control.append([Draft("definition.accepted", f"tool:{tool}", body, actor=by)])
    return Accepted(tool, found.channel.value, found.definition)


def _waiting(rows: Sequence[Shown], tool: str) -> Shown:
    waiting = [row for row in rows if row.waits]
    if not waiting:
        known = "its definition is accepted" if rows else "it never showed a definition"
        raise UnknownThing(
            f"nothing of tool {tool} waits to be accepted: {known}", hint="tally tools quarantine", tool=tool
        )
    if len(waiting) > 1:
        raise BadInput(
            f"{len(waiting)} definitions of tool {tool} wait",
            hint="say which with --definition; tally tools quarantine lists them",
        )
    return waiting[0]
