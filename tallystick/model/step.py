"""A step: one thing that happened in a run, in Tallystick's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tallystick.model.tie import Tie
from tallystick.model.usage import NO_USAGE, Usage


class Kind(StrEnum):
    """What kind of thing happened."""

    GOAL = "goal"
    PLAN = "plan"
    MODEL = "model"
    TOOL = "tool"
    RETRIEVAL = "retrieval"
    MEMORY = "memory"
    HANDOFF = "handoff"
    AGENT = "agent"
    DECISION = "decision"
    APPROVAL = "approval"
    HUMAN = "human"
    EVALUATION = "evaluation"
    OUTPUT = "output"
    OTHER = "other"


class StepStatus(StrEnum):
    """How a step stands. ``unknown``: it is derived or imported and nobody recorded how it ended."""

    RUNNING = "running"
    OK = "ok"
    ERROR = "error"
    DENIED = "denied"
    HELD = "held"
    STOPPED = "stopped"  # ended because the guard stopped its run; nothing in it failed
    UNKNOWN = "unknown"


class Effect(StrEnum):
    """What a tool can do to the world."""

    NONE = "none"
    READ = "read"
    WRITE = "write"
    IRREVERSIBLE = "irreversible"


class EffectOutcome(StrEnum):
    """What became of an effect."""

    DID_NOT_HAPPEN = "did not happen"
    IN_DOUBT = "in doubt"
    LANDED = "landed"


@dataclass(slots=True)
class Step:
    """The mapped columns of one span; its contents stay in the span and are read by ``observe.contents``.

    ``run`` is what the sender stamped (``tallystick.run.id``) until the store has assigned one. ``links``
    are stitch keys ("conversation:…", "response:…", "call:…") by which spans that a framework broke into
    several traces are joined to one run. ``same_as`` names the step this span repeats (a second
    instrumentor, an outer layer); such a span is shown but never counted. ``derived`` steps were read out
    of a message history, not recorded. ``facts`` are the few things that a span says of its whole run or of
    its sender (keys: root, goal, steps, status, stopped_by, source, process, start_record, alive, lost),
    None on all other steps. Not frozen for the same reason as Span."""

    trace: str
    span: str
    parent: str | None
    run: str | None
    kind: Kind
    name: str
    status: StepStatus
    started: int
    ended: int | None
    scope: str
    dialect: str
    seq: int | None = None  # sequence number in the run, stamped by the SDK from 1 upwards
    agent: str | None = None
    workflow: str | None = None
    error: str | None = None  # error.type, or the status message's first words
    provider: str | None = None
    model: str | None = None  # the served model where known, else the requested one
    response_id: str | None = None
    usage: Usage = NO_USAGE
    exclusive_input: bool = False  # the sender counted input without cache; it was added
    cost_nano: int | None = None
    cost_gap: str | None = None  # why the cost is unknown: "no usage", "no price", "partial usage"
    tool: str | None = None
    call_id: str | None = None
    effect: Effect | None = None
    outcome: EffectOutcome | None = None
    decision: str | None = None  # allow | deny | hold | not evaluated
    links: tuple[str, ...] = ()
    same_as: str | None = None
    derived: bool = False
    dropped: int = 0
    # What only some steps say of their run: root, goal, steps, status, stopped_by, source, process, start_record,
    # alive, lost (the short names of the attributes in attributes.py).
    facts: Mapping[str, Any] | None = None
    version: str | None = None  # the label of the agent's version, where the span says it
    classes: tuple[str, ...] = ()  # classes of data that the step touched, as its sender says
    # What a model was told (see observe/marks.py): the same mark is the same text, as it was sent.
    prompt: str | None = None  # mark of the system prompt
    offered: str | None = None  # mark of the tool definitions
    # Where and for whom. No part of a record's leaf (proof/records.py): what names a person must be erasable.
    environment: str | None = None  # deployment.environment of the sender
    subject: str | None = None  # whom it concerns: the end user's id, as the sender gives it
    conversation: str | None = None
    # Who gave out ``seq``: a mark of the sender's process (observe/numbering.py), no part of the leaf either.
    origin: int | None = None
    # Its sender showed no token, or a file said it: what it says casts doubt and proves nothing. No part of the leaf.
    claimed: bool = False
    # By what its trace may belong to another one (observe/ties.py). Stores take them out and keep them by themselves.
    ties: tuple[Tie, ...] = ()
