"""Contracts on what comes back: the shape of results, what may not stand in them, and what an answer must rest on."""
