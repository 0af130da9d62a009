"""The Vercel AI SDK: canonical spans of version 7, its ``LegacyOpenTelemetry``, and version 6.

Runs node in the folder that NODE_FOLDER names, where npm has put ai, @ai-sdk/openai-compatible, @ai-sdk/otel (version 7
only), zod, @opentelemetry/api, @opentelemetry/sdk-trace-node, @opentelemetry/sdk-trace-base and
@opentelemetry/otlp-transformer."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
mode, _, stream = os.environ["FIXTURE"].partition("-")[2].partition("-")
folder, out = Path(os.environ["NODE_FOLDER"]), Path(os.environ["SPANS_OUT"])
shutil.copy(HERE / "with_vercel.mjs", folder)
command = ["node", "with_vercel.mjs", mode, os.environ["MODEL_URL"], str(out), *([stream] if stream else [])]
done = subprocess.run(command, cwd=folder, check=False)
if done.returncode != 0:
    sys.exit(done.returncode)
document = json.loads(out.read_text())
for group in document["resourceSpans"]:  # what the machine is called is no part of a fixture
    group["resource"]["attributes"] = [
        item for item in group["resource"]["attributes"] if not item["key"].startswith(("process.", "host."))
    ]
out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
packages = ["ai", "@ai-sdk/openai-compatible"] + (["@ai-sdk/otel"] if mode != "v6" else [])
versions = {
    name: json.loads((folder / "node_modules" / name / "package.json").read_text())["version"]
    for name in packages
}
told = {"versions": versions, "agent": "weather"}
if mode == "v6":
    told |= {"conversation": "session-vercel-1", "user": "user-17"}
Path(os.environ["TOLD_OUT"]).write_text(json.dumps(told))
