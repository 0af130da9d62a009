"""Agents are inherited from the nearest step around that names one."""

from hypothesis import given
from hypothesis import strategies as st

from tallystick.model.step import Kind, Step, StepStatus
from tallystick.observe.lineage import agent_around, with_agents


def step(number: int, parent: int | None, agent: str | None) -> Step:
    around = None if parent is None else f"{parent:016x}"
    return Step(
        "a" * 32, f"{number:016x}", around, None, Kind.OTHER, "x", StepStatus.OK, 1, 2, "s", "d", agent=agent
    )


@given(st.lists(st.tuples(st.none() | st.integers(0, 12), st.none() | st.sampled_from("ab")), max_size=12))
def test_each_step_has_the_agent_found_by_walking_up(shape: list) -> None:
    steps = [step(number, parent, agent) for number, (parent, agent) in enumerate(shape)]
    by_id = {one.span: one for one in steps}
    for before, after in zip(steps, with_agents(steps), strict=True):
        at, seen = before, set()
        while at is not None and at.agent is None and at.span not in seen:
            seen.add(at.span)
            at = by_id.get(at.parent) if at.parent else None
        assert after.agent == (at.agent if at is not None else None)
        assert agent_around(before, steps) == after.agent
        assert (after.span, after.parent) == (before.span, before.parent)
