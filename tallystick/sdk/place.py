"""Where a step happens: in which run, by which agent, in which workflow.

The place travels in OpenTelemetry's own context, so it goes wherever a span's parentage goes: through asyncio tasks and
``asyncio.to_thread`` by itself, into other threads with ``carry``.
"""

from __future__ import annotations

import contextvars
import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

import msgspec
from opentelemetry import context as otel_context

from tallystick.model import attributes as names

P = ParamSpec("P")
R = TypeVar("R")

PLACE_KEY: Final = "tallystick.place"
_encoder = msgspec.msgpack.Encoder()


class RunState:
    """What is known of a run while it is open. ``run`` is None until its root span has begun."""

    __slots__ = (
        "budget_nano", "failed", "generation", "goal", "lock", "output", "own", "pending", "root", "run", "seq",
        "stopped", "stopped_by",
    )  # fmt: skip

    def __init__(self, generation: int, *, goal: str | None = None, budget_nano: int | None = None) -> None:
        """``generation`` counts forks: only the process that opened a run gives out its sequence numbers."""
        self.run: str | None = None
        self.root: int | None = None  # span id
        # In a leg (work for a run of another process, see propagation.py): the id that the guard decides under.
        self.own: str | None = None
        self.seq = 0
        self.lock = threading.Lock()
        self.generation = generation
        self.goal = goal
        self.budget_nano = budget_nano
        self.failed: str | None = None
        self.stopped = False
        self.stopped_by: str | None = None
        self.output: str | None = None
        self.pending: weakref.WeakSet[Any] = (
            weakref.WeakSet()
        )  # handoffs still open: closed with the run at the latest

    def next_seq(self) -> int:
        """The next sequence number of the run, from 1."""
        with self.lock:
            self.seq += 1
            return self.seq


class Place:
    """A point in a run. ``stamp`` holds the attributes that every span begun here carries, ``packed`` its msgpack."""

    __slots__ = ("agent", "packed", "stamp", "state", "version", "workflow")

    def __init__(
        self,
        state: RunState,
        agent: str | None = None,
        version: str | None = None,
        workflow: str | None = None,
    ) -> None:
        self.state = state
        self.agent = agent
        self.version = version
        self.workflow = workflow
        self.restamp()

    def restamp(self) -> None:
        """Make the stamp anew, when the run's id has become known."""
        facts = {
            names.RUN_ID: self.state.run,
            names.AGENT: self.agent,
            names.AGENT_VERSION: self.version,
            names.WORKFLOW: self.workflow,
        }
        self.stamp: dict[str, Any] = {name: value for name, value in facts.items() if value is not None}
        self.packed = msgspec.Raw(_encoder.encode(self.stamp))

    def within(self, *, agent: str | None, version: str | None) -> Place:
        """The same run and workflow, another agent."""
        return Place(self.state, agent, version, self.workflow)


def here(context: otel_context.Context | None = None) -> Place | None:
    """The place in a context (default: the current one), or None outside any run."""
    found = otel_context.get_value(PLACE_KEY, context)
    return found if isinstance(found, Place) else None


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Bind a function to the place where ``carry`` is called, for a thread pool: ``pool.submit(carry(work), x)``.

    Each call gets a copy of the caller's context variables, so one carried function may run in many threads at once.
    asyncio tasks, ``gather`` and ``to_thread`` need no carrying.
    """
    context = contextvars.copy_context()

    @functools.wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        return context.copy().run(function, *args, **kwargs)

    return carried
