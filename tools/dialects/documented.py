"""Conformance fixtures for what could not be run here, written from the documented attribute names.

    python tools/dialects/documented.py

The names are those of the conventions and of each library's own list of constants (LiveKit Agents 1.x trace_types.py,
Genkit's tracing documentation, Haystack 2.x tracing); the truth files say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parents[2] / "tests" / "golden" / "dialects"
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALL = "call_documented_1"
TOOL = {"tool": "get_weather", "arguments": {"city": "Paris"}, "result": "Paris: 21C sunny"}


def attribute(key: str, value: Any) -> dict[str, Any]:
    """One attribute in OTLP/JSON; lists and objects become JSON text, as the libraries send them."""
    if isinstance(value, bool):
        return {"key": key, "value": {"boolValue": value}}
    if isinstance(value, int):
        return {"key": key, "value": {"intValue": str(value)}}
    text = value if isinstance(value, str) else json.dumps(value)
    return {"key": key, "value": {"stringValue": text}}


class Book:
    """Spans of one trace, a millisecond each, in order."""

    def __init__(self, name: str, scope: str) -> None:
        self.name, self.scope, self.spans = name, scope, list[dict[str, Any]]()

    def add(
        self, name: str, parent: str | None = None, events: Any = (), status: int = 0, **attributes: Any
    ) -> str:
        """One span; dots in keys are written as two underscores. The id is returned."""
        at = 1_700_000_000_000_000_000 + len(self.spans) * 1_000_000
        span = f"{len(self.spans) + 1:016x}"
        made: dict[str, Any] = {
            "traceId": TRACE,
            "spanId": span,
            "name": name,
            "kind": 1,
            "startTimeUnixNano": str(at),
            "endTimeUnixNano": str(at + 900_000),
            "attributes": [attribute(key.replace("__", "."), value) for key, value in attributes.items()],
            "events": [
                {
                    "name": event,
                    "timeUnixNano": str(at),
                    "attributes": [attribute(*one) for one in told.items()],
                }
                for event, told in events
            ],
            "status": {"code": status},
        }
        if parent is not None:
            made["parentSpanId"] = parent
        self.spans.append(made)
        return span

    def write(self, **truth: Any) -> None:
        """The two files."""
        scope = {"scope": {"name": self.scope, "version": "0"}, "spans": self.spans}
        document = {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [scope]}]}
        (OUT / f"{self.name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False))
        told = {"source": "from documentation", "versions": {}, **truth}
        (OUT / f"{self.name}.truth.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def livekit() -> None:
    """A voice session: one turn with a tool."""
    book = Book("livekit", "livekit-agents")
    root = book.add(
        "agent_session", lk__agent_name="weather", lk__room_sid="RM_documented1", lk__agent_label="w"
    )
    turn = book.add("agent_turn", root, lk__speech_id="speech_1", lk__generation_id="g1")
    said = {"items": [{"type": "message", "role": "user", "content": ["weather?"]}]}
    tokens = {"gen_ai__usage__input_tokens": 29, "gen_ai__usage__output_tokens": 14}
    node = book.add("llm_node", turn, lk__pii__chat_ctx=said, gen_ai__request__model="gpt-4o-mini")
    request = {"gen_ai__operation__name": "chat", "gen_ai__provider__name": "openai", **tokens}
    book.add("llm_request", node, gen_ai__request__model="gpt-4o-mini", lk__pii__chat_ctx=said, **request)
    tool = {"lk__function_tool__name": "get_weather", "lk__function_tool__id": CALL}
    told = {
        "lk__pii__function_tool__arguments": TOOL["arguments"],
        "lk__pii__function_tool__output": TOOL["result"],
    }
    book.add("function_tool", turn, lk__function_tool__is_error=False, **tool, **told)
    book.write(
        agent="weather", conversation="RM_documented1", tools=[TOOL], models=[{"input": 29, "output": 14}]
    )


def genkit() -> None:
    """A flow with a model and a tool."""
    book = Book("genkit", "genkit-tracer")
    flow = {"genkit__type": "flow", "genkit__name": "weather"}
    root = book.add("weather", **{key.replace("__", ":"): value for key, value in flow.items()})
    asked = {"messages": [{"role": "user", "content": [{"text": "weather?"}]}], "config": {"temperature": 0}}
    call = {"toolRequest": {"ref": CALL, "name": "get_weather", "input": TOOL["arguments"]}}
    usage = {"inputTokens": 29, "outputTokens": 14, "thoughtsTokens": 7}
    answer = {"message": {"role": "model", "content": [call]}, "usage": usage}
    book.add(
        "googleai/gemini-2.5-flash",
        root,
        **{
            "genkit:type": "action",
            "genkit:metadata:subtype": "model",
            "genkit:name": "googleai/gemini-2.5-flash",
            "genkit:input": asked,
            "genkit:output": answer,
        },
    )
    book.add(
        "get_weather",
        root,
        **{
            "genkit:type": "action",
            "genkit:metadata:subtype": "tool",
            "genkit:name": "get_weather",
            "genkit:input": TOOL["arguments"],
            "genkit:output": json.dumps(TOOL["result"]),
        },
    )
    models = [{"input": 29, "output": 14, "reasoning": 7}]
    book.write(workflow="weather", tools=[TOOL], models=models)


def haystack() -> None:
    """An unknown vocabulary: kept, and shown as it is."""
    book = Book("haystack", "haystack")
    root = book.add("haystack.agent.run", haystack__agent__max_steps=100, haystack__agent__tools="[]")
    book.add("haystack.component.run", root, haystack__component__type="OpenAIChatGenerator")
    missing = {"models": "its tracer has no words for tokens, calls or tools", "tools": "the same"}
    book.write(tools=[], models=[], missing=missing, spans=2)


def calls(book: Book, root: str) -> None:
    """A refused call, its retry, a tool, and a call that keeps its messages in an event."""
    chat = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "gpt-4o-mini"}
    old = {
        "gen_ai__system": "openai",
        "gen_ai__usage__prompt_tokens": 29,
        "gen_ai__usage__completion_tokens": 14,
    }
    call = {
        "id": CALL,
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
    }
    said = [
        ("gen_ai.system.message", {"content": "Be brief."}),
        ("gen_ai.user.message", {"content": "weather?"}),
        (
            "gen_ai.choice",
            {"message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "tool_calls"},
        ),
    ]
    book.add("chat old", root, events=said, error__type="429", status=2, **chat)
    again = {"tallystick__retry__attempt": 2, "tallystick__retry__cause": "429"}
    book.add("chat old", root, events=said, **chat, **old, **again)
    tool = {"gen_ai__operation__name": "execute_tool", "gen_ai__tool__name": "get_weather"}
    told = {"gen_ai__tool__call__arguments": TOOL["arguments"], "gen_ai__tool__call__result": TOOL["result"]}
    book.add("execute_tool get_weather", root, gen_ai__tool__call__id=CALL, **tool, **told)
    parts = [
        {"type": "reasoning", "content": "21C is warm"},
        {"type": "text", "content": "It is 21C in Paris."},
    ]
    details = {"gen_ai.output.messages": [{"role": "assistant", "parts": parts}]}
    events = [("gen_ai.client.inference.operation.details", details)]
    new = {
        "gen_ai__provider__name": "openai",
        "gen_ai__usage__input_tokens": 46,
        "gen_ai__usage__output_tokens": 12,
    }
    more = {"gen_ai__usage__cache_write__input_tokens": 4, "gen_ai__usage__reasoning__output_tokens": 7}
    book.add("chat new", root, events=events, http__request__resend_count=1, **chat, **new, **more)


def story() -> None:
    """Each kind of step by the canonical names, and by those that came before them."""
    book = Book("canonical", "desk")
    who = {"gen_ai__conversation__id": "session-0001", "user__id": "u-4711"}
    root = book.add(
        "invoke_agent desk", gen_ai__operation__name="invoke_agent", gen_ai__agent__name="desk", **who
    )
    book.add("plan", root, gen_ai__operation__name="plan", tallystick__plan=["look up", "answer"])
    documents = [{"id": "d1", "score": 0.5, "content": "Paris is a city"}]
    looked = {"gen_ai__operation__name": "retrieval", "gen_ai__retrieval__query__text": "Paris"}
    book.add("retrieval notes", root, gen_ai__retrieval__documents=documents, **looked)
    memory = {"gen_ai__operation__name": "search_memory", "gen_ai__memory__query__text": "last city"}
    book.add("search_memory", root, gen_ai__memory__records=[{"id": "m1", "content": "Paris"}], **memory)
    guard = {"gen_ai__operation__name": "run_guardrail", "gen_ai__guardrail__name": "polite"}
    book.add("run_guardrail polite", root, gen_ai__guardrail__decision="pass", **guard)
    book.add(
        "run_guardrail secret",
        root,
        gen_ai__operation__name="run_guardrail",
        gen_ai__guardrail__triggered=True,
    )
    handed = {"tallystick__handoff__from": "desk", "tallystick__handoff__to": "refunds"}
    why = {"tallystick__handoff__reason": "money", "tallystick__handoff__payload": {"order": 7}}
    book.add("handoff", root, gen_ai__operation__name="handoff", **handed, **why)
    calls(book, root)
    book.write(
        agent="desk",
        conversation="session-0001",
        user="u-4711",
        tools=[TOOL],
        models=[{}, {"input": 29, "output": 14}, {"input": 46, "output": 12, "reasoning": 7}],
        handoffs=[{"from": "desk", "to": "refunds", "reason": "money", "payload": {"order": 7}}],
        documents=[documents[0], {"id": "m1", "content": "Paris"}],
        guardrails=[
            {"name": "polite", "verdict": "allow"},
            {"name": "run_guardrail secret", "verdict": "deny"},
        ],
        retries=[{"attempt": 2, "cause": "429"}, {"attempt": 2, "cause": None}],
        reasoning=["21C is warm"],
        plan=["look up", "answer"],
        output="It is 21C in Paris.",
    )


if __name__ == "__main__":
    livekit()
    genkit()
    haystack()
    story()
