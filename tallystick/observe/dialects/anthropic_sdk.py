"""The Anthropic client's built-in tracing: canonical names, on by default, beside whatever instrumentor is
installed."""

from __future__ import annotations

from typing import Final

from tallystick.observe.dialects.dialect import Dialect

DIALECT: Final = Dialect(name="anthropic_sdk", scopes=("com.anthropic.sdk.*",))
