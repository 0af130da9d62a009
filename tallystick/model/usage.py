"""Tokens a model call used. ``None`` is unknown and is never read as zero."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts in the sense of OpenTelemetry's GenAI conventions.

    ``input_tokens`` includes the cached ones, ``output_tokens`` includes the reasoning ones.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None

    def as_json(self) -> dict[str, int | None]:
        """The five counts by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


NO_USAGE = Usage()
