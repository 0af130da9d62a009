"""Shipped test kit: a settable clock, countable ids, in-memory stores and a scripted model server."""
