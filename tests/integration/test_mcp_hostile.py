"""MCP servers that mean harm: every one of them ends in a designed error, in time, and leaves nothing running."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import pytest
from mcp_kit import hostile, web_answering

from tallystick.adapters.mcp_client import Limits, Server, list_tools
from tallystick.model.errors import BadInput, TallystickError, TooLarge, Unreachable
from tallystick.registry.offered import definitions

SMALL = Limits(seconds=20, bytes=2_000_000, line=500_000, pages=20, tools=1_000)


def ask(harm: str, limits: Limits = SMALL) -> TallystickError:
    with pytest.raises(TallystickError) as caught:
        list_tools(Server(hostile(harm)), limits)
    return caught.value


@pytest.mark.parametrize(
    ("harm", "kind", "words"),
    [
        ("line", TooLarge, "a line of more than 500,000 bytes"),
        ("chatter", TooLarge, "more than 2,000,000 bytes"),
        ("pages", TooLarge, "fill more than 20 pages"),
        ("circle", TooLarge, "go round in a circle"),
        ("many", TooLarge, "more than 1,000 tools"),
        ("nonsense", Unreachable, "did not list its tools"),
        ("dies", Unreachable, "did not list its tools"),
    ],
)
def test_a_limit_that_is_broken_is_named(harm: str, kind: type[TallystickError], words: str) -> None:
    error = ask(harm)
    assert type(error) is kind
    assert words in error.message
    assert error.hint


def test_what_it_said_last_on_stderr_helps() -> None:
    assert ask("dies").hint == "its last line on stderr: no config file"


@pytest.mark.parametrize("harm", ["silent", "never"])
def test_a_server_that_never_answers_costs_the_time_it_was_given(harm: str) -> None:
    began = time.monotonic()
    error = ask(harm, Limits(seconds=3))
    assert isinstance(error, Unreachable)
    assert time.monotonic() - began < 15


def test_noise_is_passed_over() -> None:
    assert [one.name for one in list_tools(Server(hostile("noise")), SMALL)] == ["fine"]


def test_a_server_that_stays_is_ended_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    assert [one.name for one in list_tools(Server(hostile("stays", str(note))), SMALL)] == ["fine"]
    for pid in map(int, note.read_text().split()):
        until = time.monotonic() + 10
        while _alive(pid):
            assert time.monotonic() < until, f"process {pid} still runs"
            time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")


def test_names_and_contents_that_mean_harm_are_refused_one_by_one() -> None:
    good, refused = definitions("bad", "x", list_tools(Server(hostile("names")), SMALL))
    assert sorted(good) == ["bad.fine"]
    assert len(refused) == 8
    good, refused = definitions("bad", "x", list_tools(Server(hostile("contents")), SMALL))
    assert sorted(good) == ["bad.fine"]
    why = {one.tool: one.why for one in refused}
    assert "more than 200,000 bytes" in why["large"]
    assert "credential" in why["key"]
    assert "nested deeper" in why["deep"]
    assert "lines that are no messages" in ask("surrogate", Limits(seconds=4)).message


def test_a_web_server_without_end_is_stopped() -> None:
    json_type = {"content-type": "application/json"}
    with (
        web_answering(b" " * 65_536, json_type, times=1_000) as url,
        pytest.raises(TooLarge, match="2,000,000"),
    ):
        list_tools(Server(url=url), SMALL)
    bomb = gzip.compress(b" " * 50_000_000)
    packed = json_type | {"content-encoding": "gzip"}
    with web_answering(bomb, packed) as url, pytest.raises(TooLarge, match="compressed"):
        list_tools(Server(url=url), SMALL)
    events = {"content-type": "text/event-stream"}
    with web_answering(b": ping\n\n", events, times=400_000) as url, pytest.raises(TooLarge):
        list_tools(Server(url=url), SMALL)


def test_what_is_no_server_is_said() -> None:
    with pytest.raises(Unreachable, match="did not list its tools"):
        list_tools(Server(url="http://127.0.0.1:9/mcp"), SMALL)
    with pytest.raises(BadInput, match="cannot be started"):
        list_tools(Server(("/no/such/program",)), SMALL)
    with pytest.raises(BadInput, match="no command"):
        list_tools(Server(), SMALL)
    for url in ("ftp://example.org/x", "http://", "http://[::1", "file:///etc/passwd"):
        with pytest.raises(BadInput, match="not an http address"):
            list_tools(Server(url=url), SMALL)
    with pytest.raises(BadInput, match="plain http"):
        list_tools(Server(url="http://example.org/mcp", token="t"), SMALL)
