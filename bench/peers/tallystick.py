"""Tallystick itself, started as a user starts it: ``tally up`` on an empty store."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.client import BenchError, ask, ask_json
from bench.load import Load
from bench.peers import Opened


class Tallystick:
    """Driver for ``tally up`` with its defaults (everything on: mapping, stitching, pricing, roll-ups)."""

    name = "Tallystick"
    page = "/"
    ingest = "/v1/traces"
    headers: dict[str, str] = {"content-type": "application/x-protobuf"}  # noqa: RUF012 - a constant of the driver

    def __init__(self, environment: Path | None = None) -> None:
        """``environment`` holds an install of its own; None: the one this bench runs in, straight from the sources."""
        self._environment = environment

    def version(self) -> str:
        from tallystick import __version__

        return __version__

    def environment(self) -> Path:
        return self._environment or Path(sys.prefix)

    def command(self, port: int, folder: Path) -> list[str]:
        return [
            str(self.environment() / "bin" / "python"),
            "-m",
            "tallystick",
            "up",
            "--store",
            str(folder / "store"),
            "--port",
            str(port),
        ]

    def variables(self, port: int, folder: Path) -> dict[str, str]:
        source = str(Path(__file__).resolve().parents[2])
        place = {"PYTHONPATH": source} if self._environment is None else {"PYTHONPATH": ""}
        return {"TALLYSTICK_OTLP_PORT": "0", "HOME": str(folder), **place}

    def queryable(self, port: int, load: Load, before: int) -> bool:
        try:
            run = ask_json(port, "GET", f"/api/runs/{load.last}/skeleton")["run"]
        except BenchError:
            return False
        return bool(run["steps"] >= load.last_spans)

    def stored(self, port: int, folder: Path) -> int:
        total, before = 0, ""
        while True:
            page = ask_json(port, "GET", f"/api/runs?limit=1000{before}")["runs"]
            total += sum(run["steps"] for run in page)
            if len(page) < 1000:
                return total
            before = f"&before={page[-1]['run']}"

    def open_run(self, port: int, trace: str) -> Opened:
        status, body = ask(port, "GET", f"/api/runs/{trace}/skeleton")
        if status != 200:
            raise BenchError(f"skeleton of {trace}: {status} {body[:200]!r}")
        import json

        return Opened(len(json.loads(body)["columns"]["step"]), len(body))
