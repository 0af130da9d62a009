"""The sending side: a few connections that post ready-made requests, and timed reads."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Mapping
from typing import Any


class BenchError(Exception):
    """A server answered something that makes the measurement worthless."""


def ask(
    port: int, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> tuple[int, bytes]:  # fmt: skip
    """One request on a fresh connection; status and whole body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ask_json(
    port: int, method: str, path: str, *, body: Any = None, headers: Mapping[str, str] | None = None
) -> Any:
    """One JSON request. Raises BenchError for anything but a 200."""
    content = None if body is None else json.dumps(body).encode()
    status, answer = ask(
        port, method, path, body=content, headers={"content-type": "application/json", **(headers or {})}
    )
    if status != 200:
        raise BenchError(f"{method} {path}: {status} {answer[:300]!r}")
    return json.loads(answer)


def post_all(port: int, path: str, bodies: list[bytes], headers: Mapping[str, str], connections: int) -> None:
    """Post every body over ``connections`` keep-alive connections. A 429 or 503 is tried again, as an exporter would.

    Raises BenchError when a request is refused for good.
    """
    lock = threading.Lock()
    left = iter(bodies)
    faults: list[str] = []

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        try:
            while not faults:
                with lock:
                    body = next(left, None)
                if body is None:
                    return
                _post_one(connection, path, body, headers, faults)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise BenchError(faults[0])


def _post_one(
    connection: http.client.HTTPConnection,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    faults: list[str],
) -> None:
    for _ in range(600):
        try:
            connection.request("POST", path, body=body, headers=dict(headers))
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            faults.append(f"POST {path}: {error!r}")
            return
        if answer.status == 200:
            return
        if answer.status not in (429, 503):
            faults.append(f"POST {path}: {answer.status} {content[:300]!r}")
            return
        time.sleep(0.2)
    faults.append(f"POST {path}: still refused after 600 tries")


def wait_for(port: int, path: str, *, seconds: float, alive: Any) -> float:
    """Seconds until ``path`` answers 200. Raises BenchError when it does not in time, or the server has ended."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if alive() is not None:
            raise BenchError(f"the server ended with {alive()}")
        try:
            status, _ = ask(port, "GET", path, timeout=5)
            if status == 200:
                return time.monotonic() - started
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.02)
    raise BenchError(f"no 200 from {path} in {seconds:.0f} s")
