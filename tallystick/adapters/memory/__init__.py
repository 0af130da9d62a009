"""Stores that live in one process, for tests and short-lived programs."""
