"""No byte and no line of an evidence file is free, and who signs with the log's own key is found by what he says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "unit"))

from evidence_forgeries import FORGERIES, statement_dropped
from evidence_house import TRUST, Lines, World, check, forged, lines_of, of_kind, resealed, told
from evidence_lies import LIES

from tallystick.model.errors import BadInput
from tallystick.proof.report import State
from tallystick.proof.verify import Trust, verify

STORY, SMALL = 8_000, 12_000  # mutants of the whole story's file, and of a small run's, which is read faster


def refused(data: bytes, trust: Trust) -> bool:
    try:
        return not verify([data], trust, first=True).ok
    except BadInput:
        return True


def byte_mutants(data: bytes, count: int, random: Random) -> Iterator[tuple[bytes, int]]:
    """Single-byte changes, deletions, doublings, swaps and insertions, over all regions alike; and where."""
    for number in range(count):
        at = random.randrange(len(data) - 1)
        byte = data[at]
        match number % 5:
            case 0:
                new = bytes([(byte + random.randrange(1, 256)) % 256])
            case 1:
                new = b""
            case 2:
                new = bytes([byte, byte])
            case 3:
                new = bytes([random.randrange(256), byte])
            case _:
                while data[at] == data[at + 1]:
                    at = random.randrange(len(data) - 1)
                yield data[:at] + data[at + 1 : at + 2] + data[at : at + 1] + data[at + 2 :], at
                continue
        yield data[:at] + new + data[at + 1 :], at


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [STORY, SMALL])
def test_no_byte_is_free(count: int) -> None:
    """The key is needed only where the trailer itself is touched: everywhere else its digest is enough."""
    data = told()[1] if count == STORY else small()
    trailer = data.rstrip(b"\n").rfind(b"\n")
    tried = 0
    for mutant, at in byte_mutants(data, count, Random(count)):
        tried += 1
        assert refused(mutant, TRUST if at >= trailer else Trust()), at
    for at in range(trailer, len(data)):  # the trailer whole: its signature must hold against every change
        assert refused(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], TRUST), at
    assert tried == count
    assert STORY + SMALL >= 20_000


def small() -> bytes:
    world = World()
    world.play(lambda desk: desk.refund("7", Decimal("400")))
    data = world.evidence()
    assert check(data).ok
    return data


def test_no_line_is_free() -> None:
    _, data = told()
    lines = data.splitlines(keepends=True)
    random = Random(2)
    for at in range(len(lines)):
        rest = lines[:at] + lines[at + 1 :]
        assert refused(b"".join(rest), TRUST), f"line {at + 1} deleted"
        assert refused(b"".join([*lines[:at], lines[at], *lines[at:]]), TRUST), f"line {at + 1} doubled"
        place = random.choice([one for one in range(len(lines)) if one != at])
        moved = [*rest[:place], lines[at], *rest[place:]]
        assert refused(b"".join(moved), TRUST), f"line {at + 1} moved to {place + 1}"
    for cut in range(0, len(data), 997):
        assert refused(data[:cut], TRUST), f"cut at {cut}"


def test_two_files_put_together_are_refused() -> None:
    world, data = told()
    world.house.clock.at += 1_000_000_000
    again = world.evidence()
    assert again != data
    half = len(data.splitlines()) // 2
    mixed = data.splitlines(keepends=True)[:half] + again.splitlines(keepends=True)[half:]
    assert refused(b"".join(mixed), TRUST)
    assert refused(data + again, TRUST)


# ── forgeries under the log's own key ───────────────────────────────────────────────────────────────────────────


def test_forging_nothing_is_accepted() -> None:
    assert check(forged(lines_of(told()[1]))).findings == ()


@pytest.mark.parametrize(
    ("forge", "owner"), [*FORGERIES, *LIES], ids=[forge.__name__ for forge, _ in (*FORGERIES, *LIES)]
)
def test_a_forgery_is_found_by_the_check_that_owns_it(forge: Callable[[Lines], None], owner: str) -> None:
    lines = deepcopy(lines_of(told()[1]))
    forge(lines)
    report = check(forged(lines))
    assert report.state(owner) is State.FINDING, report.findings
    assert report.exit_code == 3


def test_a_file_needs_all_its_statements() -> None:
    lines = lines_of(told()[1])
    statement_dropped(lines)
    report = check(resealed(lines))
    assert [(one.check, one.text) for one in report.findings] == [("format", "its statement is missing")]


@pytest.mark.parametrize(
    "kind", ["header", "inclusion", "checkpoint", "price", "text", "payload", "source", "charge"]
)
def test_no_line_can_be_left_out_under_the_key(kind: str) -> None:
    lines = lines_of(told()[1])
    lines.remove(next(of_kind(lines, kind)))
    assert refused(resealed(lines), TRUST)


def test_each_answer_that_is_flipped_is_found_at_that_decision_and_nowhere_else() -> None:
    """The journal rebuilt with one decision's policy answer turned around, hashed and signed again."""
    original = lines_of(told()[1])
    decided = [line["leaf"] for line in of_kind(original, "entry", "decision.made")]
    judged = [leaf for leaf in decided if leaf["body"]["policy_answer"] is not None]
    assert len(judged) >= 8
    for leaf in judged:
        lines = deepcopy(original)
        body = next(line["leaf"] for line in of_kind(lines, "entry") if line["leaf"]["id"] == leaf["id"])[
            "body"
        ]
        body["policy_answer"] = "deny" if body["policy_answer"] == "allow" else "allow"
        report = check(forged(lines))
        assert {one.place for one in report.findings} == {f"entry {leaf['seq']}"}
        assert report.state("decisions") is State.FINDING
