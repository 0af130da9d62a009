"""Tallystick: the operating layer for AI agents in production."""

__version__ = "0.1.0"
