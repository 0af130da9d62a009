"""Pydantic AI under Logfire, whose pending spans stand for steps that have begun."""

import logfire
import sender
from logfire._internal.tracer import PendingSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

logfire.configure(
    send_to_logfire=False,
    console=False,
    environment="staging",
    additional_span_processors=[
        sender.processor(),
        PendingSpanProcessor(RandomIdGenerator(), sender.processor()),
    ],
)
logfire.instrument_pydantic_ai()
model = OpenAIChatModel(sender.MODEL, provider=OpenAIProvider(base_url=sender.URL, api_key=sender.KEY))
agent = Agent(model, name="weather", instructions="Answer with the weather.", tools=[sender.get_weather])
with logfire.span("answer {question}", question="weather?"):
    agent.run_sync("weather?", conversation_id="session-0001")
sender.write(
    "logfire",
    "pydantic-ai-slim",
    "openai",
    agent="weather",
    conversation="session-0001",
    environment="staging",
)
