"""The MCP SDK over HTTP: each call of a tool is seen by its client and by its server, in one trace."""

import asyncio
import contextlib
import socket
import threading
import time

import sender

sender.provider()
import uvicorn  # noqa: E402
from mcp.client import Client  # noqa: E402
from mcp.server.mcpserver import MCPServer  # noqa: E402
from opentelemetry import trace  # noqa: E402

server = MCPServer("desk")
server.tool()(sender.get_weather)
with contextlib.closing(socket.socket()) as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
web = uvicorn.Server(
    uvicorn.Config(server.streamable_http_app(), host="127.0.0.1", port=port, log_level="error")
)
threading.Thread(target=web.run, daemon=True).start()
while not web.started:
    time.sleep(0.02)


async def main() -> None:
    with trace.get_tracer("desk").start_as_current_span("answer"):
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            await client.call_tool("get_weather", {"city": "Paris"})


asyncio.run(main())
web.should_exit = True
sender.write("mcp", tools=[{"tool": "get_weather", "arguments": None, "result": None}], output=None)
