"""Door: the ``tally`` command, one file a noun."""
