"""Was it good: statistics so far."""
