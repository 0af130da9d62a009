"""/events: ids, resume, resync, heartbeat, bounded queues, and silence of the store while nobody listens."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from server_double import Serving

from tallystick.api.events import MOST_BEHIND, _Client, resync
from tallystick.api.settings import ServerSettings
from tallystick.ports import Change

QUICK = ServerSettings(poll_s=0.02, heartbeat_s=0.15)


class Listener:
    """A browser's end of /events: raw lines, so that ids, comments and the end of the stream are seen."""

    def __init__(self, serving: Serving, last: int | None = None, query: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", serving.port), timeout=10)
        seen = f"Last-Event-ID: {last}\r\n" if last is not None else ""
        self._socket.sendall(f"GET /events{query} HTTP/1.1\r\nHost: localhost\r\n{seen}\r\n".encode())
        self._file = self._socket.makefile("rb")
        self.head = b""
        while (line := self._file.readline()) not in (b"\r\n", b""):
            self.head += line.lower()
        self._rest = b""

    def blocks(self, until: Callable[[dict[str, str]], bool]) -> list[dict[str, str]]:
        """Events (and comments, under the key "comment") up to the first that ``until`` likes."""
        found: list[dict[str, str]] = []
        while True:
            while b"\n\n" in self._rest:
                block, _, self._rest = self._rest.partition(b"\n\n")
                event = self._parse(block.decode())
                if event.get("event") == "approvals":  # it tells of no change of the store
                    continue
                found.append(event)
                if until(event):
                    return found
            size = self._file.readline().strip()
            assert size, f"the stream ended after {found}"
            chunk = self._file.read(int(size, 16))
            self._file.readline()
            if not chunk:
                found.append({"ended": "yes"})
                return found
            self._rest += chunk

    @staticmethod
    def _parse(block: str) -> dict[str, str]:
        event: dict[str, str] = {}
        for line in block.split("\n"):
            key, _, value = line.partition(": ")
            event[key or "comment"] = value
        if line.startswith(":"):
            event = {"comment": line[1:].strip()}
        return event

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def named(name: str) -> Callable[[dict[str, str]], bool]:
    return lambda event: event.get("event") == name


def wait(until: Callable[[], Any]) -> None:
    end = time.monotonic() + 10
    while not until():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_changes_arrive_with_ids_and_the_stream_is_not_buffered(tmp_path: Path) -> None:
    with Serving(tmp_path, QUICK) as serving:
        serving.reader.changes = [Change(7, "a" * 32)]
        listener = Listener(serving)
        assert b"200 ok" in listener.head
        assert b"x-accel-buffering: no" in listener.head
        assert b"content-type: text/event-stream" in listener.head
        start = listener.blocks(named("cursor"))[-1]
        assert (start["id"], json.loads(start["data"])) == ("7", {"cursor": 7})
        serving.reader.changes += [Change(8, "b" * 32), Change(9, 'c"\n\ndata: forged')]
        events = [
            event for event in listener.blocks(lambda event: event.get("id") == "9") if "event" in event
        ]
        assert [(event["event"], event["id"]) for event in events] == [("change", "8"), ("change", "9")]
        assert json.loads(events[1]["data"]) == {"cursor": 9, "run": 'c"\n\ndata: forged'}
        listener.close()


def test_a_client_that_comes_back_gets_what_it_missed(tmp_path: Path) -> None:
    with Serving(tmp_path, QUICK) as serving:
        serving.reader.changes = [Change(number, f"{number:032x}") for number in range(1, 1300)]
        for listener in (Listener(serving, last=100), Listener(serving, query="?after=100")):
            events = [
                event
                for event in listener.blocks(lambda event: event.get("id") == "1299")
                if "event" in event
            ]
            assert [int(event["id"]) for event in events] == list(range(101, 1300))
            listener.close()


def test_one_run_is_followed_and_the_cursor_goes_on_with_the_others(tmp_path: Path) -> None:
    with Serving(tmp_path, QUICK) as serving:
        own = serving.reader.runs()["runs"][0]["run"]
        serving.reader.changes = [
            Change(number, own if number % 3 == 0 else "b" * 32) for number in range(1, 9)
        ]
        listener = Listener(serving, query=f"?run={own}&after=1")
        told = listener.blocks(lambda event: event.get("id") == "8")
        assert [event["id"] for event in told if event.get("event") == "change"] == ["3", "6"]
        serving.reader.changes += [Change(9, "b" * 32), Change(10, own), Change(11, "b" * 32)]
        told = listener.blocks(lambda event: event.get("id") == "11")
        assert [event["id"] for event in told if event.get("event") == "change"] == ["10"]
        assert told[-1]["event"] == "cursor"  # who comes back is not asked to read what was left out
        listener.close()


def test_a_client_too_far_back_or_of_another_store_reads_anew(tmp_path: Path) -> None:
    with Serving(tmp_path, QUICK) as serving:
        serving.reader.changes = [Change(MOST_BEHIND + 10, "a" * 32)]
        for last in (1, MOST_BEHIND + 11):
            listener = Listener(serving, last=last)
            event = listener.blocks(named("resync"))[-1]
            assert event["id"] == str(MOST_BEHIND + 10)
            listener.close()


def test_a_quiet_stream_beats_and_an_empty_store_is_no_error(tmp_path: Path) -> None:
    with Serving(tmp_path, QUICK) as serving:
        listener = Listener(serving)
        assert listener.blocks(named("cursor"))[-1]["id"] == "0"
        listener.blocks(lambda event: event.get("comment") == "heartbeat")
        serving.reader.changes = [Change(1, "a" * 32)]
        assert listener.blocks(named("change"))[-1]["id"] == "1"
        listener.close()


def test_the_store_is_asked_only_while_somebody_listens(tmp_path: Path) -> None:
    with Serving(tmp_path, QUICK) as serving:
        assert serving.reader.asked == 0
        listeners = [Listener(serving), Listener(serving)]
        wait(lambda: serving.app.events.clients == 2)
        asked = serving.reader.asked
        wait(lambda: serving.reader.asked > asked + 3)
        for listener in listeners:
            listener.close()
        wait(lambda: serving.app.events.clients == 0)
        wait(lambda: not serving.app.events.polling)
        asked = serving.reader.asked
        time.sleep(0.1)
        assert serving.reader.asked == asked
        again = Listener(serving)
        serving.reader.changes = [Change(3, "a" * 32)]
        again.blocks(lambda event: event.get("id") == "3")
        again.close()


def test_stopping_ends_the_streams(tmp_path: Path) -> None:
    with Serving(tmp_path, replace(QUICK, heartbeat_s=30)) as serving:
        listener = Listener(serving)
        listener.blocks(named("cursor"))
        wait(lambda: serving.app.events.clients == 1)
        started = time.monotonic()
    assert time.monotonic() - started < 5
    assert listener.blocks(named("never"))[-1] == {"ended": "yes"}
    listener.close()


def test_a_slow_client_is_bounded_and_told_to_read_anew() -> None:
    client = _Client(bound=1_000)
    for number in range(50):
        client.put(b"x" * 90, number)
        assert client.size <= 1_000
    assert resync(44) in client.take()
    assert (client.take(), client.size, client.ready.is_set()) == (b"", 0, False)
