"""An agent in a process of its own that calls a tool of an MCP server whenever it is told to, and says what it got."""

from __future__ import annotations

import sys

import tallystick


def lookup(title: str) -> str:
    return f"found {title}"


tallystick.init(agent="reader", store=sys.argv[1], project=sys.argv[2], instrument=False)
call = tallystick.guard(lookup, name="shop.lookup", effect="read")
for line in sys.stdin:
    with tallystick.run(goal="look it up"):
        print(call(line.strip()), flush=True)
