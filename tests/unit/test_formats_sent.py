"""Files of spans as they were sent, in the words of Jaeger and of Tempo."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_formats import Book

from tallystick.app.recording.importing import import_file
from tallystick.observe.formats import FORMATS, guess
from tallystick.observe.normalise import read_span

JAEGER: dict[str, Any] = {
    "data": [
        {
            "traceID": "1" * 31,
            "spans": [
                {
                    "traceID": "1" * 31,
                    "spanID": "b" * 15,
                    "operationName": "execute_tool look_up",
                    "references": [
                        {"refType": "FOLLOWS_FROM", "traceID": "2" * 32, "spanID": "c" * 16},
                        {"refType": "CHILD_OF", "traceID": "1" * 31, "spanID": "a" * 16},
                    ],
                    "startTime": 1_700_000_000_000_000,
                    "duration": 5,
                    "tags": [
                        {"key": "gen_ai.operation.name", "type": "string", "value": "execute_tool"},
                        {"key": "gen_ai.tool.name", "type": "string", "value": "look_up"},
                        {"key": "count", "type": "int64", "value": "9007199254740993"},
                        {"key": "error", "type": "bool", "value": True},
                        {"key": "otel.status_description", "type": "string", "value": "no"},
                        {"key": "otel.scope.name", "type": "string", "value": "mine"},
                    ],
                    "logs": [
                        {
                            "timestamp": 1_700_000_000_000_001,
                            "fields": [{"key": "event", "type": "string", "value": "said"}],
                        }
                    ],
                    "processID": "p1",
                }
            ],
            "processes": {"p1": {"serviceName": "desk", "tags": []}},
        }
    ]
}
TEMPO: dict[str, Any] = {
    "trace": {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "desk"}}]},
                "scopeSpans": [
                    {
                        "scope": {"name": "mine", "version": "2"},
                        "spans": [
                            {
                                "traceId": "EREREREREREREREREREREQ==",
                                "spanId": "qqqqqqqqqqo=",
                                "name": "chat",
                                "kind": "SPAN_KIND_CLIENT",
                                "startTimeUnixNano": "1700000000000000001",
                                "endTimeUnixNano": 1700000000000000003,
                                "status": {"code": "STATUS_CODE_ERROR", "message": "no"},
                                "attributes": [
                                    {"key": "n", "value": {"intValue": "9007199254740993"}},
                                    {"key": "l", "value": {"arrayValue": {"values": [{"boolValue": True}]}}},
                                    {
                                        "key": "m",
                                        "value": {
                                            "kvlistValue": {
                                                "values": [{"key": "a", "value": {"doubleValue": 0.5}}]
                                            }
                                        },
                                    },
                                ],
                                "events": [{"name": "said", "timeUnixNano": "1700000000000000002"}],
                                "links": [{"traceId": "2" * 32, "spanId": "c" * 16}],
                                "droppedAttributesCount": 2,
                                "droppedEventsCount": 1,
                            }
                        ],
                    }
                ],
            }
        ]
    }
}


def test_jaeger_puts_the_span_together_again() -> None:
    (group,) = FORMATS["jaeger"].read(JAEGER)
    (span,) = group.spans
    assert (span.trace, span.span, span.parent) == ("0" + "1" * 31, "0" + "b" * 15, "a" * 16)
    assert [(link.trace, link.span) for link in span.links] == [("2" * 32, "c" * 16)]
    assert (span.started, span.ended) == (1_700_000_000_000_000_000, 1_700_000_000_000_005_000)
    assert (span.status, span.status_message) == (2, "no")
    assert span.attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "look_up",
        "count": 2**53 + 1,
    }
    assert [(event.name, event.at) for event in span.events] == [("said", 1_700_000_000_000_001_000)]
    assert (span.source.scope, span.source.resource) == ("mine", {"service.name": "desk"})
    assert guess(json.dumps(JAEGER).encode()) == "jaeger"


def test_tempo_reads_both_spellings_of_everything() -> None:
    (group,) = FORMATS["tempo"].read(TEMPO)
    (span,) = group.spans
    assert (span.trace, span.span, span.parent) == ("1" * 32, "a" * 16, None)
    assert (span.started, span.ended) == (1_700_000_000_000_000_001, 1_700_000_000_000_000_003)
    assert (span.kind, span.status, span.status_message, span.dropped) == (3, 2, "no", 3)
    assert span.attributes == {"n": 2**53 + 1, "l": [True], "m": {"a": 0.5}}
    assert (span.events[0].name, span.links[0].span) == ("said", "c" * 16)
    assert guess(json.dumps(TEMPO).encode()) == "tempo"


@pytest.mark.parametrize(("name", "document"), [("jaeger", JAEGER), ("tempo", TEMPO)])
def test_spans_as_they_were_sent_are_never_stamped(name: str, document: Any) -> None:
    book = Book()
    first = import_file(book, "f", name, json.dumps(document).encode(), lambda done, total: None)
    again = import_file(book, "f", name, json.dumps(document).encode(), lambda done, total: None)
    assert (first["runs"], first["steps"], again["repeats"]) == (1, 1, 1)
    (span,) = book.spans.values()
    assert read_span(span)[0][0].run is None  # which run it is, the store says
