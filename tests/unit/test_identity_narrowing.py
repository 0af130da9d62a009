"""Tokens can only narrow: whatever is appended, in whatever order, by whomever."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import biscuit_auth
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tallystick.adapters.biscuits import append, block_from, block_text, mint, opened
from tallystick.govern.identity import LONGEST_S, covers, grant_of, narrowed, refusal
from tallystick.model.chain import CALL, HANDOFF, STORE, TOKEN
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.identity import (
    AGENT_TOKEN_PREFIX,
    MOST_BLOCKS,
    Block,
    Grant,
    rights_of_call,
)
from tallystick.model.labels import Integrity, worst
from tallystick.model.step import Effect

NOW = 1_790_000_000
SEED = hashlib.sha256(b"a key for tests").digest()
PUBLIC = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
KEY = 0xFEEDBEEF
TOOLS = [
    ToolDeclaration(name, effect, data=data)
    for name, effect in (("a", Effect.READ), ("b", Effect.WRITE), ("c", Effect.IRREVERSIBLE), ("d", None))
    for data in ((), ("payment",), ("payment", "customer_pii"))
]
RIGHTS = st.sampled_from(["tool:a", "tool:b", "tool:c", "tool:d", *(f"effect:{one.value}" for one in Effect)])
SETS = st.none() | st.lists(RIGHTS, max_size=4, unique=True).map(tuple)
NAMES = st.text(min_size=1, max_size=12).filter(lambda text: text.encode("utf-8", "ignore").decode() == text)


def public(number: int) -> bytes | None:
    return PUBLIC if number == KEY else None


def first(**changes: object) -> Block:
    return Block(
        **{"agent": "desk", "via": STORE, "issued": NOW, "expires": NOW + 3600, "depth": 5, **changes}
    )  # type: ignore[arg-type]


BLOCKS = st.builds(
    Block,
    agent=st.none() | NAMES, via=st.sampled_from([HANDOFF, CALL]), version=st.none() | NAMES,
    run=st.none() | st.sampled_from(["r1", "r2"]), rights=SETS, without=st.lists(RIGHTS, max_size=2).map(tuple),
    classes=st.none() | st.lists(st.sampled_from(["payment", "customer_pii"]), max_size=2, unique=True).map(tuple),
    budget_nano=st.none() | st.integers(0, 10**15), depth=st.none() | st.integers(0, 40),
    expires=st.none() | st.integers(NOW - 100, NOW + 10**6), watermark=st.none() | st.sampled_from(Integrity),
    seen=st.lists(st.sampled_from(["payment", "secret"]), max_size=2, unique=True).map(tuple),
)  # fmt: skip


def grant(token: str) -> Grant:
    found = opened(token, public)
    return grant_of(found.blocks, found.ids, found.key)


@given(BLOCKS)
@settings(max_examples=40, deadline=None)
def test_a_block_is_read_back_as_it_was_written(block: Block) -> None:
    assert block_from(block_text(block)) == block
    token = append(mint(first(), SEED, KEY), block, public)
    assert opened(token, public).blocks == (first(), block)


@given(
    st.lists(BLOCKS, max_size=5), st.sampled_from(TOOLS), st.sampled_from(["r1", "r2"]), st.integers(0, 7200)
)
@settings(max_examples=40, deadline=None)
def test_another_verifier_refuses_what_ours_refuses(
    blocks: list[Block], tool: ToolDeclaration, run: str, later: int
) -> None:
    """The Datalog in the blocks and our reading of them are two halves that must match."""
    token = mint(first(), SEED, KEY)
    for block in blocks:
        token = append(token, block, public)
    try:
        held = grant(token)
    except BadInput:
        return  # how often it may be passed on is ours alone
    ours = refusal(held, held.agent, run, tool, NOW + later)
    root = biscuit_auth.PublicKey.from_bytes(PUBLIC, biscuit_auth.Algorithm.Ed25519)  # type: ignore[attr-defined,call-arg]
    asks = biscuit_auth.AuthorizerBuilder("allow if true")
    asked = [*rights_of_call(tool.name, tool.effect)]
    if tool.effect is None:
        asked = ["tool:d"] if not held.without & {f"effect:{one.value}" for one in Effect} else ["tool:none"]
    for fact in [f'asked("{one}")' for one in asked] + [f'class("{one}")' for one in ("", *tool.data)]:
        asks.add_fact(biscuit_auth.Fact(fact))
    asks.add_fact(biscuit_auth.Fact(f'run("{run}")'))
    moment = datetime.fromtimestamp(NOW + later, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    asks.add_fact(biscuit_auth.Fact(f"time({moment})"))
    biscuit = biscuit_auth.Biscuit.from_base64(token.removeprefix(AGENT_TOKEN_PREFIX), root)
    try:
        asks.build(biscuit).authorize()
        theirs = True
    except biscuit_auth.AuthorizationError:
        theirs = False
    if tool.effect is None and asked == ["tool:none"]:
        assert ours is not None
    elif NOW + later != held.expires:  # at the very second we refuse and Datalog does not
        assert (ours is None) == theirs, (ours, token and blocks)


class Narrowing(RuleBasedStateMachine):
    """However long a chain grows: the child's rights are among the parent's, and the watermark never rises."""

    @initialize(rights=SETS, classes=st.none() | st.just(("payment",)), depth=st.integers(0, 8))
    def begin(self, rights: tuple[str, ...] | None, classes: tuple[str, ...] | None, depth: int) -> None:
        self.grant = grant_of([first(rights=rights, classes=classes, depth=depth)], ["0" * 32], KEY)
        self.before = self.grant
        self.steps = 0

    @rule(block=BLOCKS)
    def narrow(self, block: Block) -> None:
        self.steps += 1
        before = self.grant
        try:
            self.grant = narrowed(before, block, f"{self.steps:032x}")
        except BadInput:
            assert block.agent is not None
            assert before.depth == 0
        self.before = before

    @invariant()
    def nothing_is_won(self) -> None:
        if not hasattr(self, "grant"):
            return
        child, parent = self.grant, self.before
        for tool in TOOLS:
            if covers(child, tool):
                assert covers(parent, tool)
            for at in (NOW, NOW + 3599, NOW + 3600):
                for run in ("r1", "r2", None):
                    if refusal(child, child.agent, run, tool, at) is None:
                        assert refusal(parent, parent.agent, run, tool, at) is None
        assert worst((child.watermark, parent.watermark)) is child.watermark
        assert set(parent.seen) <= set(child.seen)
        assert child.depth <= parent.depth
        assert child.expires <= parent.expires
        assert set(parent.budgets) <= set(child.budgets)
        assert child.chain[: len(parent.chain)] == parent.chain
        assert set(parent.ids) <= set(child.ids)


Narrowing.TestCase.settings = settings(max_examples=25, stateful_step_count=10, deadline=None)
TestNarrowing = Narrowing.TestCase


def test_a_chain_of_a_hundred_blocks_is_refused_before_it_is_verified() -> None:
    token = mint(first(depth=32), SEED, KEY)
    for number in range(MOST_BLOCKS - 1):
        token = append(token, Block(run="r1") if number % 2 else Block(rights=("tool:a",)), public)
    assert len(grant(token).ids) == MOST_BLOCKS
    builder = biscuit_auth.Biscuit.from_base64(
        token.removeprefix(AGENT_TOKEN_PREFIX),
        biscuit_auth.PublicKey.from_bytes(PUBLIC, biscuit_auth.Algorithm.Ed25519),  # type: ignore[attr-defined,call-arg]
    )
    for _ in range(100 - MOST_BLOCKS):
        builder = builder.append(biscuit_auth.BlockBuilder('check if run("r1")'))
    with pytest.raises(BadInput, match="more than 33 blocks"):
        opened(AGENT_TOKEN_PREFIX + builder.to_base64(), public)


def test_a_cycle_of_handoffs_ends_at_the_depth_and_wins_nothing_back() -> None:
    token = append(mint(first(depth=3), SEED, KEY), Block("writer", HANDOFF, rights=("effect:read",)), public)
    token = append(token, Block("desk", HANDOFF, rights=("tool:c", "effect:irreversible")), public)
    back = grant(token)
    assert back.agent == "desk"
    assert not any(covers(back, tool) for tool in TOOLS)
    token = append(token, Block("writer", HANDOFF), public)
    assert [name for name, _ in grant(token).chain] == ["desk", "writer", "desk", "writer"]
    with pytest.raises(BadInput, match="more often"):
        grant(append(token, Block("desk", HANDOFF), public))


@pytest.mark.parametrize(
    "text",
    [
        'agent("writer");', 'rights("all");', 'check if true;', 'agent("a"); agent("b");', 'agent("a")\nor true;',
        'check if asked($r), ["tool:a"].contains($r) or true;', 'agent("a\\"b");', "depth(-1);",
        'check if time($t), $t <= 2026-01-01T00:00:00Z, $t > 1970-01-01T00:00:00Z;', 'watermark("best");',
    ],
)  # fmt: skip
def test_what_tallystick_never_writes_is_not_read(text: str) -> None:
    if text == 'agent("writer");':
        assert block_from(text) == Block("writer")
        return
    with pytest.raises(BadInput):
        block_from(text)


def test_foreign_blocks_and_changed_bytes_are_refused() -> None:
    token = mint(first(), SEED, KEY)
    root = biscuit_auth.PublicKey.from_bytes(PUBLIC, biscuit_auth.Algorithm.Ed25519)  # type: ignore[attr-defined,call-arg]
    body = token.removeprefix(AGENT_TOKEN_PREFIX)
    foreign = biscuit_auth.Biscuit.from_base64(body, root).append(biscuit_auth.BlockBuilder("check if true"))
    with pytest.raises(BadInput, match="does not know"):
        opened(AGENT_TOKEN_PREFIX + foreign.to_base64(), public)
    for wrong in (body, AGENT_TOKEN_PREFIX, AGENT_TOKEN_PREFIX + "é", AGENT_TOKEN_PREFIX + "A" * 40_000):
        with pytest.raises(BadInput):
            opened(wrong, public)
    middle = len(body) // 2
    changed = body[:middle] + ("A" if body[middle] != "A" else "B") + body[middle + 1 :]
    with pytest.raises(BadInput):
        opened(AGENT_TOKEN_PREFIX + changed, public)
    with pytest.raises(BadInput, match="not of this store"):
        opened(mint(first(), hashlib.sha256(b"another").digest(), KEY), public)


@pytest.mark.parametrize(
    "blocks",
    [
        [], [Block("desk", TOKEN)], [Block("desk", TOKEN, issued=NOW, expires=NOW + LONGEST_S + 1)],
        [Block("desk", TOKEN, issued=NOW, expires=NOW)], [first(), Block(on_behalf="ann")],
        [first(), Block(issued=NOW)], [first(), Block("writer", STORE)], [first(depth=0), Block("writer", HANDOFF)],
    ],
)  # fmt: skip
def test_a_chain_that_is_not_whole_is_no_grant(blocks: list[Block]) -> None:
    with pytest.raises(BadInput):
        grant_of(blocks, [f"{number:032x}" for number in range(len(blocks))], KEY)
