"""MCP servers inside the agent's process: joined when it is certain, left alone when it is not."""

from tallystick.model.span import Source, Span
from tallystick.observe.hosted import link_hosted
from tallystick.observe.normalise import read_span


def span(
    trace: str, name: str, start: int, end: int, instance: str | None = "p1", **attributes: object
) -> Span:
    resource = {} if instance is None else {"service.instance.id": instance}
    scope = "mcp-python-sdk" if name.startswith("tools/") else "openinference.instrumentation.x"
    return Span(
        trace * 32, trace * 16, None, name, start, end, Source(resource, scope), kind=2, attributes=attributes
    )


def served(start: int, end: int, instance: str | None = "p1", trace: str = "b") -> Span:
    more = {"mcp.method.name": "tools/call", "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "w"}
    return span(trace, "tools/call w", start, end, instance, **more)


def agent(trace: str, start: int, end: int, instance: str | None = "p1") -> Span:
    return span(trace, "agent", start, end, instance, **{"openinference.span.kind": "AGENT"})


def links(*spans: Span) -> list[tuple[str, ...]]:
    batch = [pair for one in spans for pair in read_span(one)]
    link_hosted(batch)
    return [tuple(link for link in step.links if link.startswith("trace:")) for step, _ in batch]


def test_a_hosted_call_gets_a_key_in_common_with_its_host() -> None:
    key = ("trace:" + "a" * 32,)
    assert links(agent("a", 0, 100), served(10, 20)) == [key, key]


def test_the_opening_of_a_session_belongs_to_the_only_agent_of_its_process() -> None:
    key = ("trace:" + "a" * 32,)
    opening = span("b", "tools/list", 1, 2, **{"mcp.method.name": "tools/list"})
    assert links(agent("a", 5, 100), opening) == [key, key]
    assert links(agent("a", 5, 100), agent("c", 5, 100), opening) == [(), (), ()]


def test_another_process_another_time_or_two_hosts_join_nothing() -> None:
    assert links(agent("a", 0, 100, "p2"), served(10, 20)) == [(), ()]
    assert links(agent("a", 0, 15), served(10, 20)) == [(), ()]
    assert links(agent("a", 0, 100, None), served(10, 20, None)) == [(), ()]
    assert links(agent("a", 0, 100), agent("c", 0, 100), served(10, 20)) == [(), (), ()]
