"""Keys: one table of settings from which validation, documentation and samples are made."""
