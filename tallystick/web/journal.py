"""The journal: its head, the two lamps, who vouches for it, its verification step by step, and the newest entries.

Verification works with and without scripts: the plain page is sent as the steps are done, and a script reads the same
steps as lines of JSON.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from tallystick.model.errors import BadInput, TallystickError
from tallystick.proof.report import PROVES_NOT
from tallystick.web import lamps
from tallystick.web.site import Site, View, asked, refuse_foreign
from tallystick.web.stream import sent

Json = Mapping[str, Any]

ENTRIES: Final = 30
CHECKPOINTS: Final = 12
BUSY: Final = {
    "step": "verification",
    "state": "not checked",
    "detail": "another verification is running on this server; start again when it is done",
    "count": 0,
}


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/journal`` (with ``before`` for older entries), ``/journal/verify``, both also ``.json``; ``.jsonl`` live."""
    checks = _Checks(site)

    @get("/journal", sync_to_thread=True)
    def journal_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The journal's page."""
        return site.respond(request, view(site, asked(request, "before")))

    @get("/journal.json", sync_to_thread=True)
    def journal_json(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The same as JSON."""
        return site.respond(request, view(site, asked(request, "before")), as_json=True)

    @get("/journal/verify", sync_to_thread=False)
    def verify_page(request: Request[Any, Any, Any]) -> Stream:
        """The steps as a page that grows while they are done: for readers without scripts."""
        refuse_foreign(request)
        steps = checks.start()
        extra = {"here": "journal", "steps": steps, "verdict": steps.verdict, "key": None}
        return site.stream(request, View("verify.html", {}, extra))

    @get("/journal/verify.json", sync_to_thread=True)
    def verify_json(request: Request[Any, Any, Any]) -> Response[bytes]:
        """``{"steps": [step], "lamps": [lamp]}`` when all is done."""
        refuse_foreign(request)
        steps = checks.start()
        data = {"steps": list(steps), "lamps": steps.verdict()}
        return site.respond(request, View("", data), as_json=True)

    @get("/journal/verify.jsonl", sync_to_thread=False)
    def verify_lines(request: Request[Any, Any, Any]) -> Stream:
        """One step a line as it is done, and ``{"lamps": [lamp]}`` as the last line."""
        refuse_foreign(request)
        return Stream(sent(_lines(checks.start())), media_type="application/jsonl", headers=site.headers)

    return [journal_page, journal_json, verify_page, verify_json, verify_lines]


def view(site: Site, before: str) -> View:
    """What is known of the journal, and a page of its entries, newest first. Raises BadInput."""
    if before and not (before.isascii() and before.isdecimal() and len(before) < 16):
        raise BadInput(f"{before!r} is no number of an entry", hint="page with before=SEQ")
    state = site.journal.state()
    listed = site.reader.entries(limit=ENTRIES, before=int(before) if before else None)
    entries = listed["entries"]
    points = sorted(state["checkpoints"], key=lambda one: -int(one["size"]))
    extra = {
        "here": "journal",
        "lamps": lamps.of_journal(state),
        "entries": entries,
        "before": before,
        "older": entries[-1]["seq"] if entries and entries[-1]["seq"] > 1 else None,
        "points": points[:CHECKPOINTS],
        "more_points": max(0, len(points) - CHECKPOINTS),
        "since": state["size"] - points[0]["size"] if points else None,
        "commands": commands(state["key"], site.settings.store),
        "proves_not": PROVES_NOT,
    }
    return View("journal.html", {**state, "entries": entries}, extra)


def commands(key: str | None, store: str) -> list[tuple[str, str]]:
    """The commands that repeat the check elsewhere: (what for, command), ready for a shell."""
    where = f" --store {shlex.quote(store)}" if store else ""
    made = [("check this store", f"tally journal verify{where}")]
    if key:
        made.append(("check an evidence file, on any machine", f"tally verify FILE --key {shlex.quote(key)}"))
    return made


class _Steps:
    """The steps of one verification as they are done; ``verdict`` gives the lamps afterwards."""

    def __init__(self, made: Iterator[Json], verdict: Callable[[Sequence[Json]], list[lamps.Lamp]]) -> None:
        self._made = made
        self._verdict = verdict
        self._done: list[Json] = []

    def __iter__(self) -> Iterator[Json]:
        for step in self._made:
            self._done.append(step)
            yield step

    def verdict(self) -> list[lamps.Lamp]:
        return self._verdict(self._done)


class _Checks:
    """Verifications of one server: one at a time, because each reads the whole journal.

    A fault of ours breaks the answer off before its lamps: nothing that reads it can take it for a result.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._busy = threading.Lock()

    def start(self) -> _Steps:
        """A verification that runs while its steps are taken."""
        return _Steps(self._run(), self._lamps)

    def _run(self) -> Iterator[Json]:
        if not self._busy.acquire(blocking=False):
            yield BUSY
            return
        try:
            yield from self._site.journal.verify_steps()
        except TallystickError as error:
            yield {"step": "verification", "state": "finding", "detail": error.message, "count": 0}
        finally:
            self._busy.release()

    def _lamps(self, done: Sequence[Json]) -> list[lamps.Lamp]:
        try:
            state = self._site.journal.state()
        except TallystickError as error:
            return lamps.unreadable(error.message)
        return lamps.after_checking(state, done)


def _lines(steps: _Steps) -> Iterator[bytes]:
    for step in steps:
        yield msgspec.json.encode(step) + b"\n"
    yield msgspec.json.encode({"lamps": steps.verdict()}) + b"\n"
