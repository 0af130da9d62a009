"""The guarded world: a suite's tools behind the SDK, a real guard, a real store, and a person who answers.

Everything is what an agent's process has: ``tallystick.init`` on a project's folder and a SQLite store in a fresh
folder, ``tallystick.guard`` around each function, ``tallystick.run`` around each task. One thing is changed: the guard
does not sleep while a call is held, it calls the person, so that no time is lost and no thread is needed.
"""

from __future__ import annotations

import inspect
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentdojo.functions_runtime import Function, FunctionCall, FunctionsRuntime

import tallystick
from bench.agentdojo.suites import Suite
from tallystick.app.acting.approvals import answer
from tallystick.model.control import ApprovalState
from tallystick.model.people import unnamed
from tallystick.wiring import agent
from tallystick.wiring.machine import clock, ids
from tallystick.wiring.stores import open_stores

MEMORY = Path("/dev/shm")  # thousands of decisions are each written before the call goes on


@dataclass
class Played:
    """What became of one call. ``held``: somebody was asked. ``why``: what the decision's record says."""

    call: FunctionCall
    ran: bool
    held: bool
    fault: str | None = None
    why: tuple[str, ...] = ()
    facts: Any = None


@dataclass
class Person:
    """Who is asked: says yes to what the user wanted and no to everything else. ``asked`` counts the questions."""

    control: Any
    says_yes: bool = True
    asked: int = 0
    fault: Exception | None = None

    def wait(self, _nanoseconds: int) -> None:
        """Answer whatever waits; the guard calls this where it would sleep."""
        for one in self.control.approvals(state=ApprovalState.WAITING):
            self.asked += 1
            word = "approved" if self.says_yes else "rejected"
            try:
                answer(self.control, clock(), ids(), one.id, word, by=unnamed("the user"))
            except Exception as error:  # the guard would take it for its own, and refuse the call
                self.fault = error
                raise


@dataclass
class World:
    """A suite's tools, guarded. ``environment`` is what they work on now."""

    suite: Suite
    person: Person
    environment: Any = None
    ran: bool = False
    tools: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def play(self, call: FunctionCall, *, wanted: bool) -> Played:
        """Make one call through the guard. Raises Stopped and OverBudget like the SDK."""
        self.person.says_yes, self.ran = wanted, False
        asked, fault = self.person.asked, None
        try:
            self.tools[call.function](**call.args)
        except (tallystick.Stopped, tallystick.OverBudget):
            raise
        except Exception as error:  # noqa: BLE001 - tools of the suite; the agent would read it
            fault = f"{type(error).__name__}: {error}"
        if self.person.fault is not None:
            raise self.person.fault
        held = self.person.asked > asked
        if not wanted or (self.ran and not held):
            return Played(call, self.ran, held, fault)
        return Played(call, self.ran, held, fault, *self._why(held))

    def _why(self, held: bool) -> tuple[tuple[str, ...], Any]:
        """The reasons and facts of the newest decision, or of the newest that held a call."""
        newest = self.person.control.entries(kind="decision.made", limit=2, newest=True)
        for entry in newest:
            if not held or entry.body["answer"] == "hold":
                return tuple(entry.body["reasons"]), entry.body.get("facts")
        return (), None


@contextmanager
def open_world(suite: Suite, project: Path) -> Iterator[World]:
    """The guarded tools of a suite, under the declarations and policies of a project's folder."""
    folder = Path(tempfile.mkdtemp(prefix="tally-dojo-", dir=MEMORY if MEMORY.is_dir() else None))
    sleeps = agent.rest
    os.environ["TALLYSTICK_APPROVAL_TIMEOUT_S"] = "10"  # a person who is not heard shows as a task that fails
    try:
        tallystick.init("assistant", project=project, store=folder / "store", instrument=False)
        stores = open_stores(folder / "store")
        person = Person(stores.control)
        agent.rest = person.wait  # a person who is there at once
        world = World(suite, person)
        world.tools = {one.name: tallystick.guard(_callable(world, one)) for one in suite.functions}
        yield world
        stores.close()
    finally:
        agent.rest = sleeps
        tallystick.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _callable(world: World, function: Function[Any, Any]) -> Callable[..., Any]:
    """A plain function with the name, the words and the signature of a tool of AgentDojo."""
    runtime = FunctionsRuntime(world.suite.source.tools)

    def call(**arguments: Any) -> Any:
        world.ran = True
        given, _ = runtime.run_function(world.environment, function.name, arguments, raise_on_error=True)
        return given

    hints = {name: one.annotation for name, one in function.parameters.model_fields.items()}
    call.__name__ = call.__qualname__ = function.name
    call.__doc__ = function.full_docstring
    call.__annotations__ = {**hints, "return": function.return_type}
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, annotation=one.annotation,
                default=inspect.Parameter.empty if one.is_required() else one.default,
            )
            for name, one in function.parameters.model_fields.items()
        ],
        return_annotation=function.return_type,
    )  # fmt: skip
    return call
