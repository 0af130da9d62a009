"""Secrets are found wherever a span can hold one, and however JSON spells them."""

from __future__ import annotations

import json

import pytest

from tallystick.app.recording.redacting import SpanRedactor
from tallystick.model.span import Event, Source, Span
from tallystick.wiring.redacting import text_redactor

TOKEN = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
STRIPE = "sk_live_4eC39HqLyjWDarjtT1zdp7dcAbCdEf12"
REDACTOR = SpanRedactor(text_redactor(("secrets",)))


def span(**given: object) -> Span:
    said = {"name": "n", "source": Source({}, "tests"), **given}
    return Span("1" * 32, "2" * 16, None, said.pop("name"), 1, 2, said.pop("source"), **said)  # type: ignore[arg-type]


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(one):04x}" for one in text)


@pytest.mark.parametrize(
    "given",
    [
        span(attributes={TOKEN: "x"}),
        span(attributes={f"a.{TOKEN}.b": 1}),
        span(events=(Event(TOKEN, 1, {}),)),
        span(source=Source({}, TOKEN)),
        span(source=Source({}, "s", TOKEN)),
        span(source=Source({}, "s", "1", f"https://x/{TOKEN}")),
        span(attributes={"url.full": f"https://x/?key={STRIPE}&a=1"}),
        span(attributes={"said": f"it is ({STRIPE})."}),
        span(attributes={"said": "answer: " + json.dumps({"a": json.dumps({"k": STRIPE})})}),
    ],
)
def test_no_place_keeps_a_secret(given: Span) -> None:
    made = repr(REDACTOR.spans([given]))
    assert TOKEN not in made
    assert STRIPE not in made
    assert "‹redacted:secret›" in made


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f'{{"k": "{escaped(TOKEN)}"}}', TOKEN),
        (f'{{"k": "ghp{escaped("_")}{TOKEN[4:]}"}}', TOKEN),
        (r'{"u": "postgres:\/\/app:Sup3rS3cret@db\/x"}', "Sup3rS3cret"),
        (r'{"body": "{\u0022password\u0022:\u0022hunter2hunter2\u0022}"}', "hunter2hunter2"),
    ],
)
def test_an_escape_hides_nothing(text: str, secret: str) -> None:
    (made,) = REDACTOR.spans([span(attributes={"x": text})])
    read = json.loads(made.attributes["x"])
    assert secret not in json.dumps(read).replace("\\", "")
    assert "‹redacted:secret›" in json.dumps(read, ensure_ascii=False)


def test_texts_for_html_are_not_looked_through_again() -> None:
    """Encoders that escape the signs of HTML everywhere must not cost the slow look."""
    assert not text_redactor(("secrets",)).may_hold(rb'{"a": "\u003cb\u003e \u0026 \u00e9"}')
