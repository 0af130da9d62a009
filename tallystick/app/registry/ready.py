"""Ready: gather what readiness depends on, from both halves of the registry and from the runs, and judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tallystick.app.registry.catalog import Catalog
from tallystick.model.query import parse_query
from tallystick.model.registry import Card, Use, Version
from tallystick.ports import Clock, ControlStore, TraceStore
from tallystick.registry.cards import ORIGIN
from tallystick.registry.graph import Graph, names_in
from tallystick.registry.readiness import readiness
from tallystick.registry.readiness_shapes import Facts, Readiness, ToolFact
from tallystick.registry.search import in_force
from tallystick.registry.standing import differences_of
from tallystick.registry.versioned import with_version

_LOOKED_AT: Final = 20  # newest runs among which one is looked for that nobody only claimed


class Ready:
    """Says of agents which layers they need, have and miss."""

    def __init__(self, catalog: Catalog, control: ControlStore, traces: TraceStore, clock: Clock) -> None:
        self._catalog = catalog
        self._control = control
        self._traces = traces
        self._clock = clock

    def __call__(self, ref: str) -> dict[str, Any]:
        """The answer for ``NAME`` or ``NAME@VERSION`` in JSON; see ``Readiness.as_json``. Raises UnknownThing."""
        return self.judge(*self._catalog.resolve("agent", ref)).as_json()

    def judge(self, agent: str, version: Version | None = None) -> Readiness:
        """Judge one version of an agent (None: the newest, or for one that nobody declared what was seen of it)."""
        graph = self._catalog.graph()
        if version is not None:
            graph = with_version(graph, version)
        return readiness(self._facts(graph, agent))

    def _facts(self, graph: Graph, agent: str) -> Facts:
        declared = graph.objects.get(("agent", agent))
        card = declared.card if declared else Card()
        body = graph.body("agent", agent)
        label = declared.version if declared else None
        runs = self._runs(graph, agent, label)
        last_run, completeness = self._last(agent, graph) if runs else (None, None)
        claimed = 0
        if runs and last_run is None and self._seen(agent):
            runs, claimed = 0, runs
        models = [*names_in(body, "models"), *(use.name for use in graph.uses_of(agent, "model"))]
        now = self._clock.now()
        return Facts(
            agent=agent, version=label or (declared.digest[:12] if declared else None),
            declared=declared is not None, owner=card.owner, purpose=card.purpose, autonomy=body.get("autonomy"),
            tools=self._tools(graph, agent, now), models=tuple(dict.fromkeys(models)),
            suites=tuple(one for one in graph.suites.get(agent, ()) if ("suite", one) in graph.objects),
            evaluations=max((use.runs for use in graph.believed(agent, "evaluation")), default=0), runs=runs,
            claimed=claimed, last_run=last_run, completeness=completeness,
            budgets=self._budgets(agent, body.get("workflow")), foreign=card.origin == ORIGIN,
            differences=tuple(one.text for one in differences_of(graph, ("agent", agent), now)), via=self._via(agent),
        )  # fmt: skip

    def _via(self, agent: str) -> str | None:
        """How the newest decision on a call of the agent knew that it was this agent."""
        for entry in self._control.entries(kind="decision.made", actor=agent, newest=True, limit=1):
            chain = entry.body.get("chain")
            return str(chain[-1]["via"]) if chain else None
        return None

    def _tools(self, graph: Graph, agent: str, now: int) -> tuple[ToolFact, ...]:
        governed: dict[str, bool] = {}
        facts = []
        for name, chain in sorted(graph.tools_of(agent).items()):
            caller = chain[-1]
            if caller not in governed:
                governed[caller] = bool(in_force(graph, caller, now=now))
            body = graph.body("tool", name)
            facts.append(
                ToolFact(
                    name=name, chain=chain, effect=graph.effect_of_tool(name), classes=graph.classes_of_tool(name),
                    arguments=len(body.get("arguments") or ()), authority=len(names_in(body, "authority")),
                    priced=bool(body.get("price_nano_usd")), quarantined=name in graph.quarantined,
                    governed=governed[caller],
                )
            )  # fmt: skip
        return tuple(facts)

    def _runs(self, graph: Graph, agent: str, label: str | None) -> int:
        """In how many runs it was seen: this version, where its runs say their version at all."""
        versions = {use.name: use.runs for use in graph.believed(agent, "version")}
        if label is not None and versions:
            return versions.get(label, 0)
        return self._seen(agent)

    def _seen(self, agent: str) -> int:
        return next((one.runs for one in self._traces.sightings("agent") if one.name == agent), 0)

    def _last(self, agent: str, graph: Graph) -> tuple[str | None, str | None]:
        """The newest run that ended and how complete it is; one that still runs only where there is no other.

        Runs with a step that was only claimed are passed over: a claim can cast doubt on an agent and never lift it.
        """
        name = '"' + agent.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for text in (f"agent:{name} -completeness:open", f"agent:{name}"):
            page = self._traces.runs(parse_query(text), now=self._clock.now(), limit=_LOOKED_AT)
            for run in page.runs:
                if self._believed(run.run):
                    return run.run, run.completeness.value
        newest = _newest([use for use in graph.uses.get(agent, ()) if use.run])
        if newest is None or not self._believed(newest.run):  # or its uses are not listed yet
            return None, None
        run = self._traces.run(newest.run, now=self._clock.now())
        return run.run, run.completeness.value

    def _believed(self, run: str) -> bool:
        return not any(step.claimed for step in self._traces.steps(run))

    def _budgets(self, agent: str, workflow: str | None) -> tuple[str, ...]:
        scopes = {"run:*", f"agent:{agent}"} | ({f"workflow:{workflow}"} if workflow else set())
        return tuple(
            one.name for one in self._control.budgets() if one.scope in scopes and one.mode != "observe"
        )


def _newest(uses: Sequence[Use]) -> Use | None:
    return max(uses, key=lambda use: use.last, default=None)
