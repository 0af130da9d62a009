"""The shapes of the registry's answers in the JSON API; what holds of all shapes stands in ``api.shapes``."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class _SameShape(TypedDict):
    """What lists and pages of objects say alike."""

    type: str
    name: str
    standing: str
    declared: bool
    observed: bool
    version: str | None
    digest: str | None
    owner: str | None
    purpose: str | None
    lifecycle: str | None
    autonomy: str | None
    links: dict[str, str]
    effect: str | None
    classes: list[str]
    declaration: dict[str, Any] | None
    quarantined: bool
    runs: int
    steps: int
    errors: int
    cost_nano_usd: int | None
    cost_known_nano_usd: int
    cost_gaps: int
    first: str | None
    last: str | None


class ThingShape(_SameShape):
    """An object of the registry: what was declared held against what was observed.

    ``aliases`` are the labels (or digests) of versions by alias. ``differences`` counts where the two halves differ.
    """

    aliases: dict[str, str]
    differences: int


class _PageShape(TypedDict):
    """A page of objects: ``total`` counts all that match, ``next`` is what to pass as ``after`` (null: the last page).

    ``warnings`` name values in the query that no object has.
    """

    total: int
    next: int | None
    warnings: list[str]


class AgentsShape(_PageShape):
    """Agents."""

    agents: list[ThingShape]


class ToolsShape(_PageShape):
    """Tools."""

    tools: list[ThingShape]


class ModelsShape(_PageShape):
    """Models."""

    models: list[ThingShape]


class DataShape(_PageShape):
    """Data sources."""

    data: list[ThingShape]


class PromptsShape(_PageShape):
    """Prompts."""

    prompts: list[ThingShape]


class PoliciesShape(_PageShape):
    """Policies."""

    policies: list[ThingShape]


class BudgetsShape(_PageShape):
    """Budgets."""

    budgets: list[ThingShape]


class SuitesShape(_PageShape):
    """Eval suites."""

    suites: list[ThingShape]


class WorkflowsShape(_PageShape):
    """Workflows."""

    workflows: list[ThingShape]


class FoundShape(_PageShape):
    """Objects of every type."""

    objects: list[ThingShape]


class VersionShape(TypedDict):
    """One immutable version of an object, named by its digest."""

    digest: str
    version: str | None
    at: str | None
    by: str
    because: str | None
    current: bool
    body: dict[str, Any]


class AliasShape(TypedDict):
    """A movable name of a version."""

    alias: str
    digest: str
    version: str | None
    at: str | None
    by: str
    because: str | None


class UseShape(TypedDict):
    """An agent was seen using something; ``run`` and ``step`` show the newest use."""

    agent: str
    type: str
    name: str
    detail: str
    first: str | None
    last: str | None
    runs: int
    steps: int
    errors: int
    run: str | None
    step: str | None


class UserShape(TypedDict):
    """An object that uses this one."""

    type: str
    name: str


class DifferenceShape(TypedDict):
    """Where what was observed is not what is declared; ``text`` says it in a sentence."""

    what: str
    name: str
    declared: str | None
    observed: str | None
    text: str
    first: str | None
    last: str | None
    run: str | None
    step: str | None


class ShownShape(TypedDict):
    """What a tool says of itself, and whether that was accepted; ``before`` and ``after`` where they are known."""

    tool: str
    channel: str
    definition: str
    trust: Literal["accepted", "quarantined"]
    why: str
    differs: list[str]
    against: str | None
    server: str | None
    first: str | None
    decided: str | None
    by: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class QuarantineShape(TypedDict):
    """Definitions that wait for a person."""

    definitions: list[ShownShape]


class SignalShape(TypedDict):
    """One signal: a share between 0 and 1, or nano-dollars; null was not measured.

    ``low`` and ``high``: its interval at 95 %. ``n`` is from how many, ``unmeasured`` how many runs say nothing of it.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    unmeasured: int


class SignalsShape(TypedDict):
    """The signals of an agent since a time."""

    since: str
    runs: int
    took_part: bool
    completion: SignalShape
    tool_calls: SignalShape
    adherence: SignalShape
    cost_per_run_nano_usd: SignalShape
    cost_per_success_nano_usd: SignalShape


class ObjectShape(_SameShape):
    """One object with all that is known of it; ``differences`` and ``aliases`` are lists here.

    ``text`` is the text of a prompt or a policy.
    """

    aliases: list[AliasShape]
    differences: list[DifferenceShape]
    versions: list[VersionShape]
    uses: list[UseShape]
    used_by: list[UserShape]
    definitions: list[ShownShape]
    signals: SignalsShape | None
    text: str | None


class PolicySaysShape(TypedDict):
    """What one policy says about an agent and a tool."""

    policy: str
    rules: list[str]
    says: Literal["permit", "hold", "forbid"]


class AccessRowShape(TypedDict):
    """An agent can reach what was asked for by a tool; ``chain`` leads from it to the agent that has the tool.

    ``tool`` is null where data was seen that no known tool reaches.
    """

    agent: str
    standing: str
    chain: list[str]
    tool: str | None
    effect: str | None
    sources: list[str]
    classes: list[str]
    policies: list[PolicySaysShape]
    verdict: Literal["may", "after approval", "not permitted", "no policy"]
    granted: bool
    used: str | None
    runs: int
    errors: int
    run: str | None


class AccessShape(TypedDict):
    """Who can reach a class of data or a data source, and whether they did since a time."""

    what: str
    since: str
    agents: int
    rows: list[AccessRowShape]
    warnings: list[str]


class UnusedRowShape(TypedDict):
    """A tool (or, by ``type``, a delegate) that an agent may call and did not."""

    agent: str
    type: Literal["tool", "delegate"]
    tool: str
    effect: str | None
    classes: list[str]
    granted_since: str | None
    last_used: str | None
    claimed: str | None


class UnusedShape(TypedDict):
    """What was granted and not used since a time."""

    since: str
    rows: list[UnusedRowShape]


class NodeShape(TypedDict):
    """An agent, a tool, a data source or a class of data."""

    id: str
    type: str
    name: str
    standing: str | None
    effect: str | None


# "from" is a word of Python's own, so the shape is written as a call
EdgeShape = TypedDict("EdgeShape", {"from": str, "to": str, "how": str, "used": str | None})


class ReachShape(TypedDict):
    """Who can reach what, as a graph; ``more`` nodes that belong to it are left out.

    ``how`` of an edge: granted, observed (and not granted) or touches (a tool and its data).
    """

    nodes: list[NodeShape]
    edges: list[EdgeShape]
    more: int
    warnings: list[str]


class ChangeShape(TypedDict):
    """A field of a version that differs."""

    path: str
    how: Literal["added", "removed", "changed"]
    before: Any
    after: Any


class TextShape(TypedDict):
    """A text that differs, as the lines of a unified diff."""

    path: str
    lines: list[str]


DiffShape = TypedDict(
    "DiffShape",
    {
        "type": str,
        "name": str,
        "from": str,
        "to": str,
        "changes": list[ChangeShape],
        "texts": list[TextShape],
    },
)


class MissingShape(TypedDict):
    """Something that is missing, and the command or the line that adds it."""

    what: str
    fix: str


class LayerShape(TypedDict):
    """One layer: whether the agent needs it, why, what it has of it and what is missing."""

    layer: str
    needed: bool
    why: str
    has: list[str]
    missing: list[MissingShape]


class ReadyShape(TypedDict):
    """What an agent needs before it is released, and what is missing."""

    agent: str
    version: str | None
    needed: bool
    sentence: str
    ready: bool
    layers: list[LayerShape]
