"""The registry in both control stores against a model of a few lines: declare, retire, move, show, accept, rebuild."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from registry_samples import accepted, bare, declared, definition, moved, retired, shown
from store_samples import Clock, Ids

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.sqlite import SqliteControl
from tallystick.model.errors import Conflict, TallystickError, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.registry import Card, version_digest

NAMES = st.sampled_from(["desk", "clerk"])
LABELS = st.sampled_from([None, "1", "2"])
BODIES = st.sampled_from([{}, {"tools": ["refund"]}, {"tools": []}, {"price": 0.5, "ä": [1, None]}])
OWNERS = st.sampled_from([None, "payments", "o\u202ener"])
TOOLS = st.sampled_from(["refund", "look"])
TEXTS = st.sampled_from(["old", "new", "newest"])
CHANNELS = st.sampled_from(["code", "mcp"])


class Model:
    """What must be true, said as simply as it can be. Raises the kind of error that the stores must raise."""

    def __init__(self) -> None:
        self.now: dict[str, tuple[str, str | None, bool]] = {}  # name -> digest, owner, retired
        self.versions: dict[str, list[tuple[str, str | None, dict[str, Any]]]] = {}
        self.labels: dict[tuple[str, str], str] = {}
        self.aliases: dict[tuple[str, str], str] = {}
        self.shown: dict[tuple[str, str], dict[str, tuple[str, str | None]]] = {}  # -> trust, who

    def declare(self, name, label, body, owner, with_card) -> None:
        digest = version_digest("agent", name, label, body)
        if with_card and label is not None and self.labels.setdefault((name, label), digest) != digest:
            raise Conflict("")
        known = self.versions.setdefault(name, [])
        if digest not in [one[0] for one in known]:
            known.append((digest, label, body))
        self.now[name] = (digest, owner if with_card else None, False)

    def retire(self, name) -> None:
        if name not in self.now:
            raise UnknownThing("")
        self.now[name] = (*self.now[name][:2], True)

    def move(self, name, alias, digest, previous) -> None:
        if self.aliases.get((name, alias)) != previous:
            raise Conflict("")
        if digest is None and previous is None:
            raise UnknownThing("")
        if digest is None:
            del self.aliases[name, alias]
        elif digest not in [one[0] for one in self.versions.get(name, [])]:
            raise UnknownThing("")
        else:
            self.aliases[name, alias] = digest

    def show(self, tool, channel, digest, trust, why) -> None:
        known = self.shown.setdefault((tool, channel), {})
        others = [one for one, (trust, _) in known.items() if trust == "accepted" and one != digest]
        if why == "first use" and others:
            raise Conflict("")
        known.setdefault(digest, (trust, None))

    def accept(self, tool, channel, digest, by) -> None:
        known = self.shown.get((tool, channel), {})
        if digest not in known:
            raise UnknownThing("")
        trusted = [one for one, (trust, _) in known.items() if trust == "accepted"]
        if trusted == [digest] and known[digest][1] is not None:
            raise Conflict("")
        for one in trusted:
            known[one] = ("quarantined", None)
        known[digest] = ("accepted", by)


class Registries(RuleBasedStateMachine):
    """Does the same to both stores and to the model, and compares what they show."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.clock, self.ids = Clock(), (Ids(), Ids())
        self.memory = MemoryControl(clock=self.clock, ids=self.ids[0])
        self.sqlite = self.opened()
        self.model, self.seen = Model(), dict[str, Any]()

    def opened(self) -> SqliteControl:
        return SqliteControl(self.directory / "control.db", clock=self.clock, ids=self.ids[1])

    def teardown(self) -> None:
        self.sqlite.close()
        shutil.rmtree(self.directory)

    def both(self, draft: Draft, expected: type[TallystickError] | None) -> None:
        self.clock.at += 1
        answers: list[Any] = []
        for store in (self.memory, self.sqlite):
            try:
                answers.append(store.append([draft]))
            except TallystickError as error:
                answers.append((type(error), error.message, error.hint, error.detail))
        assert answers[0] == answers[1]
        assert (answers[0][0] if isinstance(answers[0][0], type) else None) == expected

    def expected(self, step: Any, *values: Any) -> type[TallystickError] | None:
        try:
            step(*values)
        except TallystickError as error:
            return type(error)
        return None

    @rule(name=NAMES, label=LABELS, body=BODIES, owner=OWNERS, with_card=st.booleans())
    def declare(self, name, label, body, owner, with_card) -> None:
        made = declared(name, label=label, card=Card(owner), **body)
        if not with_card:
            made = bare(name, made.body["digest"], label, **body)
        self.both(made, self.expected(self.model.declare, name, label, body, owner, with_card))

    @rule(name=NAMES)
    def retire(self, name) -> None:
        self.both(retired(name), self.expected(self.model.retire, name))

    @rule(name=NAMES, alias=st.sampled_from(["production", "staging"]), right=st.booleans(), pick=st.data())
    def move(self, name, alias, right, pick) -> None:
        digests = [None, "0" * 64, *(one[0] for one in self.model.versions.get(name, []))]
        digest = pick.draw(st.sampled_from(digests))
        standing = self.model.aliases.get((name, alias))
        previous = standing if right else pick.draw(st.sampled_from(digests))
        draft = moved(digest, previous, alias, name)
        self.both(draft, self.expected(self.model.move, name, alias, digest, previous))

    @rule(tool=TOOLS, text=TEXTS, why=st.sampled_from(["first use", "declared", "new", "changed"]))
    def show(self, tool, text, why) -> None:
        what, trust = (
            definition(text, tool),
            "accepted" if why in ("first use", "declared") else "quarantined",
        )
        draft = shown(what, trust, why)
        self.both(draft, self.expected(self.model.show, tool, "code", what.digest, trust, why))

    @rule(tool=TOOLS, text=TEXTS)
    def show_of_a_server(self, tool, text) -> None:
        what = definition(text, tool, server="uvx pay")
        draft = shown(what, "quarantined", "new", "mcp")
        self.both(draft, self.expected(self.model.show, tool, "mcp", what.digest, "quarantined", "new"))

    @rule(tool=TOOLS, text=TEXTS, channel=CHANNELS)
    def accept(self, tool, text, channel) -> None:
        what = definition(text, tool, server="uvx pay" if channel == "mcp" else None)
        draft = accepted(what, channel)
        self.both(draft, self.expected(self.model.accept, tool, channel, what.digest, "ann"))

    @rule()
    def rebuild(self) -> None:
        assert self.memory.rebuild()["changed"] == self.sqlite.rebuild()["changed"] == 0

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = self.opened()

    @invariant()
    def both_show_what_the_model_says(self) -> None:
        for ask in (
            lambda s: s.declared(retired=True), lambda s: s.declared("agent"), lambda s: s.aliases(),
            lambda s: s.aliases("agent", "desk"), lambda s: s.shown(), lambda s: s.shown("refund"),
            lambda s: s.registry_revision(),
        ):  # fmt: skip
            assert ask(self.memory) == ask(self.sqlite)
        model, store = self.model, self.sqlite
        assert {
            one.name: (one.digest, one.card.owner, one.retired) for one in store.declared(retired=True)
        } == model.now
        assert [one.name for one in store.declared()] == sorted(
            n for n, one in model.now.items() if not one[2]
        )
        assert {(one.name, one.alias): one.digest for one in store.aliases()} == model.aliases
        assert {
            (one.tool, one.channel.value, one.definition): (one.trust.value, one.by) for one in store.shown()
        } == {(*key, digest): found for key, rows in model.shown.items() for digest, found in rows.items()}
        assert store.registry_revision() == store.head()[0]

    @invariant()
    def versions_never_change(self) -> None:
        for name in ("desk", "clerk"):
            found = self.sqlite.versions("agent", name)
            assert found == self.memory.versions("agent", name)
            assert [(one.digest, one.label, one.body) for one in found[::-1]] == self.model.versions.get(
                name, []
            )
            for one in found:
                assert self.seen.setdefault(one.digest, one) == one
                assert one.digest == version_digest(one.type, one.name, one.label, one.body)

    @invariant()
    def both_are_true(self) -> None:
        assert self.memory.verify() == self.sqlite.verify() == self.memory.head()[0]


Registries.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestRegistries = Registries.TestCase
