"""What a person fills in to answer an approval: other values, words for later calls, a note; and what it means.

Everything is read again from the held call itself: a form says which argument by its place, never by a name, and how a
value is written follows from the value that was held.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.model.errors import BadInput
from tallystick.model.query import end_of
from tallystick.web.wording import one_line, visible

ANSWERS: Final = {"approve": "approved", "reject": "rejected", "edit": "edited"}
NOTE_LIMIT: Final = 2_000
MOST_CHARACTERS: Final = 20_000  # of a value that can be changed on the page
_LINE: Final = 80  # characters of a text that stands in one line


@dataclass(frozen=True, slots=True)
class Field:
    """How one argument is changed on the page.

    ``kind``: line | text (as it is), choice (true or false), number or json (as JSON); "" where it is too long for the
    page. ``text`` is the value as it stands in the field, ``place`` its place among the arguments.
    """

    place: int
    name: str
    kind: str
    text: str
    declared: str | None = None

    @property
    def rows(self) -> int:
        """Lines of a field for long texts."""
        return min(14, max(2, self.text.count("\n") + 1, len(self.text) // _LINE + 1))


def fields_of(approval: Mapping[str, Any], held: Mapping[str, Any] | None = None) -> list[Field]:
    """A field for each argument of a held call, in its order; none where the call cannot be changed on its way."""
    if not approval["editable"]:
        return []
    declared = {one["name"]: one["type"] for one in (held or {}).get("arguments", ())}
    given = (approval["arguments"] or {}).items()
    return [_field(place, name, value, declared.get(name)) for place, (name, value) in enumerate(given)]


def _field(place: int, name: str, value: Any, declared: str | None) -> Field:
    if isinstance(value, bool):
        return Field(place, name, "choice", json.dumps(value), declared)
    if isinstance(value, int | float):
        return Field(place, name, "number", json.dumps(value), declared)
    if isinstance(value, str) and len(value) <= MOST_CHARACTERS and _plain(value):
        kind = "line" if len(value) <= _LINE and "\n" not in value else "text"
        return Field(place, name, kind, value, declared)
    # a text with characters that nobody sees is changed in a form in which all of them are seen
    text = json.dumps(value, indent=2, ensure_ascii=True)
    return Field(place, name, "json" if len(text) <= MOST_CHARACTERS else "", text, declared)


def _plain(value: str) -> bool:
    return "\r" not in value and visible(value) == value


@dataclass(frozen=True, slots=True)
class Answered:
    """What a form says: the answer, why, and what there is beside that (endorse, release, until, edits)."""

    answer: str
    note: str | None
    more: Mapping[str, Any]


def read_form(data: Mapping[str, Any], approval: Mapping[str, Any]) -> Answered:
    """The answer that a form gives to a held call. Raises BadInput for one that is none, and for one that contradicts
    itself: who changed a value and then approves would let happen what they did not mean."""
    answer = ANSWERS.get(str(data.get("answer", "")))
    if answer is None:
        raise BadInput("an approval is answered with approve, reject or edit")
    note = note_of(data)
    edits = _edits(data, approval)
    if answer == "edited":
        return Answered(answer, note, {"edits": edits})
    if edits and answer == "approved":
        raise BadInput(
            "you changed " + ", ".join(one_line(name, 40) for name in edits) + ", and approved the call as it was",
            hint="go back: propose the changed call, or take the change back and approve",
        )  # fmt: skip
    return Answered(answer, note, _vouched(data) if answer == "approved" else {})


def note_of(data: Mapping[str, Any]) -> str | None:
    """The note of a form. Raises BadInput for one that is too long."""
    note = str(data.get("note") or "").replace("\r\n", "\n").strip()
    if len(note) > NOTE_LIMIT:
        raise BadInput(f"the note is longer than {NOTE_LIMIT} characters")
    return note or None


def several(given: Any) -> list[str]:
    """The values of a name that may stand in a form more than once."""
    return [str(one) for one in given] if isinstance(given, list) else [str(given)] if given else []


def _vouched(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of later calls too."""
    found: dict[str, Any] = {
        name: value for name in ("endorse", "release") if (value := several(data.get(name)))
    }
    until = str(data.get("until") or "").strip()
    if until and found:
        found["until"] = end_of(until)
    return found


def _edits(data: Mapping[str, Any], approval: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are others than those that were held."""
    edits: dict[str, Any] = {}
    before = approval["arguments"] or {}
    for field in fields_of(approval):
        given = data.get(f"argument.{field.place}")
        if not isinstance(given, str) or not field.kind:
            continue
        given = given.replace("\r\n", "\n")
        if given == field.text:
            continue
        changed = given if field.kind in ("line", "text") else _json(field.name, given)
        if json.dumps(changed, sort_keys=True) != json.dumps(before[field.name], sort_keys=True):
            edits[field.name] = changed
    return edits


def _json(name: str, text: str) -> Any:
    wrong = BadInput(
        f"the new value of {one_line(name, 60)} is not JSON", hint='for example 20, true, "text" or [1, 2]'
    )
    try:
        found = json.loads(text, parse_constant=_no_constant)
        json.dumps(found, allow_nan=False)  # 1e999 is read, and is no number
    except (ValueError, RecursionError) as error:
        raise wrong from error
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")
