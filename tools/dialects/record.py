"""Record conformance fixtures: run a real library against a scripted model, keep what it sent and what is true.

    python tools/dialects/record.py NAME PYTHON

runs ``tools/dialects/with_NAME.py`` with PYTHON (of an environment where the library is installed) and writes
``tests/golden/dialects/NAME.json`` and ``NAME.truth.json``. The truth comes from the model server, which counted the
tokens that it reported, and from the script, never from the spans. NAME may have a variant: ``vercel-v6`` is recorded
by ``with_vercel.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tallystick.testing.model_server import ModelServer
from tallystick.testing.turns import Call, Fail, Say

HERE = Path(__file__).resolve().parent
OUT = HERE.parents[1] / "tests" / "golden" / "dialects"
CALL = Call("get_weather", {"city": "Paris"})
SCRIPTS: dict[str, list[Say | Fail]] = {
    "": [Say(calls=[CALL], cached=8, reasoning=7), Say("It is 21C in Paris.", cached=16)],
    "openai_agents": [
        Say(calls=[Call("transfer_to_weather", {})], cached=8, reasoning=7),
        Say(calls=[CALL], cached=8),
        Say("It is 21C in Paris."),
    ],
    "smolagents": [
        Say(calls=[CALL], cached=8, reasoning=7),
        Say(calls=[Call("final_answer", {"answer": "It is 21C in Paris."})], cached=16),
    ],
}


def main(name: str, python: str) -> int:
    """Run one script and write its fixture; the exit code is the script's."""
    OUT.mkdir(parents=True, exist_ok=True)
    script = SCRIPTS.get(name, SCRIPTS[""])
    with ModelServer(script) as server, tempfile.TemporaryDirectory() as scratch:
        told_at = Path(scratch) / "told.json"
        environment = {
            **os.environ,
            "MODEL_URL": server.url,
            "OPENAI_BASE_URL": server.url,
            "OPENAI_API_KEY": "none",
            "SPANS_OUT": str(OUT / f"{name}.json"),
            "TOLD_OUT": str(told_at),
            "PYTHONPATH": str(HERE),
            "FIXTURE": name,
            "HOME": scratch,
        }
        done = subprocess.run(
            [python, str(HERE / f"with_{name.partition('-')[0]}.py")],
            env=environment,
            cwd=scratch,
            check=False,
        )
        if done.returncode != 0:
            return done.returncode
        told = json.loads(told_at.read_text())
        usage = [item.usage for item in server.served if item.usage is not None]
    truth = {"source": "recorded", **told, "models": [_counts(one) for one in usage]}
    truth.setdefault(
        "tools", [{"tool": CALL.tool, "arguments": CALL.arguments, "result": "Paris: 21C sunny"}]
    )
    truth.setdefault("output", "It is 21C in Paris.")
    (OUT / f"{name}.truth.json").write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n")
    return 0


def _counts(usage: Any) -> dict[str, int]:
    return {
        "input": usage["prompt_tokens"],
        "output": usage["completion_tokens"],
        "cached": usage.get("prompt_tokens_details", {}).get("cached_tokens", 0),
        "reasoning": usage.get("completion_tokens_details", {}).get("reasoning_tokens", 0),
    }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
