"""One server measured from its start to its end; every step says what it waited for."""

from __future__ import annotations

import os
import socket
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench import client, load, process
from bench.environments import install_bytes, packages_of
from bench.peers import Peer

CONNECTIONS = 4
OPENINGS = 5
SETTLED = 0.1  # of one CPU, over three seconds


@dataclass
class Stage:
    """One stretch of ingest. ``acknowledged``: the last 200; ``queryable``: the last span could be read."""

    spans: int
    acknowledged: float
    queryable: float
    cpu: float
    stored: int
    open_ms: float
    open_spans: int
    open_bytes: int

    @property
    def per_cpu_second(self) -> float:
        """Spans until queryable, per second of the server's CPU."""
        return self.spans / self.cpu


@dataclass
class Result:
    """All that is known of one server."""

    name: str
    version: str
    packages: int | None = None
    install: int | None = None
    first_page: float = 0.0
    start_cpu: float = 0.0
    idle_rss: int = 0
    loaded_rss: int = 0
    disk_per_span: float = 0.0
    stages: list[Stage] = field(default_factory=list)
    fault: str | None = None


def free_port() -> int:
    """A port that was free a moment ago (and the one above it, which Phoenix's gRPC wants)."""
    while True:
        with socket.socket() as low, socket.socket() as high:
            low.bind(("127.0.0.1", 0))
            port = int(low.getsockname()[1])
            try:
                high.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def measure(peer: Peer, sizes: list[int], *, installed: bool) -> Result:
    """Start the server, send it loads of the given sizes one after the other, read, stop it.

    ``installed``: it has an environment of its own, whose size says what an install costs.
    """
    result = Result(peer.name, peer.version())
    if installed:
        result.packages, result.install = packages_of(peer.environment()), install_bytes(peer.environment())
    with tempfile.TemporaryDirectory(prefix="tally-bench-") as name:
        folder = Path(name)
        port = free_port()
        server = process.start(
            peer.command(port, folder),
            env={**os.environ, **peer.variables(port, folder)},
            cwd=folder,
            log=folder / "server.log",
        )
        try:
            result.first_page = client.wait_for(port, peer.page, seconds=400, alive=server.poll)
            settle(server.pid)
            result.start_cpu = process.cpu_seconds(server.pid)
            result.idle_rss = process.resident_bytes(server.pid)
            _fill(peer, port, server.pid, folder, sizes, result)
        except (client.BenchError, OSError) as error:
            tail = (folder / "server.log").read_text(errors="replace")[-800:]
            result.fault = f"{error}\n{tail}"
        finally:
            process.stop(server)
    return result


def _fill(peer: Peer, port: int, pid: int, folder: Path, sizes: list[int], result: Result) -> None:
    """A small first load so that nothing is measured that happens once, then the loads that count."""
    before = 300
    warm = load.make(before, seed=1, now_ns=time.time_ns())
    client.post_all(port, peer.ingest, warm.bodies, peer.headers, CONNECTIONS)
    _until_queryable(peer, port, warm, 0)
    settle(pid)
    empty = process.folder_bytes(folder)
    for number, size in enumerate(sizes):
        work = load.make(size, seed=number + 2, now_ns=time.time_ns())
        cpu, started = process.cpu_seconds(pid), time.monotonic()
        client.post_all(port, peer.ingest, work.bodies, peer.headers, CONNECTIONS)
        acknowledged = time.monotonic() - started
        _until_queryable(peer, port, work, before)
        queryable = time.monotonic() - started
        cpu = process.cpu_seconds(pid) - cpu
        before += size
        stored = peer.stored(port, folder)
        if stored < before:
            raise client.BenchError(f"{peer.name} holds {stored} of {before} spans")
        times, opened = [], None
        for _ in range(OPENINGS if work.long_run else 0):
            began = time.monotonic()
            opened = peer.open_run(port, work.long_run)
            times.append((time.monotonic() - began) * 1000)
        result.stages.append(
            Stage(
                size, acknowledged, queryable, cpu, stored,
                statistics.median(times) if times else 0.0,
                opened.spans if opened else 0,
                opened.size if opened else 0,
            )
        )  # fmt: skip
    result.loaded_rss = process.resident_bytes(pid)
    settle(pid)
    result.disk_per_span = (process.folder_bytes(folder) - empty) / sum(sizes)


def _until_queryable(peer: Peer, port: int, work: load.Load, before: int) -> None:
    """Ask until the last span can be read; at most once in 0.2 s, so that asking costs the server little."""
    deadline = time.monotonic() + 1_800
    while not peer.queryable(port, work, before):
        if time.monotonic() > deadline:
            raise client.BenchError(f"{peer.name}: not queryable after half an hour")
        time.sleep(0.2)


def settle(pid: int, limit: float = 120) -> None:
    """Wait until the server is idle: workers go on importing long after the first page is there."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        before = process.cpu_seconds(pid)
        time.sleep(3)
        if process.cpu_seconds(pid) - before < 3 * SETTLED:
            return
