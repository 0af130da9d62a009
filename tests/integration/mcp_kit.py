"""Servers for the tests of the MCP import: started, reached, and ended again."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVERS = Path(__file__).parent / "mcp_servers"
BOOKSHOP = str(SERVERS / "bookshop.py")
HOSTILE = str(SERVERS / "hostile.py")


def bookshop(*switches: str) -> tuple[str, ...]:
    return (sys.executable, BOOKSHOP, *switches)


def hostile(harm: str, *more: str) -> tuple[str, ...]:
    return (sys.executable, HOSTILE, harm, *more)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def bookshop_online(port: int, *switches: str) -> Iterator[str]:
    """The bookshop over streamable HTTP; gives its address once it answers."""
    process = subprocess.Popen(
        [sys.executable, BOOKSHOP, "--port", str(port), *switches],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "the bookshop ended before it answered"
                assert time.monotonic() < until, "the bookshop never answered"
                time.sleep(0.05)  # between two questions, not in the hope of an answer
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def web_answering(body: bytes, headers: dict[str, str], times: int = 1) -> Iterator[str]:
    """A web server that answers every POST with the same body, ``times`` over."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for _ in range(times):
                    self.wfile.write(body)
            except OSError:
                return  # the client had enough

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/mcp"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
