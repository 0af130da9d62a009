"""What may not be stored does not reach the spool, which is a file as well (sdk/redacting.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from tallystick.app.recording.redacting import Rule, SpanRedactor
from tallystick.app.recording.withholding import Withholding, keyed, read_rule
from tallystick.model.span import Span
from tallystick.sdk.processor import RunProcessor
from tallystick.sdk.providers import OpenProvider
from tallystick.sdk.redacting import BeforeSpool
from tallystick.sdk.shipping import Shipper
from tallystick.sdk.spool import Spool
from tallystick.wiring.redacting import text_redactor

SECRET = "Tr0ub4dor-and-3"
MAIL = "jane.doe@example.org"
CARD = "4111 1111 1111 1111"


class Taken:
    def __init__(self) -> None:
        self.spans: list[Span] = []

    def deliver(self, spans: Sequence[Span]) -> None:
        self.spans += spans

    def close(self) -> None:
        return


class Stranger:
    def __str__(self) -> str:
        return f"write to {MAIL}"


def withholding(*rules: str, everything: bool = False) -> Rule:
    return Withholding(
        [read_rule(one) for one in rules], keyed(b"k" * 32), everything=everything, classes=lambda _: ()
    )


def recorded(folder: Path, *, light: bool, rule: Rule | None = None) -> tuple[bytes, list[Span]]:
    """Everything that is on disk when the spans have ended, and what is delivered then."""
    resource = Resource({"service.name": "desk", "owner": MAIL})
    provider = (
        OpenProvider(shutdown_on_exit=False, light=True, resource=resource)
        if light
        else TracerProvider(resource=resource)
    )
    spool = Spool(folder)
    processor = RunProcessor(spool)
    rules = SpanRedactor(text_redactor(("secrets", "personal")), [] if rule is None else [rule])
    processor.rules = BeforeSpool(rules)
    (provider.add_own_processor if isinstance(provider, OpenProvider) else provider.add_span_processor)(
        processor
    )
    tracer = provider.get_tracer("desk")
    for _ in range(2):  # what was clean once is not looked at again
        with tracer.start_as_current_span(
            "run", attributes={"tallystick.run.goal": f"write to {MAIL}", "n": 1}
        ):
            arguments = json.dumps({"to": MAIL, "n": [1, {"password": SECRET}]})
            call = {
                "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "crm",
                "gen_ai.tool.call.arguments": arguments,
                "gen_ai.tool.call.result": '{"phone": "call the desk"}', "tags": ("a", f"of {MAIL}"),
            }  # fmt: skip
            with tracer.start_as_current_span("tool crm", attributes=call) as span:
                span.set_attribute("db.password", SECRET)
                span.add_event("exception", {"exception.message": f"no card {CARD}"})
                span.set_status(StatusCode.ERROR, f"cannot reach {MAIL}")
            with tracer.start_as_current_span(f"mail {MAIL}") as span:
                if light:
                    span.set_attribute("who", Stranger())  # type: ignore[arg-type]
        processor.pulse()
    raw = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    taken = Taken()
    assert Shipper(spool, lambda: taken).ship()
    provider.shutdown()
    return raw, taken.spans


@pytest.mark.parametrize("light", [True, False])
def test_nothing_of_it_is_on_disk(tmp_path: Path, light: bool) -> None:
    raw, spans = recorded(tmp_path, light=light)
    for marker in (SECRET, MAIL, CARD):
        assert marker.encode() not in raw
    assert "‹redacted:email›".encode() in raw
    tools = [span for span in spans if span.name == "tool crm"]
    assert len(tools) == 2
    for tool in tools:
        made = json.loads(tool.attributes["gen_ai.tool.call.arguments"])
        assert made == {"to": "‹redacted:email›", "n": [1, {"password": "‹redacted:secret›"}]}
        assert json.loads(tool.attributes["tallystick.redacted"]) == {"card": 1, "email": 3, "secret": 2}
        assert tool.events[0].attributes == {"exception.message": "no card ‹redacted:card›"}
        assert tool.attributes["db.password"] == "‹redacted:secret›"
        assert tool.attributes["tallystick.run.id"]
    assert {span.source.resource["owner"] for span in spans} == {"‹redacted:email›"}


def test_rules_by_field_and_digests_hold_before_the_spool(tmp_path: Path) -> None:
    raw, _ = recorded(tmp_path / "fields", light=True, rule=withholding("tool:crm=result.phone"))
    assert b"call the desk" not in raw
    rule = withholding(everything=True)
    raw, spans = recorded(tmp_path / "digests", light=True, rule=rule)
    assert b"call the desk" not in raw
    assert b"write to" not in raw
    # as the store's own rules do on arrival
    again = SpanRedactor(text_redactor(("secrets",)), [rule]).spans(spans)
    for one, other in zip(spans, again, strict=True):
        assert dict(one.attributes) == dict(other.attributes)
