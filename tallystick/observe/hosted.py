"""MCP servers that live inside the agent's own process, and whose spans therefore have no parent.

Such a server makes a trace of its own of every request. Its spans share the process (``service.instance.id``), and a
tool call lies in time within the agent's root span; opening the session and listing tools may come before it. Where
exactly one root in the batch fits, they belong to its run. Batches are what one process exports, so both usually come
together; where they do not, the server's spans stay runs of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallystick.model.span import Span
from tallystick.model.step import Kind, Step

_MCP = "mcp"
_INSTANCE = "service.instance.id"


def link_hosted(batch: Sequence[tuple[Step, Span]]) -> None:
    """Give hosted MCP steps, and the root step that hosts them, a stitch key in common. Changes ``links`` in place."""
    guests = [pair for pair in batch if pair[0].dialect == _MCP and _is_root(pair[0])]
    if not guests:
        return
    hosts = [pair for pair in batch if pair[0].dialect != _MCP and _is_root(pair[0]) and not pair[0].derived]
    for step, span in guests:
        instance = _instance(span)
        beside = [host for host, its in hosts if _instance(its) == instance]
        around = [host for host in beside if step.kind is not Kind.TOOL or _holds(host, step)]
        if instance is None or len(around) != 1:
            continue
        key = "trace:" + around[0].trace
        step.links += (key,)
        if key not in around[0].links:
            around[0].links += (key,)


def _is_root(step: Step) -> bool:
    return step.parent is None and step.ended is not None and (step.run is None or step.dialect != _MCP)


def _instance(span: Span) -> Any:
    return span.source.resource.get(_INSTANCE)


def _holds(host: Step, step: Step) -> bool:
    assert host.ended is not None
    assert step.ended is not None
    return host.started <= step.started and step.ended <= host.ended
