"""The measured figures as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench.measure import Result, Stage

_HOW = """
How it is measured: one OTLP/HTTP protobuf load for all (bench/load.py: OpenInference spans, 100 a request, about 2 KB
each, runs of about 20 spans and some of 2,000), 4 connections. Each server is started on an empty folder, left alone
until it is idle, warmed with 300 spans, then gets two loads one after the other. *Until queryable* ends when the last
span sent can be read over HTTP, not when it was acknowledged. CPU is that of the whole process tree, from /proc;
memory is proportional set size of the tree. *Opening a run* is what the server's own page asks for: Phoenix gives the
first 1,000 spans of 2,000, MLflow the whole trace, Tallystick the columnar skeleton of all 2,000. MLflow runs its
default four workers. The peers get smaller loads so that the bench ends today.
"""


def line(result: Result) -> str:
    """One line of progress."""
    if result.fault:
        return f"{result.name}: FAULT {result.fault}"
    last = result.stages[-1]
    return (
        f"{result.name}: page {result.first_page:.1f} s, {last.per_cpu_second:,.0f} spans per CPU-s, "
        f"{result.disk_per_span:,.0f} B/span, run opened in {last.open_ms:,.0f} ms"
    )


def text(results: list[Result], sdk: str | None, *, command: str) -> str:
    """The whole of RESULTS.md."""
    parts = [
        "# Bench: the spine",
        f"\n`{command}` on {datetime.now(UTC):%Y-%m-%d}, {_machine()}, Python {platform.python_version()}.",
        "Absolute times belong to this machine and this hour; compare within the table only.\n",
        _table(results),
        _HOW,
        "## The SDK's cost of one traced call\n",
        _SDK,
        f"```\n{sdk}\n```\n" if sdk else "Not measured: bench/sdk_call.py is missing.\n",
    ]
    faults = [f"## {result.name}: fault\n\n```\n{result.fault}\n```\n" for result in results if result.fault]
    return "\n".join(parts + faults)


_SDK = """\
*bare* is the OpenTelemetry SDK with its batch processor and an exporter that does nothing; every other row has
written its record to the spool on disk before the call returned. *tallystick* is what `tallystick.init()` sets up,
*step* the same through the decorators, *joined* a provider of the program's own that Tallystick joins, *both* the
bare exporter and Tallystick beside each other, *store* the first with the local store as its sink (the process then
also maps and commits, which the bare row leaves out).
"""


def _table(results: list[Result]) -> str:
    rows: list[tuple[str, Callable[[Result], str]]] = [
        ("version", lambda item: item.version),
        ("loads, spans", lambda item: " + ".join(f"{stage.spans:,}" for stage in item.stages)),
        (
            "until queryable, spans per server-CPU-second",
            lambda item: _stages(item, "per_cpu_second", "{:,.0f}"),
        ),
        ("until queryable, s", lambda item: _stages(item, "queryable", "{:,.1f}")),
        ("acknowledged, s", lambda item: _stages(item, "acknowledged", "{:,.1f}")),
        ("disk, bytes per span", lambda item: f"{item.disk_per_span:,.0f}"),
        ("opening a run of 2,000, ms", lambda item: _stages(item, "open_ms", "{:,.0f}")),
        ("… spans it gave", lambda item: _stages(item, "open_spans", "{:,}")),
        (
            "… KB over the wire",
            lambda item: " / ".join(f"{stage.open_bytes / 1000:,.0f}" for stage in item.stages),
        ),
        ("first page, s", lambda item: f"{item.first_page:.1f}"),
        ("CPU until idle after start, s", lambda item: f"{item.start_cpu:.1f}"),
        (
            "memory idle / after the loads, MB",
            lambda item: f"{item.idle_rss / 1e6:,.0f} / {item.loaded_rss / 1e6:,.0f}",
        ),
        ("packages installed", lambda item: "not measured" if item.packages is None else str(item.packages)),
        (
            "install, MB",
            lambda item: "not measured" if item.install is None else f"{item.install / 1e6:,.0f}",
        ),
    ]
    good = [result for result in results if not result.fault]
    lines = ["| | " + " | ".join(result.name for result in good) + " |", "|---" * (len(good) + 1) + "|"]
    lines += [f"| {label} | " + " | ".join(show(result) for result in good) + " |" for label, show in rows]
    return "\n".join(lines)


def _stages(result: Result, name: str, form: str) -> str:
    def value(stage: Stage) -> str:
        return form.format(getattr(stage, name))

    return " / ".join(value(stage) for stage in result.stages)


def _machine() -> str:
    model = "unknown CPU"
    for row in Path("/proc/cpuinfo").read_text().splitlines():
        if row.startswith("model name"):
            model = row.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} × {model}"
