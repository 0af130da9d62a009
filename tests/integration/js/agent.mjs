// An agent as OpenTelemetry's SDK for JavaScript records it: an agent, two model calls, a tool, in gen_ai names.
// Usage: node agent.mjs json|protobuf ENDPOINT
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const [encoding, url] = process.argv.slice(2);
const Exporter = encoding === "json" ? JsonExporter : ProtobufExporter;
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "js-desk", "deployment.environment.name": "staging" }),
  spanProcessors: [new BatchSpanProcessor(new Exporter({ url }))],
});
provider.register();
const tracer = trace.getTracer("js-desk", "1.0");

const asked = [{ role: "user", parts: [{ type: "text", content: "weather in Zürich? 🌤" }] }];
const call = { type: "tool_call", id: "call_js_000001", name: "get_weather", arguments: { city: "Zürich" } };
const answered = { type: "tool_call_response", id: "call_js_000001", response: "21C sunny" };

function modelCall(messages, output, input, cached) {
  return tracer.startActiveSpan("chat gpt-4o", { kind: SpanKind.CLIENT }, async (span) => {
    span.setAttributes({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-4o",
      "gen_ai.response.model": "gpt-4o-2024-08-06",
      "gen_ai.response.finish_reasons": ["stop"],
      "gen_ai.usage.input_tokens": input,
      "gen_ai.usage.cache_read.input_tokens": cached,
      "gen_ai.usage.output_tokens": 20,
      "gen_ai.input.messages": JSON.stringify(messages),
      "gen_ai.output.messages": JSON.stringify([output]),
    });
    await new Promise((done) => setTimeout(done, 5));
    span.end();
  });
}

async function weather() {
  await tracer.startActiveSpan("execute_tool get_weather", async (span) => {
    span.setAttributes({
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": "get_weather",
      "gen_ai.tool.call.id": "call_js_000001",
      "gen_ai.tool.call.arguments": JSON.stringify(call.arguments),
      "gen_ai.tool.call.result": "21C sunny",
    });
    await new Promise((done) => setTimeout(done, 5));
    span.end();
  });
  await tracer.startActiveSpan("execute_tool save", async (span) => {
    span.setAttributes({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "save" });
    span.recordException(new TypeError("disk is full"));
    span.setStatus({ code: SpanStatusCode.ERROR, message: "disk is full" });
    span.end();
  });
}

await tracer.startActiveSpan("invoke_agent desk", async (span) => {
  span.setAttributes({
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.agent.name": "js-desk",
    "gen_ai.agent.version": "2.0.1",
    "gen_ai.conversation.id": `conversation-${encoding}`,
    "user.id": "user-17",
  });
  await modelCall(asked, { role: "assistant", parts: [call] }, 100, 40);
  await weather();
  await modelCall([...asked, { role: "tool", parts: [answered] }],
    { role: "assistant", parts: [{ type: "text", content: "It is 21C in Zürich." }] }, 150, 100);
  span.end();
  console.log(span.spanContext().traceId);
});
await provider.forceFlush();
await provider.shutdown();
