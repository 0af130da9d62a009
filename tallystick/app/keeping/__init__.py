"""Keeping: how long runs stay and where, what is erased, and what goes out as files."""
