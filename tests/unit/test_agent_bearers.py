"""An agent that speaks to the server under its own token speaks for nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from control_double import Clock

from tallystick.api.auth import Gate
from tallystick.api.claims import held
from tallystick.api.otlp.batch import Batch
from tallystick.api.problems import Refusal
from tallystick.api.settings import ServerSettings
from tallystick.govern.identity import grant_of
from tallystick.model import attributes as names
from tallystick.model.chain import HANDOFF, TOKEN
from tallystick.model.identity import AGENT_TOKEN_PREFIX, Block, Grant
from tallystick.model.people import Role, Via
from tallystick.model.span import Source, Span

NOW = 1_790_000_000
RUN, OTHER = "a" * 32, "b" * 32
GRANT = grant_of(
    [
        Block("desk", TOKEN, "ann", issued=NOW, expires=NOW + 60, run=RUN, depth=1),
        Block("writer", HANDOFF),
    ],
    ["1" * 128, "2" * 128],
    7,
)
GOOD = AGENT_TOKEN_PREFIX + "good"


class Agents:
    def holder(self, token: str) -> Grant | str:
        return GRANT if token == GOOD else "forged"


def span(trace: str = RUN, **attributes: Any) -> Span:
    told = {names.KIND: "tool", **{key.replace("__", "."): value for key, value in attributes.items()}}
    return Span(
        trace, "c" * 16, None, "execute_tool x", NOW * 10**9, NOW * 10**9 + 1, Source({}), attributes=told
    )


def taken(one: Span, grant: Grant = GRANT) -> tuple[int, str]:
    batch = held(Batch([one]), grant)
    return len(batch.spans), batch.rejected[0].reason if batch.rejected else ""


@pytest.mark.parametrize("agent", ["writer", "desk", None])
def test_what_the_token_carries_is_taken(agent: str | None) -> None:
    assert taken(span(**{} if agent is None else {names.AGENT: agent})) == (1, "")


@pytest.mark.parametrize("name", [names.AGENT, "gen_ai.agent.name"])
@pytest.mark.parametrize("agent", ["ann", "editor", "x" * 1000])
def test_another_agent_is_refused_span_by_span(name: str, agent: str) -> None:
    count, why = taken(span(**{name: agent}))
    assert count == 0
    assert why.startswith(f"it claims agent '{agent[:80]}'")
    assert len(why) < 250


def test_another_run_is_refused() -> None:
    assert taken(span(OTHER))[0] == 0
    assert "another" in taken(span(RUN, **{names.RUN_ID: OTHER}))[1]
    assert taken(span(OTHER, **{names.RUN_ID: RUN}))[0] == 1
    assert taken(span(OTHER), replace(GRANT, runs=frozenset()))[0] == 1


def admitted(authorization: str | None, *, token: str | None = None, method: str = "POST") -> Any:
    gate = Gate(ServerSettings(token=token), Clock(), agents=Agents())
    headers = [(b"host", b"localhost")]
    if authorization is not None:
        headers.append((b"authorization", authorization.encode()))
    return gate.admit({"type": "http", "method": method, "path": "/v1/traces", "headers": headers})


@pytest.mark.parametrize("token", [None, "a-token-of-the-server"])
def test_an_agent_is_a_program_also_where_everybody_is_admin(token: str | None) -> None:
    caller = admitted(f"Bearer {GOOD}", token=token)
    assert (caller.name, caller.role, caller.via, caller.grant) == (
        "writer",
        Role.PROGRAM,
        Via.TOKEN,
        GRANT,
    )
    with pytest.raises(Refusal):
        admitted(f"Bearer {AGENT_TOKEN_PREFIX}forged", token=token)


def test_without_an_agents_token_all_is_as_it_was() -> None:
    assert admitted(None).role is Role.ADMIN
    assert admitted("Bearer a-token-of-the-server", token="a-token-of-the-server").grant is None
    gate = Gate(ServerSettings(), Clock(), agents=Agents())
    assert gate.admit_program("").grant is None
    assert gate.admit_program(f"Bearer {GOOD}").grant is GRANT
    with pytest.raises(Refusal):
        gate.admit_program(f"Bearer {AGENT_TOKEN_PREFIX}forged")
    with pytest.raises(Refusal):
        Gate(ServerSettings(), Clock()).admit_program(f"Bearer {GOOD}")
