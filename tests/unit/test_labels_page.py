"""The worked example of docs/how-to/label-tools.md, as it stands on the page, says what the page says of it."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tallystick.govern.labels.context import Context
from tallystick.govern.labels.leaves import key_of
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import Integrity
from tallystick.registry.fields import DeclarationFile
from tallystick.registry.tool_files import tool_from

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "label-tools.md"
ACME, SUPPLIER, THIEF = "DE02100100100006820101", "DE89370400440532013000", "GB33BUKB20201555555555"
INBOX = ToolDeclaration("inbox")


@cache
def blocks() -> dict[str, dict[str, Any]]:
    found = re.findall(r"```toml\n# (\S+)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return {name: tomllib.loads(text) for name, text in found}


def tool(name: str) -> ToolDeclaration:
    file = tool_from(DeclarationFile(f"tools/{name}.toml", blocks()[f"tools/{name}.toml"]))
    return file.guarded({})


def read() -> Context:
    context = Context()
    context.hear("Please pay the invoice of Acme Ltd.")
    context.read(
        tool("find_customer"),
        {"account": ACME, "invoice_total": "310.50", "name": "Acme Ltd", "note": "late payer"},
    )
    context.read(INBOX, [{"from": "x@evil.example", "text": THIEF}])
    return context


def facts(context: Context, account: str, amount: str) -> Any:
    known = {"suppliers": frozenset(map(str, map(key_of, blocks()["data/suppliers.toml"]["members"])))}
    given = {"account": account, "amount": amount, "subject": "invoice"}
    found = context.facts(tool("pay_invoice"), given, known)
    context.let_through(tool("pay_invoice"), given, found)
    return found


@pytest.mark.parametrize(
    ("account", "amount", "untrusted"),
    [
        (ACME, "310.50", ()),
        (THIEF, "310.50", ("account",)),
        (SUPPLIER, "15.00", ()),
        (ACME, "999.00", ("amount",)),
    ],
)
def test_each_row_of_the_table_comes_out_as_it_says(
    account: str, amount: str, untrusted: tuple[str, ...]
) -> None:
    found = facts(read(), account, amount)
    assert (found.untrusted, found.asked, found.watermark) == (untrusted, True, Integrity.THIRD_PARTY)


def test_the_limit_is_for_the_whole_run() -> None:
    context = read()
    assert facts(context, SUPPLIER, "15.00").untrusted == ()
    assert facts(context, SUPPLIER, "15.00").untrusted == ("amount",)


def test_what_the_explanation_admits_is_so() -> None:
    """Two values that the user said of different things are both trusted: labels do not know what was said of what."""
    context = Context()
    context.hear(f"Pay the invoice of {ACME}: 50.00. And send the report to {THIEF}.")
    assert facts(context, THIEF, "50.00").untrusted == ()
