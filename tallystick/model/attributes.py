"""Names of the attributes that Tallystick writes itself; ``gen_ai.*`` names live in observe/dialects/canonical.py.

The same names are stamped by the SDK and read by the dialects; nothing else may spell them.
"""

from typing import Final

RUN_ID: Final = "tallystick.run.id"
RUN_ROOT: Final = "tallystick.run.root"  # true on the span that opens and closes the run
RUN_GOAL: Final = "tallystick.run.goal"
RUN_STEPS: Final = "tallystick.run.steps"  # on the root's end record: the last sequence number given out
RUN_STATUS: Final = "tallystick.run.status"  # ok | failed | stopped
RUN_STOPPED_BY: Final = "tallystick.run.stopped_by"  # budget | loop | denials
STOPPED: Final = "tallystick.stopped"  # on each step that a stop of the run ended: why
RUN_SOURCE: Final = "tallystick.run.source"  # sdk | tau-bench | …
SEQ: Final = "tallystick.seq"  # sequence number in the run, from 1
PREVIOUS: Final = "tallystick.previous"  # digest of the previous record of the run
KIND: Final = "tallystick.kind"  # a step kind, where gen_ai has no operation for it
AGENT: Final = "tallystick.agent.name"
AGENT_VERSION: Final = "tallystick.agent.version"
AGENT_DIGEST: Final = "tallystick.agent.digest"
WORKFLOW: Final = "tallystick.workflow.name"
PROCESS: Final = "tallystick.process"  # "host/boot/pid/start": whose death means the run crashed
STARTED: Final = "tallystick.start_record"  # true on a start record (no end yet)
ALIVE: Final = "tallystick.alive"  # on repeated start records: nanoseconds when the process was last alive
LOST: Final = "tallystick.spool.lost"  # records the sender had to drop before this one
PLAN: Final = "tallystick.plan"  # JSON list of planned steps
EFFECT: Final = "tallystick.effect"
EFFECT_OUTCOME: Final = "tallystick.effect.outcome"
DATA_CLASSES: Final = "tallystick.data.classes"
TOOL_DIGEST: Final = "tallystick.tool.digest"
TOOL_PRICE: Final = "tallystick.tool.price_nano_usd"  # the declared price of this call
COST: Final = "tallystick.cost.nano_usd"  # a cost that the sender knows exactly
DECISION: Final = "tallystick.decision"
DECISION_ID: Final = "tallystick.decision.id"
DECISION_REASONS: Final = "tallystick.decision.reasons"
POLICY: Final = "tallystick.policy.digest"
APPROVAL: Final = "tallystick.approval.id"
HOLD: Final = "tallystick.budget.hold"
HANDOFF_FROM: Final = "tallystick.handoff.from"
HANDOFF_TO: Final = "tallystick.handoff.to"
HANDOFF_REASON: Final = "tallystick.handoff.reason"
HANDOFF_PAYLOAD: Final = "tallystick.handoff.payload"
RETRY_ATTEMPT: Final = "tallystick.retry.attempt"
RETRY_CAUSE: Final = "tallystick.retry.cause"
LOOP: Final = "tallystick.loop"  # true on a step that repeats what was done before
INPUT: Final = "tallystick.input"
OUTPUT: Final = "tallystick.output"
DERIVED: Final = "tallystick.derived"
LEG: Final = "tallystick.leg"  # true on the step that opens a leg: what one process did for a run of another
LEG_STEPS: Final = "tallystick.leg.steps"  # on its end record: the last sequence number given out in the leg
REDACTED: Final = "tallystick.redacted"  # what was taken out before storage: counts by kind, as JSON
BLOBS: Final = "tallystick.blobs"  # how many large binaries of the span lie beside the store
ERASED: Final = "tallystick.erased"  # true on a span whose contents were removed on somebody's demand
CLAIMED: Final = (
    "tallystick.claimed"  # true in the resource of what came from a sender whom nothing vouches for
)
LOG_EVENT: Final = "tallystick.log.event"  # on a span that stands for a log record: the event's name
LOG_SEVERITY: Final = "tallystick.log.severity"
