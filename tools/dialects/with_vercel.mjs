// A Vercel AI SDK agent with a tool against a scripted model, its spans written as OTLP JSON.
// Usage: node with_vercel.mjs v7|legacy|v6 MODEL_URL FILE [stream]
import { writeFileSync } from "node:fs";
import { JsonTraceSerializer } from "@opentelemetry/otlp-transformer";
import { InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import * as ai from "ai";
import { z } from "zod";

const [mode, baseURL, file, stream] = process.argv.slice(2);
const memory = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(memory)] });
provider.register();
if (mode !== "v6") {
  const otel = await import("@ai-sdk/otel");
  ai.registerTelemetry(mode === "v7" ? new otel.OpenTelemetry() : new otel.LegacyOpenTelemetry());
}
const model = createOpenAICompatible({ name: "scripted", baseURL, apiKey: "none", includeUsage: true })("mock-weather");
const telemetry = { isEnabled: true, functionId: "weather", metadata: { sessionId: "session-vercel-1", userId: "user-17" } };
const options = {
  model,
  [mode === "v6" ? "experimental_telemetry" : "telemetry"]: telemetry,
  system: "Answer questions about the weather.",
  prompt: "weather?",
  stopWhen: ai.stepCountIs ? ai.stepCountIs(5) : ai.isStepCount(5),
  tools: {
    get_weather: ai.tool({
      description: "The weather in a city", inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => `${city}: 21C sunny`,
    }),
  },
};
if (stream) await ai.streamText(options).text;
else await ai.generateText(options);
await provider.forceFlush();
writeFileSync(file, JsonTraceSerializer.serializeRequest(memory.getFinishedSpans()));
