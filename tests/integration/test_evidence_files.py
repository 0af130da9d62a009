"""Evidence as a whole: redacted, odd runs, checkpoints, witnesses, hostile files, and reading it without packages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "unit"))

from evidence_house import (
    KEY,
    SIGNER,
    TRUST,
    Desk,
    World,
    check,
    desk_story,
    lines_of,
    of_kind,
    told,
)
from guard_house import REFUND

from tallystick.model.canonical import canonical_json
from tallystick.model.errors import BadInput, StoreFault, TooLarge
from tallystick.model.journal import Draft
from tallystick.proof import lines
from tallystick.proof.keys import VerifierKey
from tallystick.proof.notes import cosign, extend_note, format_note, parse_note
from tallystick.proof.report import Report, State
from tallystick.proof.verify import Trust, seen, verify

_OTHER = Ed25519PrivateKey.from_private_bytes(b"another key altogether".ljust(32, b"."))
OTHER = VerifierKey.of(KEY.name, 1, _OTHER.public_key().public_bytes_raw())
WITNESS = VerifierKey.of("witness.example/w", 4, _OTHER.public_key().public_bytes_raw())


def texts(report: Report, check_name: str) -> list[str]:
    one = next(one for one in report.checks if one.check == check_name)
    return [item.text for item in (*one.findings, *one.not_checked)]


def test_a_guarded_run_is_proved() -> None:
    report = check(told()[1])
    assert report.findings == ()
    held = {one.check for one in report.checks if one.state is State.HOLDS}
    assert held == {one.check for one in report.checks} - {"consistency"}
    assert (report.integrity, report.completeness, report.exit_code) == ("holds", "grey", 0)


def test_redacted_evidence_holds_no_content_and_is_proved_all_the_same() -> None:
    world, whole = told()
    data = world.evidence(redact=True)
    report = check(data)
    assert report.findings == ()
    assert report.redacted
    for secret in (b"400.00", b"Order 7 wants", b"order 9 is open", b'"paid"'):
        assert secret in whole
        assert secret not in data
    assert b"Refunds over 100" in data  # policies are no contents
    assert report.state("readings") is State.NOT_CHECKED
    assert report.state("inclusion") is report.state("loops") is report.state("charges") is State.HOLDS
    assert any("redacted" in text for text in texts(report, "decisions"))


def test_without_a_key_nobody_knows_who_made_it() -> None:
    report = check(told()[1], Trust())
    assert report.ok
    assert report.state("signature") is State.NOT_CHECKED
    assert (report.integrity, report.completeness) == ("unchecked", "grey")


def test_another_key_proves_nothing() -> None:
    report = check(told()[1], Trust((OTHER,)))
    assert report.exit_code == 3
    assert {one.check for one in report.findings} == {"signature"}
    assert report.integrity == "broken"


def test_a_newer_format_asks_for_an_upgrade() -> None:
    data = told()[1].replace(b"tallystick.evidence/1", b"tallystick.evidence/2", 1)
    with pytest.raises(BadInput, match="newer format") as caught:
        check(data)
    assert caught.value.hint == "upgrade Tallystick"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"{}",
        b"\x00" * 100,
        b"PK\x03\x04",
        b'{"line":"entry"}\n',
        b"[" * 5_000_000,
        b"{" * 200_000,
    ],
)
def test_what_is_no_evidence_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(BadInput):
        check(data)


@pytest.mark.parametrize(
    "bad",
    [
        b"x" * 50_000, b'{"leaf":' + b"[" * 40_000 + b"]" * 40_000 + b',"line":"entry"}', b"\xff\xfe",
        b'{"leaf":null,"line":"entry"}', b'{"leaf":{},"line":"entry"}', b'{"leaf":[],"line":"entry"}',
        b'{"commitment":[],"line":"opening","salt":1,"value":null}', b'{"digest":1,"line":"text","text":2}',
        b'{"content":1,"leaf":2,"line":"record","log":3,"n":"x","salt":[]}', b'{"line":"statement","envelope":1}',
        b'{"envelope":{"payload":"=","payloadType":"x","signatures":[]},"line":"statement"}',
        b'{"line":"checkpoint","note":"x"}', b'{"hashes":7,"line":"inclusion","size":"1"}',
        b'{"buckets":1,"leaf":{},"line":"charge","price":{},"rates":[]}',
        b'{"card":[],"index":-1,"line":"price","path":[1],"row":0,"size":1e3}',
        b'{"hashes":[],"line":"consistency","note":"","size":0}', b'{"line":"trailer","lines":[],"note":1,"sha256":{}}',
    ],
)  # fmt: skip
def test_a_hostile_line_is_a_finding(bad: bytes) -> None:
    whole = told()[1].splitlines(keepends=True)
    for at in (1, 20, len(whole) - 1, len(whole)):
        assert not check(b"".join([*whole[:at], bad + b"\n", *whole[at:]])).ok


ODD: tuple[Any, ...] = (None, [], {}, -1, "x", True, [[]], {"commitment": "0" * 64})


def test_hostile_fields_anywhere_are_findings_and_never_tracebacks() -> None:
    """Each field of each kind of line and of entry in turn, with something else in its place."""
    original = lines_of(told()[1])
    written = told()[1].splitlines(keepends=True)
    done: set[tuple[str, ...]] = set()

    def places(value: Any, path: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            here = (*path, str(key) if isinstance(value, dict) else "0")
            if here not in done:
                done.add(here)
                yield value, key
            if isinstance(value[key], dict | list):
                yield from places(value[key], here)

    tried = 0
    for at, line in enumerate(original):
        if line["line"] == "price":
            continue
        name = line["leaf"]["kind"] if line["line"] == "entry" else line["line"]
        for holder, key in places(line, (name,)):
            if at == 0 and key in ("line", "format"):
                continue
            kept = holder[key]
            holder[key] = ODD[tried % len(ODD)] if ODD[tried % len(ODD)] != kept else "y"
            changed = canonical_json(line) + b"\n"
            assert not check(b"".join([*written[:at], changed, *written[at + 1 :]]), Trust()).ok
            holder[key] = kept
            tried += 1
    assert tried > 200


def test_an_endless_line_and_too_much_to_remember_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    data = told()[1]
    monkeypatch.setattr(seen, "MOST_KEPT", 10_000)
    with pytest.raises(TooLarge):
        check(data)
    monkeypatch.setattr(lines, "LONGEST_LINE", 1_000)

    def endless() -> Iterator[bytes]:
        yield data[:5_000]
        while True:
            yield b" " * 10_000

    assert not verify(endless(), Trust()).ok


# ── odd runs ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_crash_between_start_and_end_is_what_it_was() -> None:
    world = World()
    world.run = "crashed"
    verdict = world.house.ask(REFUND, run="crashed", id="7", amount="40")
    assert verdict.allowed
    world.house.guard.flush()
    world.control.append([Draft("run.sealed", "crashed", {"run": "crashed", "records": 0}, run="crashed")])
    world.desk = _without_steps(world)
    report = check(world.evidence())
    assert report.findings == ()
    assert texts(report, "conduct") == ["an effect was started and its end is not recorded: in doubt"]


def _without_steps(world: World) -> Any:
    """A desk for a run of which no span ever came."""
    from dataclasses import replace
    from types import SimpleNamespace

    traces = SimpleNamespace(
        resolve=lambda run: run, records=lambda run: [], kept=lambda run: [],
        account=lambda run: SimpleNamespace(charges=[]),
    )  # fmt: skip

    class Notary:
        def seal(self, run: str) -> None:
            body = {
                "run": run, "rows": 0, "known_nano": 0, "unknown": 0, "card": None,
                "root": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            }  # fmt: skip
            world.control.append([Draft("run.charged", run, body, run=run)])

    return replace(world.desk, traces=traces, notary=Notary())


def test_a_run_without_policy_is_not_evaluated() -> None:
    world = World(None)
    world.play(lambda desk: desk.look("7"))
    report = check(world.evidence())
    assert report.findings == ()
    assert texts(report, "decisions") == ["not evaluated: no policy covers the call"]


def test_a_permissive_set_lets_through_what_it_would_refuse_and_that_is_proved() -> None:
    from decimal import Decimal

    world = World(permissive=True)
    world.play(lambda desk: desk.refund("7", Decimal("-1")))
    report = check(world.evidence())
    assert report.findings == ()
    assert report.state("decisions") is State.HOLDS


def test_a_credential_in_an_argument_is_withheld_and_the_rest_stands() -> None:
    from decimal import Decimal

    world = World()
    world.play(lambda desk: desk.refund("sk-" + "a1b2c3d4" * 5, Decimal("40")))
    data = world.evidence()
    report = check(data)
    assert report.findings == ()
    assert b"a1b2c3d4" not in data
    assert "argument id is not here: masked" in texts(report, "decisions")


def test_a_budget_stop_is_proved_due() -> None:
    def spend(desk: Desk) -> None:
        for number in range(40):
            desk.think(f"and {number}")

    world = World()
    world.play(spend, budget="0.002")
    stopped = [one for one in world.control.entries(limit=10_000) if one.kind == "run.stopped"]
    assert [one.body["by"] for one in stopped] == ["budget"]
    report = check(world.evidence())
    assert report.findings == ()
    assert texts(report, "budgets") == []


def test_two_runs_in_one_journal_are_proved_apart() -> None:
    world = World()
    first = world.play(desk_story)
    second = world.play(lambda desk: desk.look("1"))
    for run, other in ((first, second), (second, first)):
        data = world.evidence(run)
        assert check(data).findings == ()
        assert other.encode() not in data


def test_no_evidence_is_made_of_a_changed_store() -> None:
    world = World()
    world.play(lambda desk: desk.look("7"))
    next(iter(world.traces.kept(world.run))).span.attributes["gen_ai.tool.name"] = "other"  # type: ignore[index]
    with pytest.raises(StoreFault, match="is not what was recorded"):
        world.evidence()


# ── checkpoints and witnesses ───────────────────────────────────────────────────────────────────────────────────


def test_an_earlier_checkpoint_that_somebody_holds_makes_completeness_green() -> None:
    world = World()
    world.play(lambda desk: desk.look("1"))
    held = world.keep().note
    world.play(desk_story)
    data = world.evidence()
    report = check(data, Trust((KEY,), (held,)))
    assert report.findings == ()
    assert (report.integrity, report.completeness) == ("holds", "green")
    assert check(data).state("consistency") is State.HOLDS


def test_a_checkpoint_that_the_file_has_no_proof_from_is_asked_for() -> None:
    world = World()
    world.play(lambda desk: desk.look("7"))
    held = world.keep().note
    world.control._checkpoints.clear()  # the store kept it not
    world.play(lambda desk: desk.look("8"))
    report = check(world.evidence(), Trust((KEY,), (held,)))
    assert [one.check for one in report.findings] == ["consistency"]
    assert "--checkpoint" in report.findings[0].text
    assert check(world.evidence(since=[held]), Trust((KEY,), (held,))).completeness == "green"


def test_dropping_the_newest_entries_is_found_by_every_earlier_checkpoint() -> None:
    """A log of n entries is cut to n-k for every k, and goes on under its own key; every later checkpoint sees it."""
    from evidence_house import forged, note

    from tallystick.proof.merkle import root_of

    world, data = told()
    whole = [bytes.fromhex(entry.digest) for entry in world.control.entries(limit=10_000)]
    held = note(len(whole), root_of(whole))
    original = lines_of(data)
    for k in range(1, len(whole)):
        kept = whole[: len(whole) - k]
        shorter = [line for line in original if line["line"] != "entry" or line["leaf"]["seq"] <= len(kept)]
        for leaves in (kept, [*kept, *(bytes([k]) * 32 for _ in range(k + 2))]):  # cut, and grown again
            report = check(forged(shorter, leaves), Trust((KEY,), (held,)))
            assert report.state("consistency") is State.FINDING, k


def test_a_witness_must_have_cosigned() -> None:
    world = World()
    world.play(lambda desk: desk.look("7"))
    keep = world.keep

    def cosigned() -> Any:
        signed = keep()
        found = parse_note(signed.note)
        with_it = extend_note(found, [cosign(found.text, WITNESS, 1_790_000_000, _OTHER.sign)])
        return type(signed)(signed.checkpoint, format_note(with_it))

    bare = world.evidence()
    assert [one.check for one in check(bare, Trust((KEY,), (), (WITNESS,))).findings] == ["signature"]
    from dataclasses import replace

    world.desk = replace(world.desk, keep=cosigned)
    report = check(world.evidence(), Trust((KEY,), (), (WITNESS,)))
    assert report.findings == ()
    assert report.completeness == "green"


# ── without our packages ────────────────────────────────────────────────────────────────────────────────────────

BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"msgspec", "cryptography", "cedarpy", "opentelemetry", "click", "rich", "zstandard"}:
            raise ImportError(name + " is not installed here")
sys.meta_path.insert(0, Block())
import runpy
sys.argv = ["tallystick.proof", *sys.argv[1:]]
runpy.run_module("tallystick.proof", run_name="__main__", alter_sys=True)
"""


def alone(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, *arguments], capture_output=True, text=True, timeout=120
    )


def test_the_verifier_runs_with_the_standard_library_and_rfc8785_alone(tmp_path: Path) -> None:
    world = World()
    world.play(lambda desk: desk.look("7"))
    data = world.evidence()
    file, key = tmp_path / "run.jsonl", tmp_path / "key"
    file.write_bytes(data)
    key.write_text(KEY.text + "\n")
    done = alone(str(file), "--key", str(key), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["lamps"]["integrity"] == "holds"
    with_packages = verify([data], TRUST).as_json()
    assert json.loads(done.stdout) == with_packages
    file.write_bytes(data.replace(b"order 7", b"order 8", 1))
    told_no = alone(str(file), "--key", KEY.text)
    assert told_no.returncode == 3
    assert "✗ openings" in told_no.stdout or "✗ format" in told_no.stdout
    assert alone(str(tmp_path / "nothing")).returncode == 2


def test_the_statements_are_those_of_the_entries() -> None:
    entries = {line["leaf"]["id"]: line["leaf"] for line in of_kind(lines_of(told()[1]), "entry")}
    from base64 import b64decode

    payloads = [
        json.loads(b64decode(one["envelope"]["payload"])) for one in of_kind(lines_of(told()[1]), "statement")
    ]
    assert {one["predicateType"].split("/")[-2] for one in payloads} == {
        "decision",
        "approval",
        "outcome",
        "charge",
    }
    assert all(one["predicate"] == entries[one["subject"][0]["name"]]["body"] for one in payloads)
    assert SIGNER.verifier_key == KEY.text
