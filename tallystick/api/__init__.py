"""Door: OTLP, JSON and server-sent events over HTTP."""
