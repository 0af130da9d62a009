"""An agent that goes on with one run until its standard input ends; run as a program: erase_work.py STORE MARKER."""

from __future__ import annotations

import base64
import json
import sys
import threading
from pathlib import Path

from opentelemetry import trace

import tallystick

STEPS_AHEAD = 3  # so many steps are in the store before it says that it works


def main() -> None:
    store, marker = Path(sys.argv[1]), sys.argv[2]
    tallystick.init(agent="desk", store=store)

    @tallystick.tool(effect="read", data=["customer_pii"])
    def look(name: str, number: int) -> str:
        """Look somebody up."""
        return f"{name} has {number}"

    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    with tallystick.run(goal=f"help {marker}") as run:
        number = 0
        while not ended.is_set() or number <= STEPS_AHEAD:
            number += 1
            with trace.get_tracer("erase-work").start_as_current_span("chat") as span:
                picture = b"\x89PNG\r\n\x1a\n" + f"{marker} {number} ".encode() * 1_500
                url = "data:image/png;base64," + base64.b64encode(picture).decode()
                said = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
                span.set_attributes({
                    "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "user.id": marker,
                    "gen_ai.input.messages": json.dumps(said), "note": f"{marker} said {number}",
                })  # fmt: skip
            look(marker, number)
            if number == STEPS_AHEAD:
                tallystick.flush()
                print(run.id, flush=True)
            ended.wait(0.1)
    tallystick.shutdown()


if __name__ == "__main__":
    main()
