"""Two lamps, never one: what is said of a journal's or a run's integrity, and what of its completeness. Pure.

*Integrity* asks whether anything that was written was changed; *completeness* asks whether anything is missing, and
stays off until somebody outside can vouch for it. A lamp has a light, a word and a sentence that says why, so that
neither colour nor shape is ever alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tallystick.web.wording import count, plural

Json = Mapping[str, Any]
Lamp = dict[str, str]  # {"name", "light", "word", "why"}

OFF: Final = "off"  # nothing is known
KEPT: Final = "kept"  # recorded, and not checked by this page
ON: Final = "on"
BAD: Final = "bad"

_INTEGRITY: Final = {"unchecked": (OFF, "not checked"), "holds": (ON, "holds"), "broken": (BAD, "broken")}
_COMPLETENESS: Final = {
    "grey": (OFF, "not vouched for"),
    "green": (ON, "vouched for"),
    "red": (BAD, "broken"),
}
_HELD: Final = "Everything that was checked is what it was when it was written."


def _lamp(name: str, light: str, word: str, why: str) -> Lamp:
    return {"name": name, "light": light, "word": word, "why": why}


def of_journal(state: Json) -> list[Lamp]:
    """The lamps of a journal from ``JournalBook.state()``, each with its own reason."""
    told = state["lamps"]
    return [
        _lamp(
            "integrity", *_INTEGRITY.get(told["integrity"], _INTEGRITY["unchecked"]), told["integrity_why"]
        ),
        _lamp(
            "completeness",
            *_COMPLETENESS.get(told["completeness"], _COMPLETENESS["grey"]),
            told["completeness_why"],
        ),
    ]


def after_checking(state: Json, steps: Sequence[Json]) -> list[Lamp]:
    """The lamps once every step has been gone through: one finding breaks, and nothing checked lights nothing."""
    lamps = of_journal(state)
    states = [step["state"] for step in steps]
    if "finding" in states:
        broken = next(step for step in steps if step["state"] == "finding")
        lamps[0] = _lamp("integrity", BAD, "broken", f"{broken['step']}: {broken['detail']}")
    elif "holds" in states and lamps[0]["light"] != BAD:
        held = lamps[0]["why"] if lamps[0]["light"] == ON else _HELD
        left = states.count("not checked")
        said = f" {plural(left, 'part')} could not be checked." if left else ""
        lamps[0] = _lamp("integrity", ON, "holds", held + said)
    return lamps


def of_run(run: Json, recorded: Json, state: Json) -> list[Lamp]:
    """The lamps of one run: how far its record is in the journal, and whether all of it is here.

    ``recorded`` is ``Reader.recorded(run)``; ``state`` is the journal's. A run's integrity is never shown as checked:
    this page does not check it, its evidence can be.
    """
    cover = covering(recorded, state["checkpoints"])
    outside = {one["name"] for one in state["witnesses"] if one["outside"]}
    seen = cover is not None and any(
        outside & set(one["witnesses"]) for one in state["checkpoints"] if one["size"] >= cover
    )
    return [_run_integrity(recorded, cover, state["lamps"]["integrity"]), _run_completeness(run, seen=seen)]


def unreadable(message: str) -> list[Lamp]:
    """The lamps where the journal cannot be read at all."""
    return [_lamp(name, BAD, "cannot be read", message) for name in ("integrity", "completeness")]


def covering(recorded: Json, checkpoints: Iterable[Json]) -> int | None:
    """The size of the smallest listed checkpoint that covers a run's seal; None for none."""
    if recorded["sealed"] is None:
        return None
    sizes = [one["size"] for one in checkpoints if one["size"] >= recorded["sealed"]["seq"]]
    return min(sizes, default=None)


def _run_integrity(recorded: Json, cover: int | None, journal: str) -> Lamp:
    if journal == "broken":
        return _lamp(
            "integrity", BAD, "journal broken", "The journal that holds this run's record is broken."
        )
    sealed = recorded["sealed"]
    if sealed is not None:
        what = f"{plural(sealed['records'], 'record')} sealed by entry {count(sealed['seq'])}"
        if cover is None:
            return _lamp("integrity", KEPT, "recorded in the journal", f"{what}; no checkpoint signs it yet.")
        return _lamp("integrity", KEPT, f"recorded in the journal, checkpoint {count(cover)}", f"{what}.")
    if recorded["records"]:
        why = f"{plural(recorded['records'], 'record')} so far; the run is not sealed yet."
        return _lamp("integrity", KEPT, "recorded in the journal", why)
    return _lamp("integrity", OFF, "not in the journal", "None of its records has entered the journal yet.")


def _run_completeness(run: Json, *, seen: bool) -> Lamp:
    standing = run["completeness"]
    if standing == "complete":
        if seen:
            return _lamp(
                "completeness", ON, "complete", "Nothing is missing, and an outside witness co-signed."
            )
        why = "Nothing is known to be missing; no outside witness has co-signed."
        return _lamp("completeness", OFF, "complete by its own count", why)
    if standing == "lossy":
        lost = "an unknown number of steps" if run["missing"] is None else plural(run["missing"], "step")
        return _lamp("completeness", BAD, "lossy", f"Missing: {lost}.")
    if standing == "crashed":
        return _lamp("completeness", BAD, "crashed", "The process died: what it recorded until then is here.")
    return _lamp("completeness", OFF, "open", "The run has not ended.")
