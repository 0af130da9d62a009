"""``tally store erase`` takes a subject out of every byte of a store's folder, beside a server that has it open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from test_server_process import ROOT, serving

from tallystick import wiring
from tallystick.model.commitment import Content
from tallystick.model.journal import Draft
from tallystick.model.span import Event, Source, Span

MARKER = "Jane.Doe.4711"
SHARED = "what everybody was told, and long enough to be kept by its digest; " * 10
NOW = time.time_ns() - 60 * 10**9


def spans(run: int, subject: str, words: str) -> list[Span]:
    trace, source = f"{run:032x}", Source({"service.name": "desk"}, "tests")
    whom = {"user.id": subject, "session.id": f"chat-of-{subject}", "tallystick.run.id": trace}
    told = json.dumps(
        [{"role": "system", "content": SHARED}, {"role": "user", "content": f"{words} {SHARED}"}]
    )
    return [
        Span(
            trace, f"{run * 10:016x}", None, "run", NOW, NOW + 9, source, status=2, status_message=f"no {words}",
            attributes={**whom, "tallystick.run.goal": f"help {words}", "gen_ai.operation.name": "invoke_agent"},
            events=(Event("exception", NOW + 1, {"exception.type": "E", "exception.message": words}),),
        ),
        Span(
            trace, f"{run * 10 + 1:016x}", f"{run * 10:016x}", "chat", NOW, NOW + 5, source,
            attributes={**whom, "gen_ai.operation.name": "chat", "gen_ai.input.messages": told},
        ),
        Span(
            trace, f"{run * 10 + 2:016x}", f"{run * 10:016x}", "tool", NOW, NOW + 5, source,
            attributes={
                **whom, "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look",
                "gen_ai.tool.call.arguments": json.dumps({"name": words}), "gen_ai.tool.call.result": words * 40,
            },
        ),
    ]  # fmt: skip


def approval(run: str, words: str) -> list[Draft]:
    salt = bytes(range(16))
    asked = {
        "approval": f"apr-{run[-4:]}", "decision": "dec", "run": run, "agent": "desk", "tool": "look",
        "arguments": {"name": Content(words, salt)}, "shown": {}, "binding": "b" * 64, "group": "care",
        "because": None, "expires_ns": str(NOW * 2),
    }  # fmt: skip
    said = {
        "approval": asked["approval"],
        "answer": "rejected",
        "by": "ann",
        "note": Content(f"not {words}", salt),
    }
    return [
        Draft("approval.requested", asked["approval"], asked, run=run),
        Draft("approval.answered", asked["approval"], said, run=run, actor="ann"),
    ]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def tally(*words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", *words], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_subject_is_in_no_byte_of_the_store_after_it_was_erased(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    stores = wiring.open_stores(folder)
    take = wiring.recorder(stores).record
    assert not take(
        [*spans(1, MARKER, MARKER), *spans(2, "else", "else"), *spans(3, MARKER, MARKER)]
    ).rejected
    stores.control.append([*approval(f"{1:032x}", MARKER), *approval(f"{2:032x}", "else")])
    before = [stores.traces.run(f"{run:032x}", now=NOW) for run in (1, 2, 3)]
    stores.close()
    assert any(MARKER.encode() in raw for raw in bytes_of(folder).values())
    with serving(folder) as server:
        pages = f"http://127.0.0.1:{server.port}/runs/{1:032x}"
        assert MARKER.encode() in urllib.request.urlopen(pages).read()
        where = ("--store", str(folder), "--json")
        plan = tally("store", "erase", "--subject", MARKER, "--because", "request 7", "--dry-run", *where)
        assert (len(plan["runs"]), plan["steps"], plan["done"]) == (2, 6, False)
        done = tally("store", "erase", "--subject", MARKER, "--because", "request 7", *where)
        assert (done["steps"], done["records"], done["openings"], done["done"]) == (6, 6, 2, True)
        assert done["log_emptied"]
        held = [name for name, raw in bytes_of(folder).items() if MARKER.encode() in raw]
        assert held == []
        assert MARKER.encode() not in urllib.request.urlopen(pages).read()
        assert tally("journal", "verify", *where)
        tally("store", "rebuild", *where)
    stores = wiring.open_stores(folder)
    for old in before:
        new = stores.traces.run(old.run, now=NOW)
        assert (new.steps, new.errors, new.started, new.ended) == (
            old.steps,
            old.errors,
            old.started,
            old.ended,
        )
        assert (new.erased, new.goal) == ((False, "help else") if old.run.endswith("2") else (True, None))
    kept = stores.traces.spans(f"{2:032x}")
    assert SHARED in json.loads(kept[f"{21:016x}"].attributes["gen_ai.input.messages"])[0]["content"]
    assert stores.control.approvals(run=f"{2:032x}")[0].arguments == {"name": "else"}
    assert take is not None
    stores.close()
