"""Registry: what is declared and what was seen, planned, accepted, promoted and asked about."""
