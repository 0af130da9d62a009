"""A page of cost, on the command line and in the browser: how many rows there are, and how to see the next ones."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from cli_parts import FakeParts, call
from test_web_pages import client_of
from web_fake import FakeReader

from tallystick.web import cost as page


def test_the_command_says_what_it_left_out_and_how_to_go_on(tmp_path: Path) -> None:
    parts = FakeParts(tmp_path)
    result = call(parts, "cost", "--by", "run", "--limit", "1", "--after", "1")
    assert result.exception is None
    assert "1 of 3 rows; next page: --after 2" in result.stderr
    told = json.loads(call(parts, "cost", "--by", "run", "--limit", "1", "--after", "1", "--json").stdout)
    assert (told["total"], told["more"]) == (3, 2)
    assert "next page" not in call(parts, "cost").stderr


@pytest.mark.parametrize("wrong", ["--limit=0", "--limit=1001", "--after=-1"])
def test_a_page_that_cannot_be_is_refused(tmp_path: Path, wrong: str) -> None:
    assert isinstance(call(FakeParts(tmp_path), "cost", wrong).exception, click.UsageError)


def test_the_page_leads_on_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = FakeReader()
    whole = reader.cost
    monkeypatch.setattr(
        reader, "cost", lambda by, query="", *, limit=100, after=0: whole(by, query, limit=2, after=after)
    )
    with client_of(reader) as client:
        first = client.get("/cost?by=run").text
        assert "1 to 2 of 4" in first
        assert 'href="/cost?by=run&amp;after=2"' in first
        last = client.get("/cost?by=run&after=2").text
        assert "3 to 4 of 4" in last
        assert "Dearest" in last
        assert "after=4" not in last
        beyond = client.get("/cost?by=run&after=9").text
        assert "There are no more rows" in beyond
        for wrong in ("x", "-1", "1.5", "٣", "9" * 40):
            assert client.get("/cost", params={"by": "run", "after": wrong}).status_code == 400


def test_what_is_not_on_the_page_is_in_the_rest() -> None:
    rows = [{"cost_known_nano_usd": amount} for amount in (50, 40, 30, 20, 10, 5)]
    assert page._shares(rows, 1_000)[-1] == ("rest", 850)
    assert page._shares(rows[:2], 90)[-1] == ("rest", 0)
