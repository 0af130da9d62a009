"""Both sides of a run that crosses processes. Usage: crossing.py http|environment|mcp [kill]; prints the run's id."""

from __future__ import annotations

import asyncio
import http.client
import http.server
import os
import signal
import subprocess
import sys

import tallystick


@tallystick.tool(effect="read")
def far(name: str) -> str:
    """What the second process does."""
    if "kill" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"hello {name}"


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with tallystick.joined(self.headers):
            body = far("http").encode()
        tallystick.flush()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def serve() -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
    print(server.server_address[1], flush=True)
    server.handle_request()


def ask(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/", headers=dict(tallystick.inject()))
    try:
        assert connection.getresponse().read() == b"hello http"
    except ConnectionError:
        assert "kill" in sys.argv


async def ask_mcp() -> None:
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    serve = "serve-mcp-alone" if "alone" in sys.argv else "serve-mcp"
    server = StdioServerParameters(command=sys.executable, args=[__file__, serve], env=dict(os.environ))
    async with Client(stdio_client(server)) as client:
        answer = await client.call_tool("far_away", {"name": "mcp"})
        assert "hello mcp" in str(answer)


def serve_mcp() -> None:
    from mcp.server import MCPServer

    server = MCPServer("far")

    @server.tool()
    def far_away(name: str) -> str:
        """Call the tool of this process."""
        return f"hello {name}" if "serve-mcp-alone" in sys.argv else far(name)

    server.run("stdio")


def call(how: str) -> None:
    more = sys.argv[2:]
    if how == "http":
        with subprocess.Popen(
            [sys.executable, __file__, "serve-http", *more], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with tallystick.run(goal="cross", workflow="crossing") as run:
                ask(port)
    elif how == "environment":
        with tallystick.run(goal="cross", workflow="crossing") as run:
            environment = tallystick.inject(dict(os.environ), environment=True)
            subprocess.run([sys.executable, __file__, "child", *more], env=dict(environment))
    else:
        with tallystick.run(goal="cross", workflow="crossing") as run:
            asyncio.run(ask_mcp())
    print(run.id)


if __name__ == "__main__":
    if sys.argv[1] != "serve-mcp-alone":
        tallystick.init(agent=sys.argv[1], instrument=False)
    if sys.argv[1] == "serve-http":
        serve()
    elif sys.argv[1].startswith("serve-mcp"):
        serve_mcp()
    elif sys.argv[1] == "child":
        far("child")
    else:
        call(sys.argv[1])
    tallystick.shutdown()
