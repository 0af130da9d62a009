"""Langfuse's SDK: its own observations and its wrapper of the OpenAI client."""

import sender

PROVIDER = sender.provider()
from langfuse import Langfuse, get_client, observe, propagate_attributes  # noqa: E402
from langfuse.openai import OpenAI  # noqa: E402

Langfuse(
    public_key="pk-lf-x",
    secret_key="sk-lf-x",
    base_url="http://127.0.0.1:9",
    tracer_provider=PROVIDER,
    environment="staging",
)
client = OpenAI(base_url=sender.URL, api_key=sender.KEY)
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]


@observe(as_type="tool")
def get_weather(city: str) -> str:
    return sender.get_weather(city)


@observe(name="weather", as_type="agent")
def run(question: str) -> str:
    with propagate_attributes(user_id="u-4711", session_id="session-0001", trace_name="support"):
        messages = [{"role": "user", "content": question}]
        first = client.chat.completions.create(model=sender.MODEL, messages=messages, tools=TOOLS)
        call = first.choices[0].message.tool_calls[0]
        messages.append(first.choices[0].message.model_dump(exclude_none=True))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": get_weather(city="Paris")})
        answer = client.chat.completions.create(model=sender.MODEL, messages=messages, tools=TOOLS)
        with get_client().start_as_current_observation(name="toxicity", as_type="guardrail") as guard:
            guard.update(input=answer.choices[0].message.content, output={"verdict": "pass"})
        with get_client().start_as_current_observation(name="notes", as_type="retriever") as look:
            look.update(input="Paris", output=[{"id": "d1", "score": 0.5, "content": "Paris is a city"}])
        return answer.choices[0].message.content


run("weather?")
sender.write(
    "langfuse",
    "openai",
    agent="weather",
    conversation="session-0001",
    user="u-4711",
    environment="staging",
    documents=[{"id": "d1", "score": 0.5, "content": "Paris is a city"}],
    guardrails=[{"name": "toxicity", "verdict": None, "said": {"verdict": "pass"}}],
)
