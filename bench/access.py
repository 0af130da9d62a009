"""CPU of one decision over HTTP: ``python -m bench.access [N]``. The server and its client are one process here; the
client's share is measured by the same requests to a route that does nothing, and taken off."""

from __future__ import annotations

import http.client
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tallystick import wiring
from tallystick.api.server import ServerThread, address_of, listen
from tallystick.config import load

_TOOL = 'name = "look"\neffect = "{effect}"\n[arguments]\nid = "string"\n'
_RULE = 'permit (principal, action == Action::"look", resource);\n'


def _cpu(port: int, calls: int, method: str, path: str, body: Any) -> float:
    """Microseconds of CPU a request, both sides together."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    started = time.process_time()
    for number in range(calls):
        raw = json.dumps({**body, "context": {"args": {"id": f"A-{number}"}}}) if body else None
        connection.request(method, path, raw, {"content-type": "application/json"})
        answer = connection.getresponse()
        said = json.loads(answer.read())
        assert answer.status == 200, said
        assert body is None or said["decision"], said
    spent = time.process_time() - started
    connection.close()
    return spent / calls * 1e6


def measure(effect: str, calls: int) -> tuple[float, float]:
    """(µs of CPU a decision, µs of CPU of a request that decides nothing) for a tool of this effect."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tallystick.toml").write_text('policies = "policies"\n')
        files = (("tools/look.toml", _TOOL.format(effect=effect)), ("policies/all.cedar", _RULE))
        for place, text in files:
            (folder / place).parent.mkdir(exist_ok=True)
            (folder / place).write_text(text)
        stores = wiring.open_stores(folder)
        opened = listen("127.0.0.1", 0, token=None)
        settings = load({}, {"TALLYSTICK_RUN_TOOL_CALLS": str(10 * calls)}, folder)
        thread = ServerThread(wiring.build_app(stores, settings, address=address_of(opened)), [opened])
        thread.start()
        port = opened.getsockname()[1]
        try:
            body = {
                "subject": {"type": "agent", "id": "desk", "properties": {"run": "r1"}},
                "action": {"name": "look"}, "resource": {"type": "tool", "id": "look"},
            }  # fmt: skip
            _cpu(port, 50, "POST", "/access/v1/evaluation", body)
            nothing = _cpu(port, calls, "GET", "/api/health", None)
            return _cpu(port, calls, "POST", "/access/v1/evaluation", body), nothing
        finally:
            thread.stop()
            stores.close()


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    for effect in ("read", "write"):
        whole, nothing = measure(effect, number)
        print(
            f"{effect:5}  {whole:7.0f} µs a decision; {nothing:.0f} µs of it a request that decides nothing"
        )
