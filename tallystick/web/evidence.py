"""A run's evidence to take away: one file that proves the run offline."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from tallystick.model.errors import UnknownThing
from tallystick.web.proof import file_name
from tallystick.web.run import summary
from tallystick.web.site import Site, asked, refuse_foreign
from tallystick.web.stream import BLOCK, sent


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/runs/{run}/evidence``, with ``redact=1`` without contents."""

    @get("/runs/{run:str}/evidence", sync_to_thread=True)
    def evidence_file(request: Request[Any, Any, Any]) -> Stream:
        """The evidence file. A fault on the way breaks the download off, and a file without its trailer is refused."""
        refuse_foreign(request)
        if site.evidence is None:
            raise UnknownThing("this server makes no evidence", hint="tally evidence RUN makes it")
        run = str(summary(site, request.path_params["run"])["run"])
        parts = site.evidence(run, bool(asked(request, "redact")))
        first = next(parts, b"")  # what is wrong from the start is answered as an error, not as an empty file
        headers = {**site.headers, "Content-Disposition": f'attachment; filename="{file_name(run)}"'}
        whole: Iterator[bytes] = chain([first], parts)
        return Stream(sent(whole, block=BLOCK), media_type="application/jsonl", headers=headers)

    return [evidence_file]
