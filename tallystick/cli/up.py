"""``tally up``: the server, in the foreground."""

from __future__ import annotations

import click

from tallystick.cli.invocation import Invocation, common


@click.command()
@click.option("--host", help="Address to listen on; anything beyond loopback needs a token.")
@click.option("--port", help="Port of pages, API and /v1/traces; 0 picks a free one.")
@click.option("--otlp-port", help="Second port for OTLP over HTTP; 0 switches it off.")
@common
def up(call: Invocation, host: str | None, port: str | None, otlp_port: str | None) -> None:
    """Start the server: pages, JSON API, OTLP. Ctrl-C stops it; what was accepted is on disk."""
    call.flag(host=host, port=port, otlp_port=otlp_port)
    settings = call.settings
    path = call.store_path
    if call.out.as_json:
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        # A free port is picked when the server starts; until then nobody knows the address.
        url = f"http://{shown}:{settings.port}/" if settings.port else None
        call.out.json({"url": url, "store": str(path), "otlp_port": settings.otlp_port or None})
    call.parts.serve(path, settings)
