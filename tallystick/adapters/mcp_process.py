"""An MCP server as a process of ours: started, spoken to over stdin and stdout, and surely ended.

The official client's own stdio transport keeps a line until it ends, however long it grows; here a line and the sum of
all lines are bounded. The server has a process group of its own, and that group ends with the visit.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from anyio.abc import Process
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

_TAIL: Final = 4_096  # bytes of stderr that are kept
_PATIENCE_S: Final = 1.0


class Bounds(Protocol):
    """The longest line, in bytes."""

    @property
    def line(self) -> int:
        """The longest line, in bytes."""
        ...


class Visit(Protocol):
    """Who counts and keeps what a server sent."""

    stderr: bytes
    unread: int

    @property
    def limits(self) -> Bounds:
        """The limits of the visit."""
        ...

    def take(self, count: int, what: str) -> None:
        """Count bytes. Raises TooLarge."""
        ...

    def fail(self, message: str) -> None:
        """Remember that a limit was broken. Raises TooLarge."""
        ...


class Started:
    """One server; ``streams`` starts it and ends it."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], visit: Visit) -> None:
        self._command = list(command)
        self._env = dict(env)
        self._visit = visit

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[tuple[Any, Any]]:
        """What it says and what it is told, as messages. Raises OSError where it cannot be started."""
        import anyio

        from tallystick.adapters.mcp_client import environment

        process = await anyio.open_process(
            self._command, env=environment(self._env), start_new_session=os.name == "posix"
        )
        heard_in, heard = anyio.create_memory_object_stream[Any](0)
        told, told_out = anyio.create_memory_object_stream[Any](0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen, process, heard_in)
            tasks.start_soon(self._tell, process, told_out, heard_in)
            tasks.start_soon(self._overhear, process)
            try:
                yield heard, told
            finally:
                with anyio.CancelScope(shield=True):
                    await _end(process)
                tasks.cancel_scope.cancel()
                for stream in (heard_in, heard, told, told_out):
                    stream.close()

    async def _listen(self, process: Process, heard: MemoryObjectSendStream[Any]) -> None:
        """Lines of stdout as messages; what is no message is noise and passed over."""
        import anyio
        from mcp.shared.message import SessionMessage
        from mcp_types import jsonrpc_message_adapter

        assert process.stdout is not None
        pending = bytearray()
        async with heard:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                async for chunk in process.stdout:
                    self._visit.take(len(chunk), "its answers")
                    *lines, rest = (
                        (bytes(pending) + chunk).split(b"\n") if b"\n" in chunk else (pending + chunk,)
                    )
                    pending = bytearray(rest)
                    if len(pending) > self._visit.limits.line:
                        self._visit.fail(
                            f"the server sent a line of more than {self._visit.limits.line:,} bytes"
                        )
                    for line in lines:
                        try:
                            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                        except ValueError:
                            self._visit.unread += 1
                            continue
                        await heard.send(SessionMessage(message))

    async def _tell(
        self, process: Process, told: MemoryObjectReceiveStream[Any], heard: MemoryObjectSendStream[Any]
    ) -> None:
        import anyio

        assert process.stdin is not None
        try:
            async with told:
                async for item in told:
                    line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await process.stdin.send(line.encode("utf-8") + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            await heard.aclose()  # it reads no more: the client must not wait for an answer

    async def _overhear(self, process: Process) -> None:
        """Keep the end of what it writes on stderr; the rest is read and forgotten, so that it never blocks."""
        import anyio

        assert process.stderr is not None
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for chunk in process.stderr:
                self._visit.stderr = (self._visit.stderr + chunk)[-_TAIL:]


async def _end(process: Process) -> None:
    """Close its stdin, and end its whole group where it does not go by itself."""
    import anyio

    if process.stdin is not None:
        with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await process.stdin.aclose()
    for sign in (None, signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        if sign is not None:
            _signal(process, sign)
        with anyio.move_on_after(_PATIENCE_S):
            while process.returncode is None:
                await anyio.sleep(0.01)
        if process.returncode is not None and sign is None:
            break
    _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))  # children that outlived it
    # Pipes that nobody reads to their end stay open, and nothing public of asyncio closes them.
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    if transport is not None:
        with suppress(PermissionError):
            transport.close()
    await anyio.sleep(0)


def _signal(process: Process, sign: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, sign)
        else:
            process.send_signal(sign)
