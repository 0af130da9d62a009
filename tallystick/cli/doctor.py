"""``tally doctor``: is everything as it should be, and if not, what to do.

Each line is ok, warn or fail, with a reason.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.clean import one_line
from tallystick.cli.doctor_loss import loss_findings
from tallystick.cli.doctor_registry import Finding, in_force, registry_findings
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.wording import colour, count, counted, glyph, size
from tallystick.config.keys import ENV_PREFIX, NOT_SETTINGS, keys, nearest
from tallystick.model.errors import TallystickError

if TYPE_CHECKING:
    from tallystick.wiring import Stores

LOW_DISK = 500_000_000  # bytes
_MOST_BLOBS = 10  # named one by one
_PARTS = {"server": ("litestar", "uvicorn", "jinja2"), "demo": ("openai",)}


@click.command()
@common
def doctor(call: Invocation) -> int:
    """Check this installation, its store and its settings; exit code 3 when something fails."""
    loss: dict[str, Any] = {}
    findings = list(_findings(call, loss))
    failed = any(finding.state == "fail" for finding in findings)
    if call.out.as_json:
        call.out.json(
            {"ok": not failed, "findings": [asdict(finding) for finding in findings], "loss": loss or None}
        )
        return 3 if failed else 0
    for finding in findings:
        line = f"{glyph(finding.state)} {finding.state:<4}  {finding.check:<10}  {one_line(finding.why)}"
        call.out.line(line, style=colour(finding.state))
        if finding.fix:
            call.out.line(f"{'':20}{one_line(finding.fix)}")
    return 3 if failed else 0


def _findings(call: Invocation, told: dict[str, Any]) -> Iterator[Finding]:
    yield _python()
    yield from _extras()
    yield from _environment()
    try:
        settings = call.settings
    except TallystickError as error:
        yield Finding("settings", "fail", error.message, error.hint)
        return
    given = sum(origin != "default" for origin in settings.origins.values())
    yield Finding("settings", "ok", f"{given} given, the others by default")
    if settings.token_file is not None and os.name == "posix" and settings.token_file.stat().st_mode & 0o077:
        yield Finding(
            "token", "warn", f"others can read {settings.token_file}", f"chmod 600 {settings.token_file}"
        )
    try:
        path = call.store_path
        yield _disk(path)
        yield from _spool(path)
        yield from _store(call, path, told)
    except TallystickError as error:
        yield Finding("store", "fail", error.message, error.hint)
    yield from _policies(call)
    yield from registry_findings(call)
    yield _port(settings.host, settings.port)


def _python() -> Finding:
    from tallystick import __version__

    said = f"Tallystick {__version__} on Python {platform.python_version()}, {platform.system()}"
    return Finding("python", "ok", said)


def _extras() -> Iterator[Finding]:
    for extra, distributions in _PARTS.items():
        missing = []
        for name in distributions:
            try:
                importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                missing.append(name)
        if missing:
            yield Finding(
                extra, "warn", f"not installed: {', '.join(missing)}", f"pip install 'tallystick[{extra}]'"
            )
        else:
            yield Finding(extra, "ok", f"installed ({', '.join(distributions)})")


def _environment() -> Iterator[Finding]:
    known = {key.env: key for key in keys().values()}
    for name in sorted(os.environ):
        if name.startswith(ENV_PREFIX) and name not in known and name not in NOT_SETTINGS:
            near = nearest(name, list(known))
            yield Finding(
                "settings", "warn", f"{name} is no setting", f"did you mean {near}?" if near else None
            )
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        yield Finding(
            "tracing", "warn", "OTEL_SDK_DISABLED=true: nothing is recorded", "unset OTEL_SDK_DISABLED"
        )


def _disk(path: Path) -> Finding:
    nearest_there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    free = shutil.disk_usage(nearest_there).free
    if free < LOW_DISK:
        return Finding(
            "disk", "warn", f"{size(free)} free at {nearest_there}", "make room: a full disk stops recording"
        )
    return Finding("disk", "ok", f"{size(free)} free")


def _spool(path: Path) -> Iterator[Finding]:
    folder = path / "spool"
    if not folder.is_dir():
        return
    from tallystick.sdk.adoption import REJECTED_NAME, owners, waiting_bytes
    from tallystick.sdk.rejects import Rejects
    from tallystick.sdk.spool import COUNTS, LOST_NAME

    here = list(owners(folder))
    yield Finding(
        "spool", "ok", f"{size(waiting_bytes(folder))} of {count(len(here))} processes wait to be delivered"
    )
    lost = 0
    for owner in here:
        counts = owner / LOST_NAME
        if counts.is_file() and counts.stat().st_size == COUNTS.size:
            total, reported = COUNTS.unpack(counts.read_bytes())
            lost += max(0, total - reported)
    if lost:
        yield Finding(
            "spool", "warn", f"{count(lost)} records were dropped for want of room", "raise spool_limit_mb"
        )
    refused = Rejects(folder / REJECTED_NAME).listed()
    if refused:
        reason = refused[-1][0]
        yield Finding(
            "spool", "warn", f"{count(len(refused))} records were refused, the last: {reason}", None
        )


def _blobs(stores: Stores) -> Iterator[Finding]:
    """Large binaries beside the store: whether all are there and as long as they were; `journal verify` reads them."""
    flaws = list(stores.traces.blob_flaws(whole=False, now=time.time_ns()))
    for flaw in flaws[:_MOST_BLOBS]:
        where = f" (run {flaw.run})" if flaw.run else ""
        fix = (
            "put the file of a backup in its place"
            if flaw.run
            else "take it away by hand, or keep it elsewhere"
        )
        yield Finding("blobs", "fail" if flaw.run else "warn", flaw.text + where, fix)
    if len(flaws) > _MOST_BLOBS:
        yield Finding("blobs", "fail", f"and {count(len(flaws) - _MOST_BLOBS)} more", "tally journal verify")


def _store(call: Invocation, path: Path, told: dict[str, Any]) -> Iterator[Finding]:
    """``told`` is filled with the account of losses, as --json gives it."""
    if not path.is_dir():
        yield Finding("store", "ok", f"{path} does not exist yet; the first recorded run makes it")
        return
    with call.stores(create=False) as stores:
        total = call.parts.reader(stores).runs("", limit=1)["total"]
        yield Finding("store", "ok", f"{path}: {count(total)} runs")
        unreadable = stores.traces.info().get("unreadable_runs")
        if unreadable:
            why = f"{counted(unreadable, 'archived run')} cannot be read: DuckDB is not installed"
            yield Finding("archive", "warn", why, "pip install 'tallystick[archive]'")
        try:
            entries = stores.control.verify()
            yield Finding("journal", "ok", f"{count(entries)} entries, every digest agrees")
        except TallystickError as error:
            yield Finding(
                "journal", "fail", error.message, error.hint or "keep the file as evidence; restore a backup"
            )
        yield from _blobs(stores)
        yield from _checkpoints(call, stores)
        loss = call.parts.loss(stores, call.settings)
        told.update(loss)
        yield from loss_findings(loss)
        gaps = [row for row in call.parts.reader(stores).cost("model", limit=1_000)["rows"] if row["gaps"]]
        if gaps:
            named = ", ".join(str(row["key"] or "no model named") for row in gaps[:5])
            more = f" and {len(gaps) - 5} more" if len(gaps) > 5 else ""
            yield Finding("prices", "warn", f"calls of unknown cost: {named}{more}", "tally cost --by model")
        else:
            yield Finding("prices", "ok", "every model call has a cost")


def _checkpoints(call: Invocation, stores: Stores) -> Iterator[Finding]:
    """The journal's continuity, its checkpoints, and everybody that they are passed on to."""
    if stores.doubt is not None:
        yield Finding("journal", "fail", stores.doubt.message, stores.doubt.hint)
    if stores.frozen is not None:
        yield Finding("store", "warn", stores.frozen.message, stores.frozen.hint)
    state = call.parts.journal_book(stores, call.settings).state()
    newest = state["checkpoints"][0] if state["checkpoints"] else None
    if newest is None:
        yield Finding(
            "checkpoint",
            "warn",
            "the journal's head was never signed",
            "tally up, or: tally journal checkpoint",
        )
    else:
        yield Finding(
            "checkpoint", "ok", f"{count(newest['size'])} of {count(state['size'])} entries are signed for"
        )
    for one in state["witnesses"]:
        word = {"signed": "ok", "waiting": "warn"}.get(
            one["state"], "fail" if one["state"] == "fork" else "warn"
        )
        said = one["error"] or f"{one['name']} co-signed {count(one['size'])} entries"
        said = f"{one['name']} was not asked yet" if one["state"] == "waiting" else said
        fix = (
            "tally journal verify"
            if one["state"] == "fork"
            else f"is {one['url']} up?"
            if one["error"]
            else None
        )
        yield Finding("witness", word, said if one["name"] in said else f"{one['name']}: {said}", fix)
    for one in state["exports"]:
        said = f"{one['target']}: {one['error'] or one['state']}"
        yield Finding("export", "warn" if one["state"] == "failed" else "ok", said)


def _policies(call: Invocation) -> Iterator[Finding]:
    folder = call.settings.policies
    if not any(folder.glob("*.cedar")):
        of_registry = in_force(call)
        if of_registry:
            why = f"none in {folder}; the registry's are in force: {', '.join(of_registry[:10])}"
            yield Finding("policies", "ok", why)
            return
        yield Finding(
            "policies", "warn", f"none in {folder}: writes are refused, reads are not evaluated", "tally init"
        )
        return
    try:
        call.parts.check_policies(call.settings)
    except TallystickError as error:
        yield Finding("policies", "fail", error.message, error.hint)
    else:
        yield Finding("policies", "ok", f"{folder} is in order")


def _port(host: str, port: int) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        try:
            taken = port != 0 and probe.connect_ex((host, port)) == 0
        except OSError as error:
            return Finding("port", "fail", f"{host} is no address here: {error}", "set host to 127.0.0.1")
    if taken:
        return Finding("port", "ok", f"something answers on {host}:{port} (a server may be up already)")
    return Finding("port", "ok", f"{host}:{port} is free")
