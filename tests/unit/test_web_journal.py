"""The journal's page, the lamps and the evidence to take away, without a browser."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from test_web_pages import Client, Scan, client_of
from web_fake import FakeEvidence, FakeJournal, FakeReader
from web_journal_world import journal_state

from tallystick.model.errors import StoreFault, UnknownThing
from tallystick.web import lamps
from tallystick.web.proof import file_name
from tallystick.web.stream import sent

BROKEN = "entry 7 was changed"


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader(runs=12)


@pytest.fixture
def journal(reader: FakeReader) -> FakeJournal:
    return FakeJournal(reader)


@pytest.fixture
def evidence() -> FakeEvidence:
    return FakeEvidence()


@pytest.fixture
def client(reader: FakeReader, journal: FakeJournal, evidence: FakeEvidence) -> Iterator[Client]:
    with client_of(reader, journal, evidence) as client:
        yield client


def lights(html: str) -> dict[str, str]:
    return {name: light for light, name in re.findall(r'class="lamp lamp-(\w+)" data-lamp="(\w+)"', html)}


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_page_tells_who_vouches_and_how_to_repeat_the_check(client: Client, journal: FakeJournal) -> None:
    page = client.get("/journal").text
    assert lights(page) == {"integrity": "off", "completeness": "off"}
    for expected in (
        journal.told["root"], journal.told["origin"], journal.told["key"], "120 entries",
        "3 since the newest checkpoint", "witness.local", "this operation", "somebody outside",
        "the witness does not answer", "file:/mnt/worm/checkpoints",
        "no such folder", "tally journal verify --store here", f"tally verify FILE --key {journal.told['key']}",
    ):  # fmt: skip
        assert expected in words(page), expected
    assert f'data-copy="{journal.told["key"]}"' in page
    told = client.get("/journal.json").json()
    assert {**told, "entries": []} == {**journal.told, "entries": []}
    assert [entry["seq"] for entry in told["entries"]] == list(range(120, 90, -1))


def test_entries_are_paged_and_lead_to_their_runs(client: Client, reader: FakeReader) -> None:
    run = reader.runs()["runs"][0]["run"]
    seen: list[str] = []
    address: str | None = "/journal"
    while address:
        page = client.get(address).text
        seen += re.findall(r'<td class="num">(\d+)</td><td><code>', page)
        older = re.search(r'data-older href="([^"]+)"', page)
        address = older[1] if older else None
    assert [int(seq) for seq in seen] == list(range(120, 0, -1))
    assert f'href="/runs/{run}"' in client.get("/journal").text
    assert client.get("/journal?before=x").status_code == 400
    assert client.get("/journal?before=٣").status_code == 400


@pytest.mark.parametrize(
    ("integrity", "completeness", "expected"),
    [("unchecked", "grey", ("off", "off")), ("holds", "green", ("on", "on")), ("broken", "grey", ("bad", "off")),
     ("holds", "grey", ("on", "off")), ("holds", "red", ("on", "bad"))],
)  # fmt: skip
def test_one_lamp_never_answers_for_the_other(
    integrity: str, completeness: str, expected: tuple[str, str]
) -> None:
    state = journal_state(120)
    state["lamps"] |= {"integrity": integrity, "completeness": completeness, "completeness_why": "because"}
    shown = lamps.of_journal(state)
    assert tuple(one["light"] for one in shown) == expected
    assert shown[1]["why"] == "because"
    assert all(one["word"] and one["why"] for one in shown)


def test_verification_arrives_step_by_step(client: Client, journal: FakeJournal) -> None:
    lines = [json.loads(line) for line in client.get("/journal/verify.jsonl").text.splitlines()]
    assert lines[:-1] == journal.steps
    assert [one["light"] for one in lines[-1]["lamps"]] == ["on", "off"]
    assert "1 part could not be checked" in lines[-1]["lamps"][0]["why"]
    whole = client.get("/journal/verify.json").json()
    assert whole == {"steps": journal.steps, "lamps": lines[-1]["lamps"]}
    page = client.get("/journal/verify").text
    assert lights(page) == {"integrity": "on", "completeness": "off"}
    assert page.count('<li class="check">') == 4


def test_a_finding_breaks_the_lamp_and_says_where(client: Client, journal: FakeJournal) -> None:
    journal.steps[1] |= {"state": "finding", "detail": "checkpoint 90 has another root"}
    last = json.loads(client.get("/journal/verify.jsonl").text.splitlines()[-1])
    assert last["lamps"][0]["light"] == "bad"
    assert "checkpoint 90 has another root" in last["lamps"][0]["why"]


def test_a_store_that_cannot_be_verified_is_a_finding(client: Client, journal: FakeJournal) -> None:
    journal.fault = StoreFault(BROKEN)
    found = client.get("/journal/verify.json").json()
    assert found["steps"][-1]["state"] == "finding"
    assert BROKEN in found["lamps"][0]["why"]


def test_a_fault_of_ours_never_lights_the_lamp(client: Client, journal: FakeJournal) -> None:
    journal.fault = RuntimeError("secret inner words")
    assert client.get("/journal/verify.json").status_code == 500
    for address in ("/journal/verify", "/journal/verify.jsonl"):
        told = client.get(address).text
        assert "lamp-on" not in told
        assert '"lamps"' not in told
        assert "secret" not in told
    journal.fault = None
    assert lights(client.get("/journal/verify").text)["integrity"] == "on"


def test_one_verification_at_a_time(client: Client, journal: FakeJournal) -> None:
    journal.go.clear()
    first: list[Any] = []
    thread = threading.Thread(target=lambda: first.append(client.get("/journal/verify.json").json()))
    thread.start()
    assert journal.begun.wait(20)
    busy = client.get("/journal/verify.json").json()
    journal.go.set()
    thread.join(20)
    assert first[0]["steps"] == journal.steps
    assert "another verification is running" in busy["steps"][0]["detail"]
    assert busy["lamps"][0]["light"] == "off"


@pytest.mark.parametrize("address", ["/journal/verify", "/journal/verify.jsonl", "/runs/{run}/evidence"])
def test_another_site_cannot_make_the_server_work(client: Client, reader: FakeReader, address: str) -> None:
    address = address.format(run=reader.runs()["runs"][0]["run"])
    foreign = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    assert client.get(address, headers=foreign).status_code == 403
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get(address, headers=link).status_code == 200


def run_lamps(html: str) -> list[str]:
    return re.findall(r'class="lamp-small lamp-(\w+)"', html)


def test_a_run_says_how_far_it_is_recorded(client: Client, reader: FakeReader) -> None:
    runs = [one["run"] for one in reader.runs()["runs"]]
    sealed, unsealed, absent = (
        client.get(f"/runs/{runs[1]}"),
        client.get(f"/runs/{runs[5]}"),
        client.get(f"/runs/{runs[9]}"),
    )
    assert run_lamps(sealed.text) == ["kept", "off"]
    assert "recorded in the journal, checkpoint 117 17 records sealed by entry 100." in words(sealed.text)
    assert "complete by its own count" in sealed.text
    assert "17 records so far; the run is not sealed yet" in unsealed.text
    assert run_lamps(absent.text)[0] == "off"
    assert "not in the journal" in absent.text
    plain = client.get(f"/runs/{runs[1]}?plain=1").text
    assert run_lamps(plain) == ["kept", "off"]
    command = f"tally evidence {runs[1]} -o {file_name(runs[1])} --store here &amp;&amp; tally verify"
    assert command in plain


def test_a_run_is_complete_only_by_somebody_outside() -> None:
    state, run = journal_state(120), {"completeness": "complete", "missing": 0}
    recorded = {"run": "r", "records": 17, "sealed": {"seq": 100, "at": None, "records": 17}}
    assert lamps.of_run(run, recorded, state)[1]["light"] == "off"
    state["checkpoints"][0]["witnesses"].append("auditor.example")
    assert lamps.of_run(run, recorded, state)[1]["light"] == "on"
    late = {**recorded, "sealed": {"seq": 118, "at": None, "records": 17}}
    assert lamps.of_run(run, late, state)[0]["why"].endswith("no checkpoint signs it yet.")
    assert lamps.of_run(run, late, state)[1]["light"] == "off"
    lossy = lamps.of_run({"completeness": "lossy", "missing": None}, recorded, state)[1]
    assert (lossy["light"], lossy["why"]) == ("bad", "Missing: an unknown number of steps.")
    state["lamps"]["integrity"] = "broken"
    assert lamps.of_run(run, recorded, state)[0]["light"] == "bad"


def test_a_run_opens_though_the_journal_cannot_be_read(
    client: Client, reader: FakeReader, journal: FakeJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise StoreFault(BROKEN)

    monkeypatch.setattr(journal, "state", fails)
    answer = client.get(f"/runs/{reader.runs()['runs'][1]['run']}")
    assert answer.status_code == 200
    assert run_lamps(answer.text) == ["bad", "bad"]
    assert BROKEN in answer.text
    assert BROKEN in client.get("/").text
    assert lights(client.get("/journal/verify").text) == {"integrity": "bad", "completeness": "bad"}


def test_evidence_is_taken_away_whole(client: Client, reader: FakeReader, evidence: FakeEvidence) -> None:
    run = reader.runs()["runs"][1]["run"]
    answer = client.get(f"/runs/{run[:10]}/evidence")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="run-{run[:12]}.evidence.jsonl"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content.endswith(b'{"line":"trailer"}\n')
    assert answer.content.count(b"\n") == 9_002
    client.get(f"/runs/{run}/evidence?redact=1")
    assert evidence.asked == [(run, False), (run, True)]


def test_evidence_that_cannot_be_made_is_no_file(
    client: Client, reader: FakeReader, evidence: FakeEvidence
) -> None:
    run = reader.runs()["runs"][1]["run"]
    evidence.fault = UnknownThing("the run has no record")
    answer = client.get(f"/runs/{run}/evidence")
    assert (answer.status_code, "the run has no record" in answer.text) == (404, True)
    assert "content-disposition" not in answer.headers
    assert client.get("/runs/nosuch/evidence").status_code == 404


def test_a_fault_on_the_way_breaks_the_answer_off() -> None:
    """Half an answer must not end like a whole one, whatever kind of error it was."""

    def parts() -> Iterator[bytes]:
        yield from (b"a", b"b", b"c")
        raise ValueError("half way")

    async def take(block: int, got: list[bytes]) -> None:
        async for part in sent(parts(), block=block):
            got.append(part)

    for block, arrived in ((2, [b"ab"]), (1, [b"a", b"b", b"c"])):
        got: list[bytes] = []
        with pytest.raises(ValueError, match="half way"):
            asyncio.run(take(block, got))
        assert got == arrived


@pytest.mark.parametrize("run", ["../../etc/passwd", 'a"b\r\nX: 1', "\u202eabc", "", "ü" * 40])
def test_a_file_name_holds_nothing_of_what_an_agent_wrote(run: str) -> None:
    assert re.fullmatch(r"run-[A-Za-z0-9-]+\.evidence\.jsonl", file_name(run))


def test_no_command_is_offered_for_an_id_that_nobody_should_paste(client: Client, reader: FakeReader) -> None:
    for name in ("x; rm -rf ~", "-o", "a\nb"):
        reader._runs[1]["run"] = name
        page = client.get("/runs/" + name.replace("\n", "%0A")).text
        assert "tally evidence" not in page


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a\u202eb"]
)
def test_what_others_told_the_journal_stays_text(hostile: str) -> None:
    reader = FakeReader(runs=9)
    journal = FakeJournal(reader)
    told = journal.told
    told["origin"] = told["key"] = told["lamps"]["integrity_why"] = told["lamps"]["completeness_why"] = (
        hostile
    )
    told["witnesses"][0] |= {"name": hostile, "url": hostile, "error": hostile, "state": hostile}
    told["exports"][0] |= {"target": hostile, "error": hostile, "state": hostile}
    told["checkpoints"][0]["witnesses"] = [hostile]
    journal.steps[0] |= {"step": hostile, "detail": hostile, "state": hostile}
    with client_of(reader, journal) as client:
        for address in ("/", "/journal", "/journal/verify", f"/runs/{reader.runs()['runs'][1]['run']}"):
            answer = client.get(address)
            assert answer.status_code == 200, address
            scan = Scan()
            scan.feed(answer.text)
            assert scan.bad == [], address
            assert "\u202e" not in re.sub(r'data-copy="[^"]*"', "", answer.text)
