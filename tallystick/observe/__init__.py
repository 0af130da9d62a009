"""Room: what did they do. Spans in, steps and runs out; every function is pure."""
