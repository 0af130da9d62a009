"""Strands Agents: canonical names, messages as span events."""

import sender

sender.provider()
from strands import Agent, tool  # noqa: E402
from strands.models.openai import OpenAIModel  # noqa: E402

model = OpenAIModel(client_args={"base_url": sender.URL, "api_key": sender.KEY}, model_id=sender.MODEL)
agent = Agent(
    model=model,
    name="weather",
    system_prompt="Answer with the weather.",
    tools=[tool(sender.get_weather)],
    trace_attributes={"session.id": "session-0001", "user.id": "u-4711"},
    callback_handler=None,
)
agent("weather?")
sender.write("strands-agents", "openai", agent="weather", conversation="session-0001", user="u-4711")
