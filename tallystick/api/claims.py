"""Claims: what telemetry says of its agent and run, held against the token that it came with."""

from __future__ import annotations

from typing import Protocol

from tallystick.api.otlp.batch import Batch
from tallystick.app.recording.record import Rejection
from tallystick.model.chain import USER
from tallystick.model.identity import Grant
from tallystick.model.span import Span
from tallystick.observe.normalise import read_span


class KnowsAgents(Protocol):
    """Who checks tokens of agents (``app.acting.identity.Bearers``)."""

    def holder(self, token: str) -> Grant | str:
        """What a token allows now, or why it is none."""
        ...


def held(batch: Batch, grant: Grant) -> Batch:
    """The batch without the spans whose agent or run its token does not carry; each is rejected with the reason."""
    good: list[Span] = []
    for span in batch.spans:
        why = _foreign(span, grant)
        if why is None:
            good.append(span)
        else:
            batch.rejected.append(Rejection(span.trace, span.span, why))
    batch.spans = good
    return batch


def _foreign(span: Span, grant: Grant) -> str | None:
    """Why a span is not the token's: it may name the agent who holds it and those it acts for, and no one else."""
    agents = {name for name, via in grant.chain if via != USER}
    for step, _ in read_span(span):
        if step.agent is not None and step.agent not in agents:
            return f"it claims agent {step.agent[:80]!r}, and the token is {grant.agent[:80]!r}'s"
        run = step.run or span.trace
        if grant.runs and grant.runs != {run}:
            return f"it claims run {run[:40]!r}, and the token is for another"
    return None
