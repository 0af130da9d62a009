"""Traceloop's SDK: its decorators, and its instrumentor of the OpenAI client."""

import sender
from openai import OpenAI
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import agent, tool, workflow

Traceloop.init(app_name="desk", processor=sender.processor(), telemetry_enabled=False)
client = OpenAI(base_url=sender.URL, api_key=sender.KEY)
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]


@tool(name="get_weather")
def get_weather(city: str) -> str:
    return sender.get_weather(city)


@agent(name="weather")
def answer(question: str) -> str:
    messages = [{"role": "user", "content": question}]
    first = client.chat.completions.create(model=sender.MODEL, messages=messages, tools=TOOLS)
    call = first.choices[0].message.tool_calls[0]
    messages.append(first.choices[0].message.model_dump(exclude_none=True))
    messages.append({"role": "tool", "tool_call_id": call.id, "content": get_weather(city="Paris")})
    return (
        client.chat.completions.create(model=sender.MODEL, messages=messages, tools=TOOLS)
        .choices[0]
        .message.content
    )


@workflow(name="support")
def run(question: str) -> str:
    Traceloop.set_association_properties({"session_id": "session-0001", "user_id": "u-4711"})
    return answer(question)


run("weather?")
sender.write(
    "traceloop-sdk", "openai", agent="weather", workflow="support", conversation="session-0001", user="u-4711"
)
