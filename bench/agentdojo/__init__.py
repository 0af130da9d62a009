"""AgentDojo without a model: what a fully compromised agent gets done past the guard, and what people are asked."""
