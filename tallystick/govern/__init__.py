"""Room: was it allowed. Cedar policies, their generated schema, and the decision on one tool call."""
