"""Drains: the outside things behind the ports (stores, clock, ids)."""
