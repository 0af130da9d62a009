"""Read: the questions that command line, API and pages ask, answered in JSON-ready shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

from tallystick.app.reading.compare import diff_runs
from tallystick.app.reading.contrast import contrast_runs
from tallystick.app.reading.finding import find_in_run
from tallystick.app.reading.held import held
from tallystick.app.reading.outline import Shelf, columns, packed
from tallystick.app.reading.shapes import (
    Json,
    approval_json,
    entry_json,
    run_json,
    step_json,
    time_text,
    totals_json,
)
from tallystick.app.reading.story import lines
from tallystick.model.blob import Blob
from tallystick.model.canonical import digest
from tallystick.model.control import ApprovalState
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.journal import Entry
from tallystick.model.query import Query, parse_query
from tallystick.model.span import Span
from tallystick.model.step import Kind, Step
from tallystick.observe.asked import (
    asked_arguments,
    askers,
    lacks_arguments,
    lacks_result,
    relayed,
    relays,
)
from tallystick.observe.contents import Contents, read_contents
from tallystick.observe.lineage import agent_around, with_agents
from tallystick.observe.logs import joined, told_of
from tallystick.observe.normalise import mapped_from
from tallystick.observe.text_terms import asks_index
from tallystick.ports import Change, Clock, ControlStore, Spend, Traces

PAGE = 1000
MOST_AFTER = 2**53  # what a page can be behind: beyond, numbers are not exact in JSON
SPEND_KEYS = ("agent", "tool", "workflow", "run", "model", "version", "subject", "conversation")


class Reader:
    """Reads both stores. Every method returns plain dicts and lists; see app/reading/shapes.py for their fields."""

    def __init__(
        self, traces: Traces, control: ControlStore, clock: Clock, *, index: Callable[[], None] | None = None
    ) -> None:
        self._traces = traces
        self._control = control
        self._clock = clock
        self._shelf = Shelf()
        self._index = index
        self._asking = (-1, "")

    def runs(self, query: str = "", *, limit: int = 50, before: str | None = None) -> Json:
        """``{"total", "at_least", "runs"}``, newest first. Raises BadInput for a query that cannot be read."""
        if not 1 <= limit <= 1000:
            raise BadInput(f"limit must be between 1 and 1000, not {limit}", hint="page with before=RUN")
        page = self._traces.runs(self._asked(query), now=self._clock.now(), limit=limit, before=before)
        return {"total": page.total, "at_least": page.at_least, "runs": [run_json(run) for run in page.runs]}

    def statuses(self, query: str = "") -> Mapping[str, int] | None:
        """Runs that match, counted by status; None where a count of them would take too long."""
        return self._traces.statuses(self._asked(query), now=self._clock.now())

    def _asked(self, text: str) -> Query:
        """A query; where it asks what runs said, their index is brought up to date first, if this reader does that."""
        query = parse_query(text)
        if self._index is not None and asks_index(query):
            self._index()
        return query

    def find(self, prefix: str, text: str, *, limit: int = 50, after: str | None = None) -> Json:
        """``{"run", "query", "matches", "searched", "more"}``, see ``finding``. Raises BadInput, UnknownThing."""
        run = self._traces.resolve(prefix)
        return find_in_run(self._traces, run, text, now=self._clock.now(), limit=limit, after=after)

    def run(self, prefix: str) -> Json:
        """``{"run", "steps", "totals"}`` with each step's arguments and result. Raises UnknownThing."""
        run = self._traces.run(self._traces.resolve(prefix), now=self._clock.now())
        spans = self._traces.spans(run.run)
        found = with_agents(self._traces.steps(run.run))
        told = told_of(found)
        steps = [
            step_json(
                step,
                joined(step, spans[step.span], [(log, spans[log.span]) for log in told.get(step.span, ())]),
            )
            for step in found
        ]
        return {"run": run_json(run), "steps": steps, "totals": totals_json(run)}

    def skeleton(self, prefix: str) -> Json:
        """``{"run", "columns"}``: the tree without contents. Raises UnknownThing."""
        run = self._traces.run(self._traces.resolve(prefix), now=self._clock.now())
        return {
            "run": run_json(run),
            "columns": columns(self._traces.outline(run.run), run.started),
        }

    def outline(self, prefix: str) -> bytes:
        """The skeleton packed for a browser (see app/reading/outline.py). Raises UnknownThing."""
        run = self._traces.run(self._traces.resolve(prefix), now=self._clock.now())
        revision = self._traces.revision(run.run)  # asked first: what is read then is at least as new
        body = self._shelf.get(run.run, revision)
        if body is None:
            body = packed(self._traces.outline(run.run), run.started, run_json(run))
            self._shelf.put(run.run, revision, body)
        return body

    def blob(self, sha256: str) -> tuple[Blob, bytes]:
        """A large binary that some run names, and its bytes. Raises UnknownThing."""
        return self._traces.blob(sha256)

    def lines(self, prefix: str, steps: Sequence[str]) -> Json:
        """What happened in some steps, a line each (see app/reading/story.py). Raises UnknownThing and BadInput."""
        return lines(self._traces, self._control, self._traces.resolve(prefix), steps)

    def step(self, prefix: str, step_id: str) -> Json:
        """One step with everything it carried. Raises UnknownThing."""
        run = self._traces.resolve(prefix)
        steps = self._traces.nearby(run, step_id)
        found = [step for step in steps if step.span.startswith(step_id)]
        if len(found) != 1:
            count = "no step" if not found else f"{len(found)} steps"
            raise UnknownThing(
                f"{count} of run {run[:12]} starts with {step_id!r}", hint=f"tally runs show {run[:12]}"
            )
        step = replace(found[0], agent=agent_around(found[0], steps))
        logs = told_of(steps).get(step.span, [])
        spans = self._traces.spans(run, [step.span, *(log.span for log in logs)])
        contents = joined(step, spans[step.span], [(log, spans[log.span]) for log in logs])
        whole = self._whole(step, spans[step.span], contents)
        self._ask_others(run, step, steps, contents, whole)
        tied = self._traces.tied(run).get(step.trace)
        if tied is not None:
            whole["mapped_from"]["run"] = f"what its trace says: it goes with trace {tied}"
        return whole

    def _ask_others(
        self, run: str, step: Step, steps: Sequence[Step], contents: Contents, whole: Json
    ) -> None:
        """Put into ``whole`` what a tool's span does not say of its call and other steps do."""
        lacking = {"arguments": lacks_arguments(step, contents), "result": lacks_result(step, contents)}
        near = askers(step, steps) if lacking["arguments"] else []
        near = [*near, *(relays(step, steps) if any(lacking.values()) else ())]
        said = self._traces.spans(run, [one.span for one in near]) if near else {}
        for one in near:
            if one.span not in said or not any(lacking.values()):
                continue
            read = read_contents(one, said[one.span])
            if one.kind is Kind.MODEL:
                told, word = {"arguments": asked_arguments(step, [read])}, "answer"
            else:
                told, word = dict(zip(lacking, relayed(step, read), strict=True)), "message"
            for name, value in told.items():
                if lacking[name] and value is not None:
                    whole[name] = dict(value) if isinstance(value, Mapping) else value
                    whole["mapped_from"][name] = f"the {word} of step {one.span}"
                    lacking[name] = False

    def _whole(self, step: Step, span: Span, contents: Contents) -> Json:
        return step_json(step, contents) | {
            "input_messages": contents.input_messages or None,
            "output_messages": contents.output_messages or None,
            "system": contents.system,
            "tool_definitions": contents.tool_definitions,
            "documents": contents.documents,
            "plan": contents.plan,
            "handoff": contents.handoff,
            "retry": contents.retry,
            "guardrail": contents.guardrail,
            "first_chunk_ns": contents.first_chunk_ns,
            "parameters": contents.parameters,
            "reasoning": contents.reasoning,
            "goal": contents.goal,
            "input": contents.input,
            "stacktrace": (contents.error or {}).get("stacktrace"),
            "attributes": dict(span.attributes),
            "resource": dict(span.source.resource),
            "events": [
                {"name": event.name, "at": time_text(event.at), "attributes": dict(event.attributes)}
                for event in span.events
            ],
            "links": [{"trace": link.trace, "step": link.span} for link in span.links],
            "dropped": span.dropped,
            "scope": step.scope,
            "dialect": step.dialect,
            "mapped_from": mapped_from(span),
        }

    def diff(self, a: str, b: str, *, every: bool = False) -> Json:
        """Two runs held against each other, see ``app.reading.compare``. Raises UnknownThing."""
        return diff_runs(self._traces, a, b, now=self._clock.now(), every=every)

    def contrast(self, a: str, b: str | None = None) -> Json:
        """What separates two sets of runs, see ``app.reading.contrast``. Raises BadInput."""
        return contrast_runs(self._traces, a, b, now=self._clock.now())

    def spans(self, prefix: str) -> tuple[str, list[Span]]:
        """The run's id and its original spans, in the order of its steps (for export). Raises UnknownThing."""
        run = self._traces.resolve(prefix)
        spans = self._traces.spans(run)
        return run, [spans[step.span] for step in self._traces.steps(run) if not step.derived]

    def cost(self, by: str, query: str = "", *, limit: int = 100, after: int = 0) -> Json:
        """Spend by one of ``SPEND_KEYS``, dearest first, ``limit`` rows behind the first ``after``; sums are over all
        rows, and a sum with gaps is null. Raises BadInput."""
        if by not in SPEND_KEYS:
            raise BadInput(f"cost cannot be grouped by {by!r}", hint="by: " + ", ".join(SPEND_KEYS))
        if not 1 <= limit <= PAGE or not 0 <= after < MOST_AFTER:
            raise BadInput(
                f"limit must be between 1 and {PAGE} and after not negative, not {limit} and {after}",
                hint='page with after=N, the "more" of the answer before',
            )
        query_read = self._asked(query)
        found = self._traces.dearest(by, query_read, now=self._clock.now(), limit=limit, after=after)
        shown = after + len(found.rows)
        return {
            "by": by,
            "total_nano_usd": None if found.unknown else found.cost_nano,
            "known_nano_usd": found.cost_nano,
            "gaps": found.unknown,
            "total": found.total,
            "more": shown if found.rows and shown < found.total else None,
            "rows": [_spend_json(row) for row in found.rows],
        }

    def completeness(self, by: str = "agent", query: str = "") -> Json:
        """``{"by", "rows"}``: how the runs that match stand, by agent or by day. Raises BadInput."""
        rows = self._traces.completeness(by, parse_query(query), now=self._clock.now())
        return {"by": by, "rows": [asdict(row) for row in rows]}

    def approvals(self, state: str | None = None, run: str | None = None) -> Json:
        """``{"approvals"}``, newest first. Raises BadInput for a state that does not exist."""
        states = [item.value for item in ApprovalState]
        if state is not None and state not in states:
            raise BadInput(f"an approval has no state {state!r}", hint="states: " + ", ".join(states))
        return {"approvals": [approval_json(item) for item in self._control.approvals(state=state, run=run)]}

    def asking(self) -> str:
        """A mark that is another whenever other approvals wait, or one more said yes to one. Cheap to ask again."""
        size = self._control.head()[0]
        if self._asking[0] != size:
            waiting = self._control.approvals(state=ApprovalState.WAITING.value)
            self._asking = (size, digest([[one.id, len(one.given)] for one in waiting])[:16])
        return self._asking[1]

    def approval(self, approval: str) -> Json:
        """One approval by id or prefix. Raises UnknownThing."""
        return approval_json(self._control.approval(approval))

    def held(self, approval: str) -> Json:
        """What a person should know before they answer it, see ``held``. Raises UnknownThing."""
        return held(self._control, self._control.approval(approval))

    def budgets(self) -> list[Json]:
        """Budgets with what is spent, held and available."""
        return [
            {
                "name": item.name,
                "scope": item.scope,
                "mode": item.mode,
                "limit_nano_usd": item.limit_nano,
                "spent_nano_usd": item.spent_nano,
                "held_nano_usd": item.held_nano,
                "available_nano_usd": item.limit_nano - item.spent_nano - item.held_nano,
            }
            for item in self._control.budgets()
        ]

    def entries(self, *, limit: int = 50, before: int | None = None) -> Json:
        """``{"total", "entries"}`` of the journal, newest first; ``before``: only entries with a smaller number."""
        if not 1 <= limit <= PAGE:
            raise BadInput(f"limit must be between 1 and {PAGE}, not {limit}", hint="page with before=SEQ")
        total, _ = self._control.head()
        last = total if before is None else min(total, before - 1)
        after = max(last - limit, 0)
        found = self._control.entries(after=after, limit=last - after) if last > after else ()
        return {"total": total, "entries": [entry_json(entry) for entry in reversed(found)]}

    def recorded(self, run: str) -> Json:
        """How far a run's record is in the journal.

        ``{"run", "records", "sealed": {"seq", "at", "records"} | None}``: ``run`` is a whole id, ``records`` counts
        what the journal accepted under this id, ``sealed`` is the newest seal.
        """
        records, seal = 0, None  # type: int, Json | None
        for entry in self._newest("records.accepted", run):
            records = int(entry.body["first"]) + int(entry.body["count"])
        for entry in self._newest("run.sealed", run):
            seal = {"seq": entry.seq, "at": time_text(entry.at), "records": int(entry.body["records"])}
        return {"run": run, "records": records, "sealed": seal}

    def _newest(self, kind: str, run: str) -> Sequence[Entry]:
        """The last entry of a kind about a run, if there is one."""
        return self._control.entries(kind=kind, subject=run, newest=True, limit=1)

    def events(self, after: int) -> tuple[list[Change], int]:
        """Runs changed since a cursor and the new cursor; ``after=-1`` starts from now."""
        changes = list(self._traces.changes(after))
        cursor = changes[-1].cursor if changes else after
        return [change for change in changes if change.run], cursor


def _spend_json(row: Spend) -> Json:
    return {
        "key": row.key,
        "cost_nano_usd": None if row.unknown else row.cost_nano,
        "cost_known_nano_usd": row.cost_nano,
        "gaps": row.unknown,
        "steps": row.steps,
        "runs": row.runs,
        "input_tokens": None if row.token_gaps else row.input_tokens,
        "output_tokens": None if row.token_gaps else row.output_tokens,
        "token_gaps": row.token_gaps,
    }
