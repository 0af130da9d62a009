"""The embedded stores: one SQLite file for traces, one for the control plane."""
