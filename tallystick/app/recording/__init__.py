"""Recording: spans in, redacted, priced and committed, and what they say indexed."""
