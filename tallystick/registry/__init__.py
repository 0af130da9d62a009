"""Room: who runs. Declared objects, what was observed, and where the two differ."""
