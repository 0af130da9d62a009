"""An evidence file of format 1 verifies in every version, and the format page's vectors are its bytes."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from tallystick.app.prove.verification import HouseJudge
from tallystick.proof.__main__ import keys_of
from tallystick.proof.notes import parse_note, verify_note
from tallystick.proof.verify import Trust, verify

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "evidence-1"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "proof-format.md"


def test_the_old_file_verifies() -> None:
    wanted = json.loads((FOLDER / "report.json").read_text("utf-8"))
    trust = Trust(
        tuple(keys_of(str(FOLDER / "journal.pub"))), ((FOLDER / "earlier.checkpoint").read_text("utf-8"),)
    )
    with (FOLDER / "run.evidence.jsonl").open("rb") as file:
        report = verify(file, trust, HouseJudge()).as_json()
    states = {one["check"]: one["state"] for one in report["checks"]}
    known = {one["check"]: one["state"] for one in wanted["checks"]}
    decisions = next(one for one in report["checks"] if one["check"] == "decisions")
    if any("made by cedarpy" in one["text"] for one in decisions["not_checked"]):
        known["decisions"] = "not checked"  # an engine of another version is here
    assert {check: states[check] for check in known} == known
    for key in ("ok", "run", "origin", "made", "size", "redacted", "lamps"):
        assert report[key] == wanted[key]
    assert report["lamps"]["completeness"] == "green"


def test_the_vectors_on_the_format_page_are_those_of_the_file() -> None:
    section = PAGE.read_text("utf-8").partition("## 9. Test vectors")[2]
    blocks = [block.strip("\n") for block in section.split("```")[1::2]]
    key, entry, opening, checkpoint, trailer = blocks
    lines = (FOLDER / "run.evidence.jsonl").read_text("utf-8").splitlines()
    leaf, leaf_hash = entry.split("\n")
    assert f'{{"leaf":{leaf},"line":"entry"}}' in lines
    assert sha256(b"\x00" + leaf.encode()).hexdigest() == leaf_hash
    assert opening in lines
    found = json.loads(opening)
    content = json.dumps(found["value"]).encode()
    assert sha256(b"\x02" + bytes.fromhex(found["salt"]) + content).hexdigest() == found["commitment"]
    for note in (checkpoint, trailer):
        assert verify_note(parse_note(note + "\n"), keys_of(key)) == ("log.example/desk",)
    body = "".join(line + "\n" for line in lines[:-1]).encode()
    assert trailer.split("\n")[1] == sha256(body).hexdigest()
