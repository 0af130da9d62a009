"""Uses: what agents were seen using is listed run by run, from recorded steps.

A run is listed when it has ended, again whenever it changed since, and at growing sizes while it is open. Contents are
read for what a step does not say by itself: the text of a system prompt and the definitions of tools once for each
agent and mark (observe/marks.py), which a lister remembers over runs, and where handoffs lead. What one agent sent is
never remembered for another: equal marks do not make equal contents where somebody forges one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from tallystick.model.errors import StoreFault, UnknownThing
from tallystick.model.registry import CLAIMED_USE, Definition, Use
from tallystick.model.span import Span
from tallystick.model.step import Kind, Step
from tallystick.observe.contents import Contents, read_contents
from tallystick.observe.listing import Listing, happened, list_steps, owners, shows
from tallystick.observe.normalise import read_span
from tallystick.observe.prompts import Prompts, Template, template
from tallystick.observe.told import definitions_of
from tallystick.ports import Clock, ControlStore, Traces

MOST_PROMPTS: Final = 64  # of one agent in one run: the newest
MOST_DEFINITIONS: Final = 256
MOST_HANDOFFS: Final = 64  # of one run whose contents are read
AT_ONCE: Final = 200  # runs asked for at a time
SHORT_RUN: Final = 1_000  # steps; a run up to here is listed whenever it changed
PAUSE_NS: Final = 1_000_000  # for each further step: a run of 50,000 is listed at most every 50 seconds
_VERSIONS: Final = 20  # of a declared prompt that are known by their text
_REMEMBERED: Final = 4_096  # marks of agents
_LONG_RUNS: Final = 1_000  # long runs whose last listing is remembered

T = TypeVar("T")
_Mark = tuple[str, str]  # agent, mark
_Marked = dict[_Mark, tuple[Step, int]]  # newest step, how many


@dataclass(frozen=True, slots=True)
class Listed:
    """What a pass did: runs that were listed, and those that could not be read, with the reason."""

    runs: int = 0
    faults: tuple[StoreFault, ...] = ()


class UseLister:
    """Lists the uses of runs; one is kept by a process, for what it remembers. Not for several threads at once."""

    def __init__(self, traces: Traces, control: ControlStore, clock: Clock) -> None:
        self._traces = traces
        self._control = control
        self._clock = clock
        self._revision = -1
        self._prompts: Prompts | None = None
        self._known_prompts: dict[_Mark, tuple[str, str]] = {}  # name and detail
        self._known_tools: dict[_Mark, tuple[tuple[str, str], ...]] = {}  # (tool, digest)
        self._rests: dict[str, int] = {}  # long run -> when it may be listed again

    def list_due(self, *, most: int | None = None) -> Listed:
        """List the runs that are due, at most ``most`` of them. A run that cannot be read holds up no other."""
        self._refresh()
        now, listed, limit = self._clock.now(), 0, AT_ONCE
        tried: set[tuple[str, int]] = set()
        faults: list[StoreFault] = []
        while most is None or listed < most:
            found = self._traces.unlisted(now=now, limit=limit)
            due = [one for one in found if one not in tried and self._rests.get(one[0], 0) <= now]
            if not due:
                if len(found) < limit:
                    break
                limit *= 2  # what rests or cannot be read stands before the others
                continue
            for run, revision in due[: None if most is None else most - listed]:
                tried.add((run, revision))
                try:
                    listed += self._list(run, revision, now)
                except StoreFault as error:
                    faults.append(error)
        return Listed(listed, tuple(faults))

    def _list(self, run: str, revision: int, now: int) -> int:
        try:
            steps = self._traces.steps(run)
            self._traces.list_uses(run, revision, self.uses_of(run, steps))
        except UnknownThing:
            return 0  # it was merged into another one meanwhile, which is due itself
        if len(steps) > SHORT_RUN:
            if len(self._rests) >= _LONG_RUNS:
                self._rests.clear()
            self._rests[run] = now + (len(steps) - SHORT_RUN) * PAUSE_NS
        return 1

    def uses_of(self, run: str, steps: Sequence[Step]) -> list[Use]:
        """The uses that a run's steps show. Raises UnknownThing for a run that is not here, and StoreFault."""
        owner = lineage = owners(steps, None)
        listing = Listing(0)
        if any(shows(step) and (owner[step.span] is None or not step.started) for step in steps):
            about = self._traces.run(run, now=self._clock.now())
            owner, listing.place = owners(steps, about.agent), about.started or about.seen
        list_steps(listing, steps, owner, lineage)
        prompts = _newest(_marked(steps, owner, "prompt"), MOST_PROMPTS)
        tools = _newest(_marked(steps, owner, "offered"), MOST_DEFINITIONS)
        handoffs = [
            step for step in steps
            if step.kind is Kind.HANDOFF and step.same_as is None and owner[step.span] and happened(step)
        ][-MOST_HANDOFFS:]  # fmt: skip
        spans = self._spans(run, prompts, tools, handoffs)
        for step in handoffs:
            _list_handoff(listing, step, spans, owner)
        for (agent, mark), (step, count) in prompts.items():
            name, detail = self._prompt((agent, mark), spans.get(step.span))
            if name:
                listing.add(agent, "prompt", name, step, detail=detail, steps=count)
        self._list_tools(listing, tools, spans)
        return listing.uses()

    def _spans(
        self, run: str, prompts: _Marked, tools: _Marked, handoffs: Iterable[Step]
    ) -> Mapping[str, Span]:
        """The spans that have to be read: one for each mark that is not remembered, and those of handoffs."""
        wanted = {step.span for mark, (step, _) in prompts.items() if mark not in self._known_prompts}
        wanted |= {step.span for mark, (step, _) in tools.items() if mark not in self._known_tools}
        wanted |= {step.span for step in handoffs}
        return self._traces.spans(run, wanted) if wanted else {}

    def _prompt(self, mark: _Mark, span: Span | None) -> tuple[str, str]:
        """Name and detail of the prompt with a mark; empty where the span holds no prompt that can be read."""
        known = self._known_prompts.get(mark)
        if known is None:
            text = None if span is None else _contents(span).system
            known = ("", "") if text is None else self._declared().meant(text)
            _remember(self._known_prompts, mark, known)
        return known

    def _list_tools(self, listing: Listing, tools: _Marked, spans: Mapping[str, Span]) -> None:
        left: dict[str, int] = {}
        for (agent, mark), (step, count) in tools.items():  # newest first
            known = self._known_tools.get((agent, mark))
            if known is None:
                span = spans.get(step.span)
                told = [] if span is None else definitions_of(_contents(span).tool_definitions)
                known = tuple([(one.name, one.digest) for one in told])
                _remember(self._known_tools, (agent, mark), known)
            room = left.get(agent, MOST_DEFINITIONS)
            left[agent] = max(0, room - len(known))
            for name, digest in known[:room]:
                listing.add(agent, "definition", name, step, detail=digest, steps=count)

    # ── declared prompts ────────────────────────────────────────────────────────────────────────────────────────

    def _refresh(self) -> None:
        """Forget which prompt a mark means, where the registry has changed since."""
        revision = self._control.registry_revision()
        if revision != self._revision:
            self._revision, self._prompts = revision, None
            self._known_prompts.clear()

    def _declared(self) -> Prompts:
        if self._prompts is None:
            self._prompts = Prompts(self._templates())
        return self._prompts

    def _templates(self) -> list[Template]:
        """The texts of declared prompts, older versions first: of equal texts the newest version is meant."""
        found: list[Template] = []
        for one in self._control.declared("prompt"):
            for version in reversed(self._control.versions("prompt", one.name)[:_VERSIONS]):
                try:
                    text = self._control.text(str(version.body.get("text", "")))
                except UnknownThing:
                    continue  # it was erased: what was observed cannot be held against it
                found.append(template(one.name, version.digest, text))
        return found


def prompt_text(traces: Traces, use: Use) -> str | None:
    """The text of an observed prompt, from the step that shows it; None where it cannot be read there (any more)."""
    span = _shown_by(traces, use)
    return None if span is None else _contents(span).system


def told_definition(traces: Traces, use: Use) -> Definition | None:
    """The definition of an observed tool as a model was told it, from the step that shows it; None as above."""
    span = _shown_by(traces, use)
    told = [] if span is None else definitions_of(_contents(span).tool_definitions)
    return next((one for one in told if one.digest == use.detail), None)


def _shown_by(traces: Traces, use: Use) -> Span | None:
    try:
        return traces.spans(use.run, [use.step]).get(use.step)
    except UnknownThing:
        return None


def _contents(span: Span) -> Contents:
    return read_contents(read_span(span)[0][0], span)


def _remember(known: dict[_Mark, T], mark: _Mark, value: T) -> None:
    if len(known) >= _REMEMBERED:
        known.clear()
    known[mark] = value


def _marked(steps: Sequence[Step], owner: Mapping[str, str | None], field: str) -> _Marked:
    """The steps with a mark, by agent and mark. One that repeats another counts where that has none."""
    counted = {step.span for step in steps if step.same_as is None and getattr(step, field) is not None}
    found: _Marked = {}
    for step in steps:
        mark, agent = getattr(step, field), owner[step.span]
        if mark is None or agent is None or (step.same_as is not None and step.same_as in counted):
            continue
        held = found.get((agent, mark))
        if held is None:
            found[agent, mark] = (step, 1)
        else:
            newest = step if step.started >= held[0].started else held[0]
            found[agent, mark] = (newest, held[1] + 1)
    return found


def _newest(marked: _Marked, most: int) -> _Marked:
    """Each agent's newest marks, newest first."""
    left: dict[str, int] = {}
    kept: _Marked = {}
    for key, (step, count) in sorted(marked.items(), key=lambda one: (-one[1][0].started, one[0])):
        left[key[0]] = left.get(key[0], most) - 1
        if left[key[0]] >= 0:
            kept[key] = (step, count)
    return kept


def _list_handoff(
    listing: Listing, step: Step, spans: Mapping[str, Span], owner: Mapping[str, str | None]
) -> None:
    span = spans.get(step.span)
    told = None if span is None else read_contents(step, span).handoff
    if not told:
        return
    source = told["from"] if isinstance(told["from"], str) else owner[step.span]
    target = told["to"]
    if isinstance(target, str) and source and target and target != source:
        listing.add(source, "delegate", target, step, detail=CLAIMED_USE if step.claimed else "")
