"""What a run's page says of proof: its two lamps, and the commands that make its evidence and check it elsewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any, Final

from tallystick.model.errors import TallystickError
from tallystick.web import lamps
from tallystick.web.site import Site

PREFIX: Final = 12
_PLAIN: Final = re.compile(r"[A-Za-z0-9._:@-]{1,128}")


def file_name(run: str) -> str:
    """The name that ``tally evidence`` would choose; of a run's id only what any file system takes."""
    safe = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in run[:PREFIX])
    return f"run-{safe or 'x'}.evidence.jsonl"


def proof(site: Site, run: Mapping[str, Any]) -> dict[str, Any]:
    """What the run page says of proof: ``{"lamps", "download", "command"}``. Never fails: the page must open."""
    try:
        state = site.journal.state()
        shown = lamps.of_run(run, site.reader.recorded(run["run"]), state)
        key = state["key"]
    except TallystickError as error:
        shown, key = lamps.unreadable(error.message), None
    command = _command(run["run"], key, site.settings.store)
    return {"lamps": shown, "download": site.evidence is not None, "command": command}


def _command(run: str, key: str | None, store: str) -> str | None:
    """Make and check evidence in a shell; None where the id is nothing that one should paste."""
    if not _PLAIN.fullmatch(run) or run.startswith("-") or key is None:
        return None
    where = f" --store {shlex.quote(store)}" if store else ""
    file = file_name(run)
    return f"tally evidence {run} -o {file}{where} && tally verify {file} --key {shlex.quote(key)}"
