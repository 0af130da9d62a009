"""Whose call it is: tokens that are shown to the guard, good ones and all the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from control_double import Clock
from guard_house import LOOK, REFUND, TEXT, House

from tallystick.adapters.identity_keys import IdentityKeys
from tallystick.app.acting.feed import POLL_NS
from tallystick.app.acting.identity import Identities, IdentitySettings
from tallystick.app.acting.issuing import Issuer, enrol
from tallystick.model.control import Answer, ToolCall
from tallystick.model.errors import BadInput, Conflict, OverBudget, UnknownThing
from tallystick.model.guarding import ToolDeclaration, Verdict
from tallystick.model.identity import Block, Shown
from tallystick.model.step import EffectOutcome

SECOND = 1_000_000_000
PERMIT = "permit (principal, action, resource);"


class World:
    """A house whose guard asks for tokens, and the issuer of its store."""

    def __init__(self, folder: Path, text: str = TEXT, agent: str | None = "desk", **told: Any) -> None:
        made: list[Identities] = []

        def identities(clock: Clock) -> Identities:
            made.append(Identities(IdentityKeys(folder), clock, IdentitySettings(agent, **told)))
            return made[0]

        self.house = House(text, asks=True, identities=identities)
        self.house.guard.know([LOOK, REFUND])
        self.identities = made[0]
        self.keys = IdentityKeys(folder, told=partial(enrol, self.house.control))
        self.issuer = Issuer(self.house.control, self.keys, self.house.clock)

    def token(self, agent: str = "writer", **options: Any) -> dict[str, Any]:
        return self.issuer.issue(agent, **{"by": "ann", "via": "store", "ttl_s": 60, "depth": 5, **options})

    def ask(
        self, tool: ToolDeclaration, token: Shown | str | None = None, agent: str = "writer", run: str = "r1",
        **arguments: Any,
    ) -> Verdict:  # fmt: skip
        shown = Shown(token) if isinstance(token, str) else token
        self.house.steps += 1
        call = ToolCall(
            run, f"s{self.house.steps}", agent, tool.name, "d", arguments or {"id": str(self.house.steps)}, "w",
            token=shown,
        )  # fmt: skip
        verdict = self.house.guard.before_tool(call, tool)
        if verdict.allowed:
            self.house.guard.after_tool(call, verdict, EffectOutcome.LANDED, result="ok", error=None)
        return verdict

    def later(self, ns: int = POLL_NS) -> None:
        self.house.clock.at += ns


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def refused(verdict: Verdict) -> str:
    assert not verdict.allowed
    assert verdict.decision.answer is Answer.DENY
    return verdict.decision.reasons[0]


def test_a_token_lets_its_agent_do_what_it_says(world: World) -> None:
    token = world.token(rights=["tool:look"], on_behalf="ann")["token"]
    assert world.ask(LOOK, token).allowed
    made = world.house.body("decision.made")
    assert made["chain"] == [{"agent": "ann", "via": "user"}, {"agent": "writer", "via": "token"}]
    assert token not in str(world.house.control.journal)
    assert refused(world.ask(REFUND, token, id="1", amount="5")) == "the token gives no right to refund"
    assert world.house.body("decision.made")["stage"] == "identity"
    assert token not in repr(world.house.call("look").token or Shown(token))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "tallyagent_forged",
        lambda text: text[:-8] + "AAAAAAAA",
        lambda text: text[11:],
        lambda _: "",
    ],
)
def test_forged_tokens_are_refused(world: World, spoil: Callable[[str], str]) -> None:
    assert "not of this store" in refused(world.ask(LOOK, spoil(world.token()["token"])))


def test_a_token_of_another_store_is_refused(world: World, tmp_path: Path) -> None:
    foreign = World(tmp_path / "other").token()["token"]
    assert "not of this store" in refused(world.ask(LOOK, foreign))


def test_time(world: World) -> None:
    token = world.token(ttl_s=60)["token"]
    assert world.ask(LOOK, token).allowed
    world.later(59 * SECOND)
    assert world.ask(LOOK, token).allowed
    world.later(SECOND)
    assert "past its time" in refused(world.ask(LOOK, token))
    world.later(-130 * SECOND)
    assert "has not come" in refused(world.ask(LOOK, token)), "whoever made it has a clock far ahead"
    world.later(20 * SECOND)
    assert world.ask(LOOK, token).allowed, "clocks may differ by a minute"


def test_a_token_of_one_run_is_worth_nothing_in_another(world: World) -> None:
    token = world.token(run="r1")["token"]
    assert world.ask(LOOK, token, run="r1").allowed
    assert "another run" in refused(world.ask(LOOK, token, run="r2"))
    assert "another run" in refused(world.ask(LOOK, Shown(token, run="r3"), run="r1"))
    assert world.ask(LOOK, Shown(token, run="r1"), run="leg").allowed, (
        "a leg is decided under an id of its own"
    )


def test_nobody_acts_under_the_token_of_somebody_else(world: World) -> None:
    assert "is writer's, and editor calls" in refused(world.ask(LOOK, world.token()["token"], agent="editor"))


def test_classes(world: World) -> None:
    data = ToolDeclaration("look", LOOK.effect, arguments=LOOK.arguments, data=("payment",))
    assert "payment" in refused(world.ask(data, world.token(classes=["public"])["token"]))


def test_revoked_within_a_second_with_all_that_were_made_from_it(world: World) -> None:
    parent = world.token()
    child = world.keys.narrow(parent["token"], Block("editor", "handoff"))
    assert world.ask(LOOK, child, agent="editor").allowed
    world.issuer.revoke(parent["id"], because="lost", by="ann", via="store")
    world.later(SECOND)
    assert "revoked" in refused(world.ask(LOOK, child, agent="editor"))
    assert "revoked" in refused(world.ask(LOOK, parent["token"]))
    assert world.ask(LOOK, world.token()["token"]).allowed
    with pytest.raises(Conflict):
        world.issuer.revoke(parent["token"], because="again", by="ann", via="store")


def test_revoking_a_child_leaves_its_parent(world: World) -> None:
    parent = world.token()["token"]
    child = world.keys.narrow(parent, Block(rights=("tool:look",)))
    world.issuer.revoke(child, because="done", by="ann", via="store")
    world.later(SECOND)
    assert "revoked" in refused(world.ask(LOOK, child))
    assert world.ask(LOOK, parent).allowed


def test_an_old_key_verifies_until_it_is_retired(world: World) -> None:
    old, key = world.token()["token"], world.issuer.every_key()[0]
    with pytest.raises(Conflict, match="signs"):
        world.issuer.retire(key["number"], because="x", by="ann")
    world.issuer.rotate()
    new = world.token()["token"]
    assert world.ask(LOOK, old).allowed
    assert world.ask(LOOK, new).allowed
    world.issuer.retire(key["number"], because="old", by="ann")
    world.later(SECOND)
    assert "revoked" in refused(world.ask(LOOK, old))
    assert world.ask(LOOK, new).allowed
    assert [one["retired"] for one in world.issuer.every_key()] == [False, True]
    kinds = [kind for kind in world.house.kinds() if kind.startswith("key.")]
    assert kinds == ["key.created", "key.created", "key.retired"]
    with pytest.raises(UnknownThing):
        world.issuer.retire("key:00000000", because="x", by="ann")


def test_the_budget_of_a_token_holds_over_all_that_were_made_from_it(tmp_path: Path) -> None:
    world = World(tmp_path, PERMIT)
    parent = world.token(budget_nano=12_000)["token"]  # a refund costs 5,000
    child = world.keys.narrow(parent, Block("editor", "handoff"))
    assert world.ask(REFUND, parent, id="1", amount="5").allowed
    assert world.ask(REFUND, child, agent="editor", id="2", amount="5").allowed
    with pytest.raises(OverBudget):
        world.ask(REFUND, child, agent="editor", id="3", amount="5")


def test_rules_see_who_acts_for_whom(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        PERMIT
        + """@because("passed on") forbid (principal, action, resource) when { context.depth > 1 };
        @because("not for bob") forbid (principal, action, resource)
        when { context.on_behalf == "bob" || context.chain.contains("rogue") };""",
    )
    token = world.token(on_behalf="ann")["token"]
    assert world.ask(LOOK, token).allowed
    once = world.keys.narrow(token, Block("b", "handoff"))
    assert world.ask(LOOK, once, agent="b").allowed
    twice = world.keys.narrow(once, Block("c", "handoff"))
    assert world.ask(LOOK, twice, agent="c").decision.because == "passed on"
    assert world.ask(LOOK, world.token(on_behalf="bob")["token"]).decision.because == "not for bob"
    rogue = world.keys.narrow(world.token("rogue")["token"], Block("b", "handoff"))
    assert world.ask(LOOK, rogue, agent="b").decision.because == "not for bob"


def test_what_the_giver_had_read_comes_along(tmp_path: Path) -> None:
    world = World(tmp_path, PERMIT, after_third_party=frozenset({"effect:irreversible"}))
    handing = world.house.guard.handing
    assert handing is not None
    world.house.guard.open_run("r1")
    clean = handing.hand_over(None, giver="desk", to="writer", run="r1")
    assert clean is not None
    world.house.guard.open_run("r2")
    assert world.ask(REFUND, clean, run="r2", id="1", amount="5").allowed
    assert world.ask(LOOK, clean, run="r1").allowed  # nobody declared what it returns: a third party's word
    world.house.guard.open_run("r3")
    read = handing.hand_over(None, giver="desk", to="writer", run="r1")
    assert read is not None
    assert "no right to refund" in refused(world.ask(REFUND, read, run="r3", id="2", amount="5"))
    assert world.ask(LOOK, read, run="r3").allowed
    assert world.house.body("decision.made")["facts"]["watermark"] == "third-party"
    world.house.guard.open_run("r4")
    assert world.ask(LOOK, clean, run="r4").allowed  # and now it has read a third party itself
    assert "has read what a third party said" in refused(
        world.ask(REFUND, clean, run="r4", id="3", amount="5")
    )


def test_without_a_token(tmp_path: Path) -> None:
    plain = World(tmp_path / "a", agent=None)
    assert plain.ask(LOOK).allowed
    assert plain.house.body("decision.made")["chain"] == [{"agent": "writer", "via": "self-declared"}]
    strict = World(tmp_path / "b", agent=None, required=True)
    assert refused(strict.ask(LOOK)) == "no token says who calls"
    assert strict.ask(LOOK, strict.token()["token"]).allowed
    own = World(tmp_path / "c", agent="desk", required=True)
    assert own.ask(LOOK, agent="desk").allowed
    assert own.ask(LOOK).allowed
    chain = [{"agent": "desk", "via": "store"}, {"agent": "writer", "via": "call"}]
    assert own.house.body("decision.made")["chain"] == chain


def test_tokens_that_cannot_be_made(world: World) -> None:
    for wrong in (
        {"rights": ["refund"]}, {"rights": ["effect:all"]}, {"ttl_s": 0}, {"ttl_s": 10**9}, {"depth": 33},
        {"budget_nano": -1}, {"run": "r" * 300}, {"on_behalf": "\ud800"},
    ):  # fmt: skip
        with pytest.raises(BadInput):
            world.token(**wrong)
    with pytest.raises(BadInput):
        world.token(" ")


def test_a_token_that_is_known_costs_little(world: World) -> None:
    token = Shown(world.token(rights=["tool:look"])["token"])
    call = ToolCall("r1", "s", "writer", "look", "d", {}, "w", token=token)
    heard, labels = world.house.feed.heard(), world.house.guard._memory("r1").labels  # type: ignore[union-attr]
    rounds = []
    for _ in range(8):
        began = time.process_time()
        for _ in range(200):
            world.identities.stands(call, LOOK, world.house.clock.at, heard, labels)
        rounds.append((time.process_time() - began) / 200 * 1e6)
    assert min(rounds) < 40, rounds  # about 5 on a quiet machine
