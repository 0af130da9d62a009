"""What travels with a call, and what a process makes of it: a claim joins telemetry and carries no rights."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import context as otel_context
from sdk_kit import Collector, recording_into

import tallystick
from tallystick.model.span import Span
from tallystick.observe.completeness import judge
from tallystick.observe.normalise import read_span
from tallystick.observe.summary import Tally, add, note_parents
from tallystick.sdk import propagation

RUN = "ab" * 16
PARENT = f"00-{'cd' * 16}-{'ef' * 8}-01"
"""A trace context of another process."""
