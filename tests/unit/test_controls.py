"""The control mapping and the page of entries name only what exists, and leave no rule without its gap."""

from __future__ import annotations

import click
import pytest
from test_house import generator

from tallystick.adapters.projections import _KINDS
from tallystick.cli.root import root
from tallystick.config.keys import keys

ROWS = [row for section in generator().controls().values() for row in section["rows"]]
AGENTIC_RISKS = [
    "ASI01 Agent Goal Hijack",
    "ASI02 Tool Misuse and Exploitation",
    "ASI03 Identity and Privilege Abuse",
    "ASI04 Agentic Supply Chain Vulnerabilities",
    "ASI05 Unexpected Code Execution (RCE)",
    "ASI06 Memory & Context Poisoning",
    "ASI07 Insecure Inter-Agent Communication",
    "ASI08 Cascading Failures",
    "ASI09 Human-Agent Trust Exploitation",
    "ASI10 Rogue Agents",
]


def test_the_page_of_entries_has_every_kind_that_a_store_takes_and_no_other() -> None:
    made = generator()
    assert list(made.kinds()) == list(made.fields()["kinds"])
    assert set(made.kinds()) == set(_KINDS)
    for name, (body, _) in made.kinds().items():
        assert body, name
        assert "(" not in body.replace("(approved | rejected)", ""), (name, "a note was taken for a field")


@pytest.mark.parametrize("row", ROWS, ids=[row["ref"] for row in ROWS])
def test_a_rule_is_answered_with_what_exists(row: dict[str, object]) -> None:
    top = click.Context(root, info_name="tally")
    commands = {context.command_path for context, _ in generator().commands(root, top)}
    assert set(row["kinds"]) <= set(_KINDS)
    assert set(row["commands"]) <= commands
    assert set(row["settings"]) <= set(keys())
    for field in ("asks", "gives", "gap"):
        assert str(row[field]).endswith("."), field


def test_the_rules_that_auditors_ask_for_are_there() -> None:
    told = generator().controls()
    assert [row["ref"] for row in told["owasp"]["rows"]] == AGENTIC_RISKS
    articles = " ".join(row["ref"] for row in told["eu-ai-act"]["rows"])
    assert all(f"Article {number}(" in articles for number in (12, 19, 26))
    criteria = " ".join(row["ref"] for row in told["soc2"]["rows"])
    assert all(f"CC{number}." in criteria for number in (6, 7, 8))
    assert (
        "six months"
        in next(row for row in told["eu-ai-act"]["rows"] if row["ref"] == "Article 19(1)")["asks"]
    )
