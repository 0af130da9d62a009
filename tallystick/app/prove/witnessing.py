"""A witness: remembers the newest checkpoint of each log it watches, and co-signs only what continues it.

Two heads that do not join, both signed by the log, are the proof that history was rewritten. Then nothing is co-signed,
both notes are kept, and somebody is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tallystick.app.reading.shapes import time_text
from tallystick.model.errors import BadInput
from tallystick.ports import Clock, Signer
from tallystick.proof.base64text import to_base64
from tallystick.proof.notes import VerifierKey, cosign
from tallystick.proof.witness import (
    TEXT,
    Cosigned,
    Forked,
    Judgement,
    Request,
    WitnessState,
    judge,
    parse_request,
    response_body,
)

MOST_KEPT: Final = 100  # forks (and as many suspicions) of which both notes are kept; more are counted
_SECOND: Final = 1_000_000_000


class States(Protocol):
    """The witness's memory (``adapters.state_file.StateFile``, durable)."""

    def read(self) -> dict[str, Any]:
        """The memory as it is."""
        ...

    def change(self, function: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Change the memory; on the disk on return, one at a time."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to add-checkpoint."""

    status: int
    content_type: str
    body: str


class Witness:
    """Judges and co-signs checkpoints of the logs whose keys it was given."""

    def __init__(
        self, signer: Signer, logs: Sequence[VerifierKey], states: States, clock: Clock,
        alarm: Callable[[Mapping[str, Any]], None],
    ) -> None:  # fmt: skip
        """``alarm`` is told once of each fork, with what ``status`` lists of it and both notes; it may not block."""
        self.key = VerifierKey.parse(signer.verifier_key)
        self._signer = signer
        self._states = states
        self._clock = clock
        self._alarm = alarm
        self._logs: dict[str, list[VerifierKey]] = {}
        for key in logs:
            self._logs.setdefault(key.name, []).append(key)

    def add_checkpoint(self, body: bytes) -> Reply:
        """Answer one request of C2SP tlog-witness; what it changes is on the disk before this returns."""
        try:
            request = parse_request(body)
        except BadInput as error:
            return Reply(400, TEXT, f"{error.message}\n")
        found: list[Judgement] = []
        told: list[Mapping[str, Any]] = []

        def decide(memory: dict[str, Any]) -> None:
            """Judge by what is remembered and remember what was judged, in one step."""
            judgement = judge(_state_of(memory, request), request, self._logs)
            found.append(judgement)
            if isinstance(judgement, Cosigned):
                state = judgement.state
                memory.setdefault("logs", {})[state.origin] = {
                    "size": state.size, "root": state.root.hex(), "note": state.note, "at": self._now(),
                }  # fmt: skip
            elif isinstance(judgement, Forked):
                told.extend(self._note_fork(memory, request, judgement))

        self._states.change(decide)
        for fork in told:
            self._alarm(fork)
        judgement = found[0]
        if not isinstance(judgement, Cosigned):
            return Reply(judgement.status, judgement.content_type, judgement.body)
        seconds = self._clock.now() // _SECOND
        signature = cosign(judgement.checkpoint.text, self.key, seconds, self._signer.sign)
        return Reply(200, TEXT, response_body([signature]))

    def _note_fork(
        self, memory: dict[str, Any], request: Request, fork: Forked
    ) -> Sequence[Mapping[str, Any]]:
        """Keep both notes; gives the fork where it is news. What a stranger could have made up is kept apart."""
        kept = memory.setdefault("forks" if fork.proven else "suspicions", [])
        if any(one["offered"] == fork.offered for one in kept):
            return []
        row = {
            "origin": request.checkpoint.origin, "size": request.checkpoint.size, "at": self._now(),
            "reason": fork.reason, "proven": fork.proven, "kept": fork.kept, "offered": fork.offered,
            "old_size": request.old_size, "proof": [to_base64(one) for one in fork.proof],
        }  # fmt: skip
        if len(kept) < MOST_KEPT:
            kept.append(row)
        else:
            memory["more"] = memory.get("more", 0) + 1
        return [row]

    def status(self) -> dict[str, Any]:
        """The logs with the sizes that were co-signed, and the alarms."""
        memory = self._states.read()
        known = memory.get("logs", {})
        logs = [
            {
                "origin": origin, "keys": [key.text for key in keys],
                "size": known.get(origin, {}).get("size", 0), "root": known.get(origin, {}).get("root"),
                "at": known.get(origin, {}).get("at"),
            }
            for origin, keys in self._logs.items()
        ]  # fmt: skip
        shown = ("origin", "size", "at", "reason", "proven")
        return {
            "witness": self.key.text,
            "logs": logs,
            "alarms": [{key: one[key] for key in shown} for one in memory.get("forks", [])],
            "suspicions": [{key: one[key] for key in shown} for one in memory.get("suspicions", [])],
            "more": memory.get("more", 0),
        }

    def _now(self) -> str:
        return time_text(self._clock.now()) or ""


def _state_of(memory: Mapping[str, Any], request: Request) -> WitnessState | None:
    origin = request.checkpoint.origin
    row = memory.get("logs", {}).get(origin)
    return None if row is None else WitnessState(origin, row["size"], bytes.fromhex(row["root"]), row["note"])
