"""Detectors: signs in what a run reads that somebody wants to lead it. They are evidence; they never decide alone."""
