"""Push: a policy put in force for every agent that matches a query, and taken away again.

Before anything is written it is known whom a policy reaches and why, and that its rules can be understood.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.app.acting.policies import check_policies
from tallystick.app.reading.shapes import Json, time_text
from tallystick.app.registry.registrar import known_sources
from tallystick.govern.policy import PolicyFile
from tallystick.model.canonical import digest_bytes
from tallystick.model.errors import BadInput, Conflict, TallystickError, UnknownThing
from tallystick.model.masking import mask_text
from tallystick.model.query import REGISTRY, Query, Term, parse_query
from tallystick.model.registry import Card, Declared, Lifecycle, version_digest
from tallystick.ports import Clock, ControlStore
from tallystick.registry.declarations import tool_of
from tallystick.registry.drafts import declared_draft, retired_draft
from tallystick.registry.graph import Graph
from tallystick.registry.knowing import unknown_values
from tallystick.registry.search import covers, find, in_force, scope_of
from tallystick.registry.text_files import policy_from

ORIGIN: Final = "push"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_TOOLS: Final = 20  # named as the reason why one agent is reached


@dataclass(frozen=True, slots=True)
class Push:
    """A policy that may be pushed. ``reaches`` are rows ``{"agent", "because": [{"tool", "classes"}], "others"}``.

    ``others`` are the other policies of the registry in force for the agent. ``changed``: it is not yet in force so.
    """

    declared: Declared
    text: str
    scope: str
    changed: bool
    reaches: tuple[Json, ...]
    warnings: tuple[str, ...]

    def as_json(self) -> Json:
        """``{"name", "scope", "digest", "changed", "reaches": [reached], "warnings": [text]}``."""
        return {
            "name": self.declared.name, "scope": self.scope, "digest": self.declared.digest, "changed": self.changed,
            "reaches": list(self.reaches), "warnings": list(self.warnings),
        }  # fmt: skip


class PolicyDesk:
    """The policies of one registry. ``graph`` is the registry as it stands."""

    def __init__(self, control: ControlStore, graph: Graph, clock: Clock) -> None:
        self._control = control
        self._graph = graph
        self._clock = clock

    def plan(self, files: Sequence[PolicyFile], scope: str, name: str | None = None) -> list[Push]:
        """What pushing files would do: one policy each, called like its file unless there is one ``name``.

        Raises ConfigError for a rule that cannot be understood or names what no tool has and for a text with a
        credential, BadInput for a scope that cannot be read and for a name, and Conflict for a policy of that name
        which is not a pushed one.
        """
        if name is not None and len(files) != 1:
            raise BadInput("one name is for one file", hint="leave --name out, or push one file at a time")
        query = self._query(scope)
        sources = known_sources(self._control)
        tools = [tool_of(one, sources) for one in self._control.declared("tool", retired=True)]
        check_policies(files, tools)
        pushes = [self._push(file, name or _stem(file.name), scope, query) for file in files]
        names = [one.declared.name for one in pushes]
        twice = next((one for one in names if names.count(one) > 1), None)
        if twice is not None:
            raise BadInput(f"two files would be policy {twice}", hint="push them one by one, with --name")
        return pushes

    def _query(self, scope: str) -> Query:
        if not scope.strip():
            raise BadInput(
                "the scope is empty", hint="for example --scope touches:customer_pii, or --scope kind:agent"
            )
        if mask_text(scope) != scope:
            raise BadInput(
                "the scope holds what looks like a credential", hint="take it out, and replace that key"
            )
        query = parse_query(scope, REGISTRY)
        find(self._graph, query, now=self._clock.now())  # a value that nobody can judge is refused here
        return query

    def _push(self, file: PolicyFile, name: str, scope: str, query: Query) -> Push:
        if not _NAME.fullmatch(name):
            raise BadInput(
                f"{name!r} is not a name of a policy",
                hint="letters, digits, points, dashes and underscores: --name",
            )
        body = {
            "text": digest_bytes(file.text.encode("utf-8", "surrogatepass")), "file": file.name.rpartition("/")[2],
            "scope": scope,
        }  # fmt: skip
        policy_from(
            name, file.name, file.text
        )  # the journal keeps it for ever: refused where it holds a secret
        known = self._graph.objects.get(("policy", name))
        if known is not None and known.card.origin != ORIGIN:
            raise Conflict(
                f"policy {name} is declared by {known.card.origin or 'a project'}",
                hint="push this one under another --name",
            )
        card = known.card if known is not None else Card(lifecycle=Lifecycle.ACTIVE, origin=ORIGIN)
        declared = Declared("policy", name, version_digest("policy", name, None, body), None, body, card=card)
        changed = known is None or known.digest != declared.digest
        reaches = tuple(self._reached(query, name))
        warnings = [*self._replaced(known, scope, reaches), *unknown_values(self._graph, query)]
        if not reaches:
            warnings.append(f"no agent matches {scope} now; one that comes to match will be covered")
        bare = [row["agent"] for row in reaches if not row["others"]]
        if bare:
            warnings.append(
                "no other policy of the registry is in force for these; without a policies folder of their own they "
                f"are refused what no rule permits: {', '.join(bare[:10])}" + ("…" if len(bare) > 10 else "")
            )
        return Push(declared, file.text, scope, changed, reaches, tuple(warnings))

    def _replaced(self, known: Declared | None, scope: str, reaches: Sequence[Json]) -> list[str]:
        """A name holds one policy: pushed again with another scope, it leaves the agents of the old one."""
        before = known.body.get("scope") if known is not None else None
        if known is None or before == scope:
            return []
        old = scope_of(self._graph, known)
        left = self._reached(old, known.name) if old is not None else []
        kept = {row["agent"] for row in reaches}
        gone = [row["agent"] for row in left if row["agent"] not in kept]
        said = (
            f"{known.name} is in force for {before}, and this takes its place; "
            "give this one another --name to keep both"
        )
        if gone:
            said += f". No longer reached: {', '.join(gone[:10])}" + ("…" if len(gone) > 10 else "")
        return [said]

    def _reached(self, query: Query, name: str) -> list[Json]:
        now, graph = self._clock.now(), self._graph
        matching = [_tools_for(graph, term, now) for term in query.terms if not term.negated]
        concerned = {tool for found in matching if found is not None for tool in found}
        rows: list[Json] = []
        for agent in graph.names["agent"]:
            if not covers(graph, query, agent, {}, now=now):
                continue
            why = sorted(concerned & set(graph.tools_of(agent)))
            rows.append({
                "agent": agent,
                "because": [
                    {"tool": tool, "classes": sorted(graph.classes_of_tool(tool))} for tool in why[:_MOST_TOOLS]
                ],
                "others": [one.name for one in in_force(graph, agent, now=now) if one.name != name],
            })  # fmt: skip
        return rows

    def push(self, pushes: Sequence[Push], *, by: str, because: str | None) -> int:
        """Put policies in force, in one transaction; how many changed. Raises Conflict and what the store raises."""
        drafts = [
            declared_draft(
                one.declared, actor=by, because=because, texts={str(one.declared.body["text"]): one.text}
            )
            for one in pushes if one.changed
        ]  # fmt: skip
        if drafts:
            self._control.append(drafts)
        return len(drafts)

    def withdraw(self, name: str, *, by: str, because: str | None) -> Declared:
        """Take a pushed policy out of force. Raises UnknownThing, and Conflict for one that a project declares."""
        known = self._known(name)
        if known.card.origin != ORIGIN:
            raise Conflict(
                f"policy {name} is declared by {known.card.origin or 'a project'}",
                hint="take its file away, then: tally apply --prune",
            )
        self._control.append([retired_draft("policy", name, actor=by, because=because)])
        return known

    def ls(self) -> Json:
        """``{"total", "policies": [policy]}``, by name."""
        rows = [self._row(one) for one in self._graph.policies]
        return {"total": len(rows), "policies": rows}

    def troubles(self) -> list[tuple[str, str]]:
        """(policy, why) of each in force that cannot be loaded with the tools that the registry knows."""
        sources = known_sources(self._control)
        tools = [tool_of(one, sources) for one in self._control.declared("tool", retired=True)]
        found = []
        for one in self._graph.policies:
            try:
                if one.body.get("scope") is not None:
                    parse_query(str(one.body["scope"]), REGISTRY)
                text = self._control.text(str(one.body["text"]))
                check_policies([PolicyFile(f"{one.name}.cedar", text)], tools)
            except (TallystickError, KeyError) as error:
                found.append(
                    (one.name, error.message if isinstance(error, TallystickError) else "it has no text")
                )
        return found

    def show(self, name: str) -> Json:
        """One policy with its text and whom it reaches. Raises UnknownThing."""
        one = self._known(name)
        query = scope_of(self._graph, one) or Query()
        text = self._control.text(str(one.body["text"]))
        return {**self._row(one), "text": text, "reaches": self._reached(query, name)}

    def _known(self, name: str) -> Declared:
        known = self._graph.objects.get(("policy", name))
        if known is None:
            raise UnknownThing(f"no policy is called {name!r}", hint="tally policy ls", name=name)
        return known

    def _row(self, one: Declared) -> Json:
        return {
            "name": one.name, "scope": one.body.get("scope"), "digest": one.digest, "origin": one.card.origin,
            "file": one.body.get("file"), "at": time_text(one.at), "by": one.by,
        }  # fmt: skip


def _tools_for(graph: Graph, term: Term, now: int) -> set[str] | None:
    """The tools that a term asks for; None for a term that does not ask for tools."""
    if term.field == "tool":
        asked = Query((Term("kind", "=", "tool"), Term("name", "=", term.value)))
    elif term.field in ("touches", "data", "effect"):
        asked = Query((Term("kind", "=", "tool"), term))
    else:
        return None
    return {one.name for one in find(graph, asked, now=now)}


def _stem(file: str) -> str:
    return file.rpartition("/")[2].removesuffix(".cedar")
