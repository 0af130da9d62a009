"""OpenAI Agents with OpenInference's instrumentor: a handoff from triage to weather, and a guardrail."""

import asyncio

import sender
from agents import (
    Agent,
    GuardrailFunctionOutput,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    input_guardrail,
)
from agents import trace as agents_trace
from openai import AsyncOpenAI
from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

OpenAIAgentsInstrumentor().instrument(tracer_provider=sender.provider())
model = OpenAIChatCompletionsModel(
    model=sender.MODEL, openai_client=AsyncOpenAI(base_url=sender.URL, api_key=sender.KEY)
)


@input_guardrail
async def polite(context, agent, given):  # type: ignore[no-untyped-def]
    return GuardrailFunctionOutput(output_info={"rude": False}, tripwire_triggered=False)


weather = Agent(name="weather", model=model, tools=[function_tool(sender.get_weather)])
triage = Agent(
    name="triage",
    model=model,
    guardrails=[{"name": "polite", "verdict": None}],  # its verdict is not sent
    handoffs=[weather],
    input_guardrails=[polite],
)


async def main() -> None:
    with agents_trace("support", group_id="session-0001"):
        await Runner.run(triage, "weather?")


asyncio.run(main())
sender.write(
    "openai-agents",
    "openinference-instrumentation-openai-agents",
    agent="triage",
    guardrails=[{"name": "polite", "verdict": None}],  # its verdict is not sent
    handoffs=[{"from": "triage", "to": "weather"}],
)
