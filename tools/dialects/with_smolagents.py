"""smolagents with OpenInference's instrumentor."""

import sender
from openinference.instrumentation.smolagents import SmolagentsInstrumentor
from smolagents import OpenAIServerModel, ToolCallingAgent, tool

SmolagentsInstrumentor().instrument(tracer_provider=sender.provider())


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city.

    Args:
        city: name of the city
    """
    return sender.get_weather(city)


model = OpenAIServerModel(sender.MODEL, api_base=sender.URL, api_key=sender.KEY)
ToolCallingAgent(tools=[get_weather], model=model, name="weather").run("weather?")
sender.write(
    "smolagents",
    "openinference-instrumentation-smolagents",
    "openai",
    agent="weather",
    tools=[
        {"tool": "get_weather", "arguments": {"city": "Paris"}, "result": "Paris: 21C sunny"},
        {
            "tool": "final_answer",
            "arguments": {"answer": "It is 21C in Paris."},
            "result": "It is 21C in Paris.",
        },
    ],
)
