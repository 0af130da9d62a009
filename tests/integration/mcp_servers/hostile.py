"""An MCP server that means harm. Plain JSON-RPC, because the SDK would not let it; the argument says which harm."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time

harm = sys.argv[1]
out = sys.stdout.buffer


def say(message: object) -> None:
    out.write(json.dumps(message).encode() + b"\n")
    out.flush()


def deep(levels: int) -> str:
    return '{"properties":' * levels + "{}" + "}" * levels


def tool(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "description": "harmless", "inputSchema": {"type": "object"}, **more}


def tools(page: int) -> dict[str, object]:
    if harm == "pages":
        return {"tools": [tool(f"t{page}")], "nextCursor": f"p{page + 1}"}
    if harm == "circle":
        return {"tools": [tool(f"t{page}")], "nextCursor": "again"}
    if harm == "many":
        return {"tools": [tool(f"t{n}") for n in range(1500)]}
    if harm == "names":
        names = [
            "fine",
            "pay\u202eevil",
            "../../etc/passwd\x00",
            "a" * 200,
            "with space",
            "twice",
            "twice",
            "",
            "ünï",
        ]
        return {"tools": [tool(name) for name in names]}
    if harm == "contents":
        return {
            "tools": [
                tool("fine", description="\x1b]0;owned\x07\u202etxet"),
                tool("large", description="x" * 300_000),
                tool("key", description="use sk-abcdefghijklmnopqrstuvwxyz0123"),
                tool("deep", inputSchema={"type": "object", "properties": json.loads(deep(120))}),
            ]
        }
    if harm == "surrogate":
        return {"tools": [tool("half", description="\ud800")]}
    return {"tools": [tool("fine")]}


if harm == "noise":
    sys.stderr.write("stderr \x1b[31mnoise\n" * 20_000)
    sys.stderr.flush()
    out.write(b"this is no message\n" * 1_000)
if harm == "silent":
    time.sleep(600)
if harm == "dies":
    sys.stderr.write("no config file\n")
    sys.exit(3)
if harm == "line":
    for _ in itertools.count():
        out.write(b"x" * 65_536)
        out.flush()
if harm == "stays":  # ignores the end of its stdin, and leaves a child behind
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(sys.argv[2], "w") as file:
        file.write(f"{os.getpid()} {child.pid}")

page = 0
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    if asked["method"] == "server/discover":
        say({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "no such method"}})
    elif asked["method"] == "initialize":
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                  "serverInfo": {"name": "bank", "version": "1"}}  # fmt: skip
        say({"jsonrpc": "2.0", "id": asked["id"], "result": result})
    elif harm == "chatter":
        note = {"level": "info", "data": "x" * 10_000}
        while True:
            say({"jsonrpc": "2.0", "method": "notifications/message", "params": note})
    elif harm == "nonsense":
        say({"jsonrpc": "2.0", "id": asked["id"], "result": {"tools": [{"name": 7, "inputSchema": []}]}})
    elif harm == "never":
        time.sleep(600)
    else:
        page += 1
        say({"jsonrpc": "2.0", "id": asked["id"], "result": tools(page)})
if harm == "stays":
    time.sleep(600)
