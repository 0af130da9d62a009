"""Whether the journal can keep what a file declares: told in the plan, with the file. Pure."""

from __future__ import annotations

from typing import Any, Final

from tallystick.model.errors import BadInput
from tallystick.model.journal import LONGEST_LEAF, Draft, written_body
from tallystick.model.registry import DEEPEST_BODY, version_digest

_BESIDE: Final = 4_000  # bytes of an entry that are not its body: who wrote it, when, and why


def unwritable(draft: Draft) -> tuple[str, str | None] | None:
    """Why the journal would not take the entry that declares an object, and what to do; None where it would."""
    named = f"{draft.body['type']} {draft.body['name']}"
    if _deeper(draft.body["body"], DEEPEST_BODY):
        return f"{named} is nested deeper than {DEEPEST_BODY} levels", "make it flatter"
    try:
        made = written_body(draft.body)
    except BadInput as error:
        hint = "a table whose only key is commitment has another meaning there: give it a second key"
        return f"the journal cannot keep {named}: {error.message}", error.hint or hint
    size = len(made.json) + _BESIDE
    if size > LONGEST_LEAF:
        return (
            f"{named} has {len(made.json):,} bytes, and the journal keeps {LONGEST_LEAF - _BESIDE:,} of one object",
            "shorten it, or make several of it",
        )
    kept = version_digest(draft.body["type"], draft.body["name"], draft.body["version"], made.body["body"])
    if kept != draft.body["digest"]:
        return (
            f"{named} has a number that JSON cannot hold exactly",
            "write whole numbers beyond 9,007,199,254,740,991 as text",
        )
    return None


def _deeper(value: Any, levels: int) -> bool:
    if levels == 0:
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_deeper(one, levels - 1) for one in inner if isinstance(one, dict | list))
