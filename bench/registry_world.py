"""A generated registry: agents with grants and delegates, tools, data sources with classes, policies with scopes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tallystick.adapters.clock import SystemClock
from tallystick.adapters.ids import TimeIds
from tallystick.adapters.sqlite import SqliteControl, SqliteTraces
from tallystick.model.canonical import digest_bytes
from tallystick.model.journal import Draft
from tallystick.model.registry import Card, Declared, Use, version_digest
from tallystick.model.span import Source, Span
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.registry.drafts import declared_draft

AGENTS, TOOLS, SOURCES, POLICIES = 2_000, 5_000, 300, 40
GRANTS = 10  # tools of an agent
CLASSES = (
    "customer_pii",
    "payment",
    "health",
    "location",
    "contract",
    "salary",
    "support",
    "public",
    "source",
    "key",
)
EFFECTS = ("none", "read", "read", "read", "write", "write", "irreversible")
DAY = 86_400 * 1_000_000_000
BATCH = 500
RULES = (
    "permit (principal, action, resource);",
    'permit (principal, action in Action::"effect:read", resource);',
    'forbid (principal, action in Action::"effect:irreversible", resource);',
    '@hold("risk") forbid (principal, action in Action::"effect:write", resource)'
    ' unless { context.approvals.contains("risk") };',
)
_SOURCE = Source({"service.name": "bench"}, "bench", "1")


@dataclass(frozen=True, slots=True)
class World:
    """What was declared and used."""

    objects: Sequence[Declared]
    texts: dict[str, str]
    uses: Sequence[Use]


def world(scale: int, now: int) -> World:
    """The registry at a multiple of its size; the same for the same scale. The number of policies stays."""
    chance = random.Random(scale)
    texts: dict[str, str] = {}
    objects = [
        *_sources(chance, SOURCES * scale),
        *_tools(chance, TOOLS * scale, SOURCES * scale),
        *_policies(chance, texts),
    ]
    uses: list[Use] = []
    for number in range(AGENTS * scale):
        agent = f"agent-{number:06}"
        tools = [f"tool-{one:06}" for one in chance.sample(range(TOOLS * scale), GRANTS)]
        delegates = [f"agent-{chance.randrange(AGENTS * scale):06}"] if chance.random() < 0.15 else []
        objects.append(
            _object("agent", agent, tools=tools, delegates=delegates, models=["m"], autonomy="acts")
        )
        for tool in tools:
            if chance.random() < 1 / 3:
                last = now - chance.randrange(60 * DAY)
                uses.append(Use(agent, "tool", tool, "", last - DAY, last, 1, 1, 0))
    return World(objects, texts, uses)


def _object(type: str, name: str, **body: object) -> Declared:
    return Declared(
        type, name, version_digest(type, name, "1.0.0", body), "1.0.0", body, card=Card("team", "bench")
    )


def _sources(chance: random.Random, count: int) -> Iterator[Declared]:
    for number in range(count):
        yield _object("data", f"source-{number:05}", classes=chance.sample(CLASSES, chance.choice((1, 1, 2))))


def _tools(chance: random.Random, count: int, sources: int) -> Iterator[Declared]:
    for number in range(count):
        reached = [f"source-{chance.randrange(sources):05}" for _ in range(chance.choice((0, 1, 1, 2)))]
        own = [chance.choice(CLASSES)] if chance.random() < 0.1 else []
        yield _object(
            "tool", f"tool-{number:06}", effect=chance.choice(EFFECTS), sources=reached, data=own,
            description="It does what its name says.", arguments={"id": "string", "amount": "decimal?"},
        )  # fmt: skip


def _policies(chance: random.Random, texts: dict[str, str]) -> Iterator[Declared]:
    for number in range(POLICIES):
        text = "\n".join(chance.sample(RULES, chance.choice((1, 2, 3)))) + f"\n// {number}\n"
        digest = digest_bytes(text.encode())
        texts[digest] = text
        scope = f"touches:{CLASSES[number % len(CLASSES)]}" if number % 4 else f"name:agent-{number:03}*"
        yield _object("policy", f"policy-{number:02}", text=digest, scope=scope)


def fill(folder: Path, made: World) -> None:
    """Declare it in a real store, and list the uses by one run of each agent."""
    control = SqliteControl(folder / "control.db", clock=SystemClock(), ids=TimeIds())
    for first in range(0, len(made.objects), BATCH):
        control.append([_draft(one, made.texts) for one in made.objects[first : first + BATCH]])
    control.close()
    by_agent: dict[str, list[Use]] = {}
    for use in made.uses:
        by_agent.setdefault(use.agent, []).append(use)
    traces = SqliteTraces(folder / "traces.db")
    for first in range(0, len(by_agent), BATCH):
        agents = list(by_agent)[first : first + BATCH]
        traces.write([_run(agent, by_agent[agent]) for agent in agents], at=by_agent[agents[0]][0].last)
    for run, revision in traces.unlisted(now=SystemClock().now(), limit=len(by_agent)):
        agent = f"agent-{int(run, 16) - 1:06}"
        traces.list_uses(run, revision, by_agent[agent])
    traces.close()


def _draft(one: Declared, texts: dict[str, str]) -> Draft:
    text = one.body.get("text")
    return declared_draft(one, actor="bench", texts={text: texts[text]} if isinstance(text, str) else None)


def _run(agent: str, uses: Sequence[Use]) -> tuple[Step, Span]:
    number = int(agent.rpartition("-")[2]) + 1
    ids = (f"{number:032x}", f"{number:016x}", None)
    at = max(use.last for use in uses)
    step = Step(*ids, None, Kind.AGENT, agent, StepStatus.OK, at, at + 1, "bench", "canonical", agent=agent)
    return step, Span(*ids, agent, at, at + 1, _SOURCE)
