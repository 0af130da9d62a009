"""What earlier checkpoints in other hands, and witnesses, say of an evidence file."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "unit"))

from evidence_house import KEY, World, check, desk_story, forged, lines_of, note, told

from tallystick.proof.keys import VerifierKey
from tallystick.proof.merkle import root_of
from tallystick.proof.notes import cosign, extend_note, format_note, parse_note
from tallystick.proof.report import State
from tallystick.proof.verify import Trust

_OTHER = Ed25519PrivateKey.from_private_bytes(b"another key altogether".ljust(32, b"."))
WITNESS = VerifierKey.of("witness.example/w", 4, _OTHER.public_key().public_bytes_raw())


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
    world.desk = replace(world.desk, keep=cosigned)
    report = check(world.evidence(), Trust((KEY,), (), (WITNESS,)))
    assert report.findings == ()
    assert report.completeness == "green"
