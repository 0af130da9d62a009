"""Keys: one table of settings from which validation, documentation and samples are made."""

from tallystick.config.settings import Settings, load

__all__ = ["Settings", "load"]
