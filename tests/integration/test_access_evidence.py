"""What was decided over HTTP is proved like everything else: evidence of such a run verifies, decisions are remade."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from access_kit import WORDS, deciding, question, said
from test_server_ingest import PROTOBUF, request_of

RUN = f"{7:032x}"


def tally(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "tallystick", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_evidence_of_a_run_decided_over_http_verifies(tmp_path: Path) -> None:
    def asked(**args: Any) -> dict[str, Any]:
        return said(question(run=RUN, **args), words=WORDS)

    with deciding(tmp_path) as server:
        server.post_spans(request_of(1, 3, trace=7), PROTOBUF)
        server.tell(server.ask(asked(id="A-1", amount="40.00"))["context"]["id"], result={"receipt": "R-1"})
        held = asked(id="A-2", amount="400.00")
        approval = server.ask(held)["context"]["approval"]["id"]
        server.answer(approval)
        used = server.ask(said(held, approval=approval))
        server.tell(used["context"]["id"], "in doubt", error="no answer came")
        server.ask(asked(id="A-3", amount="-5.00"))
        made = server.stores.control.entries(run=RUN, kind="decision.made")
        assert [one.body["answer"] for one in made] == ["allow", "hold", "allow", "deny"]
    file = str(tmp_path / "run.evidence.jsonl")
    tally(tmp_path, "evidence", RUN, "-o", file, "--store", str(tmp_path))
    key = tally(tmp_path, "journal", "key", "--store", str(tmp_path)).strip()
    report = json.loads(tally(tmp_path, "verify", file, "--key", key, "--json"))
    assert (report["ok"], [one["findings"] for one in report["checks"] if one["findings"]]) == (True, [])
    remade = [one["count"] for one in report["checks"] if "decision" in one["check"]]
    assert max(remade) == 4, report["checks"]
