"""Google's Agent Development Kit, with LiteLLM as its client."""

import asyncio
import os

import sender

sender.provider()
os.environ["ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS"] = "true"
os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_AND_EVENT"
os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
from google.adk.agents import LlmAgent  # noqa: E402
from google.adk.models.lite_llm import LiteLlm  # noqa: E402
from google.adk.runners import InMemoryRunner  # noqa: E402
from google.genai import types  # noqa: E402

agent = LlmAgent(
    name="weather",
    model=LiteLlm(model=f"openai/{sender.MODEL}", api_base=sender.URL, api_key=sender.KEY),
    instruction="Answer with the weather.",
    tools=[sender.get_weather],
)


async def main() -> None:
    runner = InMemoryRunner(agent, app_name="desk")
    await runner.session_service.create_session(app_name="desk", user_id="u-4711", session_id="session-0001")
    message = types.Content(role="user", parts=[types.Part(text="weather?")])
    async for _ in runner.run_async(user_id="u-4711", session_id="session-0001", new_message=message):
        pass


asyncio.run(main())
sender.write(
    "google-adk",
    "litellm",
    agent="weather",
    conversation="session-0001",
    user="u-4711",
    missing={
        "output tokens": "it adds reasoning tokens to completions that count them already, as LiteLLM's do",
        "user": "it sends no user id",
    },
    tools=[{"tool": "get_weather", "arguments": {"city": "Paris"}, "result": {"result": "Paris: 21C sunny"}}],
)
