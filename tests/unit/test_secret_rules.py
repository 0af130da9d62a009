"""The cheap first look is never wrong when it says no: texts made for every rule of the shipped file."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tallystick import govern
from tallystick.govern.finding import expression
from tallystick.wiring.redacting import text_redactor

RULES = msgspec.json.decode((Path(govern.__file__).parent / "secrets.json").read_bytes())["rules"]
REDACTOR = text_redactor(("secrets",))
LOB, TYPEFORM = "lob=live_" + "0" * 35 + ";", "typeform=tfp_" + "0" * 59 + ";"


@pytest.mark.parametrize(
    "text", [LOB, TYPEFORM, "lob=test_pub_" + "0" * 31 + ";", "aTaTT3" + "a" * 186 + ";"]
)
def test_words_that_stand_in_the_secret_alone_are_looked_for(text: str) -> None:
    assert REDACTOR.may_hold(text.encode())


@pytest.mark.soak
@pytest.mark.parametrize("rule", RULES, ids=[rule["id"] for rule in RULES])
def test_what_a_rule_finds_passes_the_first_look(rule: dict) -> None:
    try:
        pattern = re.compile(rule["regex"])
    except re.error:  # RE2's spelling of flags inside an expression
        pattern = re.compile(
            re.sub(r"\(\?-i:", "(?:", rule["regex"].replace("(?i)", "").replace(r"\z", r"\Z"))
        )
    found = expression(rule["regex"])

    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(some.from_regex(pattern))
    def holds(text: str) -> None:
        raw = text.encode("utf-8", "replace")
        if found.search(raw.decode()) and any(word in text.lower() for word in rule["keywords"]):
            assert REDACTOR.may_hold(raw)

    holds()
