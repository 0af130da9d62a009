"""MLflow: its autologging of the OpenAI client, and its own decorator, sent on as OpenTelemetry."""

import os

import sender

# With an endpoint, MLflow prepares its spans for OTLP; nobody listens there, a processor of ours keeps them.
os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = "http://127.0.0.1:9/v1/traces"
os.environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "http/protobuf"
os.environ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"] = "1"
import mlflow  # noqa: E402
from mlflow.entities import SpanType  # noqa: E402
from mlflow.tracing.provider import provider  # noqa: E402
from openai import OpenAI  # noqa: E402

provider.get_or_init_tracer("desk")
provider.get().add_span_processor(sender.processor())
mlflow.openai.autolog()
client = OpenAI(base_url=sender.URL, api_key=sender.KEY)
TOOLS = [
    {
        "type": "function",
        "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
    }
]


@mlflow.trace(span_type=SpanType.TOOL)
def get_weather(city: str) -> str:
    return sender.get_weather(city)


@mlflow.trace(name="weather", span_type=SpanType.AGENT)
def run(question: str) -> str:
    mlflow.update_current_trace(
        metadata={"mlflow.trace.user": "u-4711", "mlflow.trace.session": "session-0001"}
    )
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


run("weather?")
sender.write(
    "mlflow-tracing",
    "openai",
    agent="weather",
    conversation="session-0001",
    user="u-4711",
    missing={
        "conversation": "its own exporter adds it to the root",
        "user": "its own exporter adds it to the root",
    },
)
