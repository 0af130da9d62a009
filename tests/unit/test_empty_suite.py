"""A suite without a case tests nothing, and must not count as one where readiness asks for a suite."""

from __future__ import annotations

import pytest

from tallystick.model.errors import ConfigError
from tallystick.registry.text_files import suite_from


@pytest.mark.parametrize("content", ["", "\n", "  \r\n\n"])
def test_a_suite_without_a_case_is_refused(content: str) -> None:
    with pytest.raises(ConfigError, match="no case"):
        suite_from("refunds", "evals/refunds.jsonl", content)
