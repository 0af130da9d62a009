"""The offline verifier: one small file for each check, and a walk that takes every line to those it concerns."""

from tallystick.proof.verify.inclusion import Trust, checked_notes
from tallystick.proof.verify.judge import Judge
from tallystick.proof.verify.walk import verify

__all__ = ["Judge", "Trust", "checked_notes", "verify"]
