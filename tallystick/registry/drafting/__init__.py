"""Drafts of tools/NAME.toml from what tools say of themselves, for a person to read and complete. Pure."""
