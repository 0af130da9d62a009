"""What ``tally doctor`` says of loss: what came in, what was refused or dropped, and what is not indexed yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tallystick.cli.doctor_registry import Finding
from tallystick.cli.wording import count

_MOST_NAMED: Final = 5
_FIXES: Final = {
    "agent": "raise spool_limit_mb, and see that the server is up",
    "door": "see the sender's log",
}


def loss_findings(loss: Mapping[str, Any]) -> Iterator[Finding]:
    """One line for what came in, one for each place where something was lost, one for what is behind."""
    came = f"{count(loss['accepted'])} spans accepted, {count(loss['repeats'])} of them repeats"
    yield Finding("recorded", "ok", came)
    for row in loss["rejected"][:_MOST_NAMED]:
        yield Finding(
            "loss", "warn", f"{count(row['count'])} spans refused: {row['reason']}", "see the sender's log"
        )
    dropped = [row for row in loss["dropped"] if row["where"] != "spool"]  # the spool has lines of its own
    for row in dropped[:_MOST_NAMED]:
        since = f" (since {row['since'][:16]})" if row["since"] else ""
        why = f"{count(row['count'])} dropped, {row['where']}: {row['why']}{since}"
        yield Finding("loss", "warn", why, _FIXES.get(row["where"]))
    left = max(0, len(loss["rejected"]) - _MOST_NAMED) + max(0, len(dropped) - _MOST_NAMED)
    if left:
        yield Finding("loss", "warn", f"and {count(left)} other reasons", "tally doctor --json has all")
    if not loss["rejected"] and not loss["dropped"]:
        yield Finding("loss", "ok", "nothing was refused or dropped")
    yield from _waiting(loss)
    if loss["aging"] is not None:
        yield from _aging(loss["aging"])


def _waiting(loss: Mapping[str, Any]) -> Iterator[Finding]:
    for index, word in (("texts", "be indexed for full text"), ("uses", "have their uses listed")):
        behind = loss["indexed"][index]["behind"]
        if behind:
            yield Finding("index", "ok", f"{count(behind)} runs wait to {word}; a server does it by itself")
    records, runs = loss["unattested"]["records"], loss["unattested"]["runs"]
    if records or runs:
        why = f"{count(records)} records and the ends of {count(runs)} runs are not in the journal yet"
        yield Finding(
            "attesting", "warn", why, "tally up, or any tally command that reads; it says what fails"
        )


def _aging(aging: Mapping[str, Any]) -> Iterator[Finding]:
    if not aging["able"]:
        why = f"not possible: runs older than {aging['hot_days']} days stay where they are"
        yield Finding("archive", "warn", why, "pip install 'tallystick[archive]'")
    elif aging["due"]:
        why = f"{count(aging['due'])} runs are older than {aging['hot_days']} days"
        yield Finding("archive", "ok", why, "tally store archive, or a server, which does it by itself")
    for one in aging["last"]:
        what = {"archive": "archived", "delete": "deleted", "tidy": "tidied"}[one["what"]]
        if one["error"]:
            yield Finding("archive", "warn", f"{one['at'][:16]}: nothing could be {what}: {one['error']}")
        elif one["what"] != "tidy":
            yield Finding("archive", "ok", f"last {what} {count(one['runs'])} runs, {one['at'][:16]}")
