"""A guarded run and the evidence of it, with the journal's key at hand: for the tests that attack evidence files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from guard_house import LOOK, REFUND, TEXT, House, shipped_card

from tallystick.adapters.memory import MemoryTraces
from tallystick.app.acting.approvals import answer
from tallystick.app.prove.checkpoints import Signed
from tallystick.app.prove.evidence import EvidenceDesk
from tallystick.app.prove.notary import Notary
from tallystick.app.prove.verification import HouseJudge
from tallystick.app.recording.pricing import CardNotice
from tallystick.app.recording.record import Recorder
from tallystick.app.registry.registrar import declare
from tallystick.model.canonical import canonical_json
from tallystick.model.errors import OverBudget, Stopped
from tallystick.model.people import unnamed
from tallystick.model.span import Span
from tallystick.proof.dsse import sign_envelope
from tallystick.proof.keys import VerifierKey
from tallystick.proof.merkle import leaf_hash, prove_many, root_of
from tallystick.proof.notes import checkpoint_text, format_note, parse_checkpoint, parse_note, sign_note
from tallystick.proof.report import Report
from tallystick.proof.statements import answer_statement, statement
from tallystick.proof.verify import Trust, verify
from tallystick.proof.verify.signatures import trailer_text
from tallystick.registry.declarations import ToolFile
from tallystick.sdk.install import flush, install, uninstall
from tallystick.sdk.models import model_call
from tallystick.sdk.running import run
from tallystick.sdk.tools import tool

_PRIVATE = Ed25519PrivateKey.from_private_bytes(b"evidence tests only".ljust(32, b"."))
KEY = VerifierKey.of("log.example/desk", 1, _PRIVATE.public_key().public_bytes_raw())
SIGNER = SimpleNamespace(verifier_key=KEY.text, sign=_PRIVATE.sign)
TRUST = Trust((KEY,))
TOOLS = [replace(one, digest=ToolFile(one, "1.0.0").declared().digest) for one in (LOOK, REFUND)]
Lines = list[dict[str, Any]]


def envelope(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A person's answer under the journal's signature."""
    return sign_envelope(canonical_json(answer_statement(given)), KEY, _PRIVATE.sign)


def note(size: int, root: bytes) -> str:
    """A signed checkpoint."""
    return format_note(sign_note(checkpoint_text(KEY.name, size, root), KEY, _PRIVATE.sign))


def answering(house: House, _ns: int) -> None:
    """Ada says yes, but not to order 13."""
    for waiting in house.control.approvals(state="waiting"):
        word = "rejected" if waiting.arguments.get("id") == "13" else "approved"
        answer(
            house.control,
            house.clock,
            house.ids,
            waiting.id,
            word,
            by=unnamed("ada"),
            note="seen",
            sign=envelope,
        )


class World:
    """A house with both stores and a desk that makes evidence."""

    def __init__(self, text: str | None = TEXT, **settings: Any) -> None:
        self.house = House(text, tools=TOOLS, waiter=answering, **settings)
        self.control = self.house.control
        declare(self.control, [], [ToolFile(one, "1.0.0") for one in TOOLS], actor="tests")
        self.traces = MemoryTraces(random_bytes=lambda size: bytes(i % 251 for i in range(size)))
        card = shipped_card()
        self.recorder = Recorder(self.traces, card, self.house.clock, notice=CardNotice(self.control, card))
        self.desk = EvidenceDesk(
            self.traces, self.control, Notary(self.traces, self.control, self.house.clock), self.keep,
            lambda: SIGNER, shipped_card(), self.house.clock, "tests",
        )  # fmt: skip
        self.run = ""

    def keep(self) -> Signed:
        """Sign the head."""
        size, root = self.control.head()
        text = note(size, root)
        self.control.add_checkpoint(size, text)
        return Signed(parse_checkpoint(parse_note(text).text), text)

    def play(self, act: Any, *, budget: str | None = None) -> str:
        """Run ``act(desk)`` as one run through the SDK and take its spans in; returns the run's id."""
        kept: list[Span] = []
        sink = SimpleNamespace(deliver=kept.extend, close=lambda: None)
        with TemporaryDirectory() as folder:
            install(
                spool_dir=Path(folder), clock=self.house.clock, ids=self.house.ids, sink=sink, guard=self.house.guard,
                agent="desk", instrument=False,
            )  # fmt: skip
            try:
                with suppress(Stopped, OverBudget), run(goal="one ticket", budget=budget) as handle:
                    self.run = handle.id
                    act(Desk(self.house))
                self.house.guard.flush()
                assert flush(5.0)
            finally:
                uninstall(flush=5.0)
        self.recorder.record(kept)
        return self.run

    def evidence(self, run: str | None = None, **how: Any) -> bytes:
        """The file."""
        return b"".join(self.desk.evidence(run or self.run, **how))


class Desk:
    """Tools and a model."""

    def __init__(self, house: House) -> None:
        @tool(effect="read")
        def look(id: str) -> str:
            """Read one order."""
            house.clock.at += 1_000_000
            return f"order {id} is open"

        @tool(effect="irreversible")
        def refund(id: str, amount: Decimal) -> str:
            """Pay money back."""
            house.clock.at += 1_000_000
            return "paid"

        self.look, self.refund = look, refund
        self.chat: list[dict[str, str]] = [{"role": "system", "content": "You refund. " * 120}]

    def think(self, text: str) -> None:
        """One model call over all that was said."""
        self.chat.append({"role": "user", "content": text})
        model_call(_complete, model="gpt-4o-mini", max_completion_tokens=500, messages=list(self.chat))


def _complete(**_request: Any) -> Any:
    usage = SimpleNamespace(prompt_tokens=100, completion_tokens=90, total_tokens=190)
    return SimpleNamespace(id="r", model="gpt-4o-mini", object="chat.completion", choices=[], usage=usage)


def desk_story(desk: Desk) -> None:
    """Everything that a guard does to a run: allow, hold and approve, reject, deny, and stop for a loop."""
    desk.think("Order 7 wants its money back.")
    desk.look("7")
    desk.refund("7", Decimal("40"))
    desk.think("And order 8.")
    desk.refund("8", Decimal("400.00"))
    desk.refund("13", Decimal("500.00"))
    desk.refund("7", Decimal("-1"))
    for _ in range(8):
        desk.look("9")


@cache
def told() -> tuple[World, bytes]:
    """The story's world and its evidence."""
    world = World()
    world.play(desk_story, budget="1.00")
    return world, world.evidence()


def check(data: bytes | Sequence[bytes], trust: Trust = TRUST) -> Report:
    """The report of the verifier with every rule at hand."""
    return verify([data] if isinstance(data, bytes) else data, trust, HouseJudge())


# ── forging with the journal's own key ──────────────────────────────────────────────────────────────────────────


def lines_of(data: bytes) -> Lines:
    """A file as what its lines hold."""
    return [json.loads(line) for line in data.splitlines()]


def of_kind(lines: Lines, kind: str, entry: str | None = None) -> Iterator[dict[str, Any]]:
    """Lines of a kind; entries of one kind of entry."""
    for line in lines:
        if line["line"] == kind and (entry is None or line["leaf"]["kind"] == entry):
            yield line


def forged(lines: Lines, leaves: Sequence[bytes] | None = None) -> bytes:
    """The file again, consistent and signed by the log's key: tree, statements and trailer are those of ``lines``.

    ``leaves`` are the leaf hashes of a journal in which the entries stand at their numbers; left out: the told one.
    """
    tree = list(leaves if leaves is not None else _leaves(told()[0]))
    entries = sorted({line["leaf"]["seq"]: line["leaf"] for line in of_kind(lines, "entry")}.items())
    for seq, leaf in entries:
        hashed = leaf_hash(canonical_json(leaf))
        tree[seq - 1 : seq] = [hashed]
    indexes = [seq - 1 for seq, _ in entries]
    proof = prove_many(indexes, len(tree), lambda wanted: [
        root_of(tree[at << level : (at + 1) << level]) for level, at in wanted
    ])  # fmt: skip
    made: Lines = []
    for line in lines:
        kind = line["line"]
        if kind == "inclusion":
            made.append({**line, "size": len(tree), "hashes": [one.hex() for one in proof]})
        elif kind == "checkpoint":
            made.append({**line, "note": note(len(tree), root_of(tree))})
            made += _statements(lines)
        elif kind not in ("consistency", "statement", "trailer"):
            made.append(line)
    return resealed(made)


def _statements(lines: Lines) -> Lines:
    made = []
    for line in of_kind(lines, "entry"):
        about = statement(line["leaf"], leaf_hash(canonical_json(line["leaf"])))
        if about is not None:
            signed = sign_envelope(canonical_json(about), KEY, _PRIVATE.sign)
            made.append({"line": "statement", "envelope": signed})
    return made


def resealed(lines: Lines) -> bytes:
    """Lines with a trailer that is right, signed by the log's key."""
    from hashlib import sha256

    body = b"".join(canonical_json(line) + b"\n" for line in lines if line["line"] != "trailer")
    digest, count = sha256(body).hexdigest(), body.count(b"\n")
    signed = format_note(sign_note(trailer_text(digest, count), KEY, _PRIVATE.sign))
    return (
        body + canonical_json({"line": "trailer", "lines": count, "sha256": digest, "note": signed}) + b"\n"
    )


def _leaves(world: World) -> list[bytes]:
    return [bytes.fromhex(entry.digest) for entry in world.control.entries(limit=100_000)]


# ── the golden file ─────────────────────────────────────────────────────────────────────────────────────────────


def make_golden(folder: Path) -> None:
    """Write the file that every later version must verify: ``python tests/unit/evidence_house.py FOLDER``."""
    world = World()
    world.play(lambda desk: desk.look("1"))
    held = world.keep().note
    world.play(desk_story, budget="1.00")
    data = world.evidence()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.evidence.jsonl").write_bytes(data)
    (folder / "journal.pub").write_text(f"{KEY.text}\n")
    (folder / "earlier.checkpoint").write_text(held)
    report = check(data, Trust((KEY,), (held,))).as_json()
    (folder / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    import sys

    make_golden(Path(sys.argv[1]))
