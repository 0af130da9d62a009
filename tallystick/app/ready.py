"""Ready: gather what readiness depends on, from both halves of the registry and from the runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tallystick.model.query import parse_query
from tallystick.model.registry import Card, Declared, Difference, Shown, Trust, Use
from tallystick.ports import Clock, ControlStore, TraceStore, UseLog
from tallystick.registry.readiness import Facts, ToolFact


class ToolGraph(Protocol):
    """What readiness asks of the graph of the registry."""

    @property
    def objects(self) -> Mapping[tuple[str, str], Declared]:
        """Everything declared, by type and name."""
        ...

    def tools_of(self, agent: str) -> Mapping[str, tuple[str, ...]]:
        """Tools that the agent may call or was seen calling, each with its chain of delegates."""
        ...

    def classes_of_tool(self, tool: str) -> frozenset[str]:
        """Classes of data that the tool touches."""
        ...


class RunsAndUses(TraceStore, UseLog, Protocol):
    """The part of the trace store that readiness reads."""


def gather(
    graph: ToolGraph, agent: str, label: str | None, control: ControlStore, traces: RunsAndUses, clock: Clock, *,
    in_force: Callable[[str], bool], differences: Sequence[Difference] = (),
) -> Facts:  # fmt: skip
    """The facts of one agent, whose version in question is the one that the graph was built with.

    ``in_force(agent)`` says whether a policy is in force for an agent. An agent that nobody declared has what it was
    seen using.
    """
    declared = graph.objects.get(("agent", agent))
    body: Mapping[str, Any] = declared.body if declared else {}
    card = declared.card if declared else Card()
    uses = traces.uses(agent=agent)
    runs = _runs(agent, label, traces, uses)
    last_run, completeness = _last(agent, traces, clock, uses) if runs else (None, None)
    models = [*body.get("models", ()), *(use.name for use in uses if use.type == "model")]
    return Facts(
        agent=agent, version=label, declared=declared is not None, owner=card.owner, purpose=card.purpose,
        autonomy=body.get("autonomy"), tools=_tools(graph, agent, control.shown(), in_force),
        models=tuple(dict.fromkeys(models)), suites=_suites(graph, agent, body),
        evaluations=max((use.runs for use in uses if use.type == "evaluation"), default=0), runs=runs,
        last_run=last_run, completeness=completeness, differences=tuple(one.text for one in differences),
        budgets=_budgets(control, agent, body.get("workflow")),
    )  # fmt: skip


def _tools(
    graph: ToolGraph, agent: str, shown: Sequence[Shown], in_force: Callable[[str], bool]
) -> tuple[ToolFact, ...]:
    quarantined = {one.tool for one in shown if one.trust is Trust.QUARANTINED}
    governed: dict[str, bool] = {}
    facts = []
    for name, chain in sorted(graph.tools_of(agent).items()):
        caller = chain[-1] if chain else agent
        if caller not in governed:
            governed[caller] = in_force(caller)
        declared = graph.objects.get(("tool", name))
        body: Mapping[str, Any] = declared.body if declared else {}
        facts.append(
            ToolFact(
                name=name, chain=tuple(chain), effect=body.get("effect"), classes=graph.classes_of_tool(name),
                arguments=len(body.get("arguments", ())), authority=len(body.get("authority", ())),
                priced=bool(body.get("price_nano_usd")), quarantined=name in quarantined, governed=governed[caller],
            )
        )  # fmt: skip
    return tuple(facts)


def _suites(graph: ToolGraph, agent: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    naming = [
        name for (type_, name), one in graph.objects.items()
        if type_ == "suite" and agent in one.body.get("agents", ())
    ]  # fmt: skip
    known = [name for name in body.get("suites", ()) if ("suite", name) in graph.objects]
    return tuple(sorted({*naming, *known}))


def _runs(agent: str, label: str | None, traces: RunsAndUses, uses: Sequence[Use]) -> int:
    """In how many runs it was seen: this version, where its runs say their version at all."""
    versions = {use.name: use.runs for use in uses if use.type == "version"}
    if label is not None and versions:
        return versions.get(label, 0)
    return next((one.runs for one in traces.sightings("agent") if one.name == agent), 0)


def _last(
    agent: str, traces: RunsAndUses, clock: Clock, uses: Sequence[Use]
) -> tuple[str | None, str | None]:
    """The newest run that ended and how complete it is; one that still runs only where there is no other."""
    name = '"' + agent.replace("\\", "\\\\").replace('"', '\\"') + '"'
    for text in (f"agent:{name} -completeness:open", f"agent:{name}"):
        page = traces.runs(parse_query(text), now=clock.now(), limit=1)
        if page.runs:
            return page.runs[0].run, str(page.runs[0].completeness.value)
    newest = max((use for use in uses if use.run), key=lambda use: use.last, default=None)
    if newest is None:
        return None, None
    run = traces.run(newest.run, now=clock.now())
    return run.run, str(run.completeness.value)


def _budgets(control: ControlStore, agent: str, workflow: str | None) -> tuple[str, ...]:
    scopes = {"run:*", f"agent:{agent}"} | ({f"workflow:{workflow}"} if workflow else set())
    return tuple(one.name for one in control.budgets() if one.scope in scopes and one.mode != "observe")
