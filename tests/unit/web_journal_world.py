"""The invented world's journal: entries, what is known of it, and the steps of its verification."""

from __future__ import annotations

from datetime import timedelta

from web_world import NOW, Row, hex_of, stamp


def make_entry(seq: int, kind: str, subject: str, run: str | None) -> Row:
    return {
        "seq": seq,
        "id": f"ent_{seq:04}",
        "at": stamp(NOW - timedelta(seconds=400 - seq)),
        "kind": kind,
        "subject": subject,
        "run": run,
        "actor": "tallystick",
        "body": {},
        "nth": seq if run else None,
        "digest": hex_of(f"entry{seq}", 64),
    }


def journal_state(size: int) -> Row:
    """What the journal's book says of a journal in good order, whose one witness belongs to the operator."""
    return {
        "origin": "tallystick.local/5f2a9c01",
        "size": size,
        "root": hex_of(f"root{size}", 64),
        "key": "tallystick.local/5f2a9c01+8d3e11aa+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "checkpoints": [
            {"size": size - 3, "root": hex_of("c1", 64), "at": stamp(NOW), "witnesses": ["witness.local"]},
            {"size": 90, "root": hex_of("c2", 64), "at": None, "witnesses": []},
        ],
        "witnesses": [
            {
                "name": "witness.local",
                "url": "http://127.0.0.1:4779",
                "outside": False,
                "state": "signed",
                "size": size - 3,
                "error": None,
            },
            {
                "name": "auditor.example",
                "url": "https://witness.auditor.example",
                "outside": True,
                "state": "failed",
                "size": 0,
                "error": "the witness does not answer",
            },
        ],
        "exports": [
            {"target": "file:/mnt/worm/checkpoints", "state": "written", "error": None},
            {"target": "git:../checkpoints", "state": "failed", "error": "no such folder"},
        ],
        "lamps": {
            "integrity": "unchecked",
            "completeness": "grey",
            "why": "Nothing was recomputed yet. No witness outside this operation has co-signed yet.",
            "integrity_why": "Nothing was recomputed yet since this program started.",
            "completeness_why": "No witness outside this operation has co-signed yet.",
        },
    }


def check_steps(size: int) -> list[Row]:
    return [
        {
            "step": "leaves and tiles",
            "state": "holds",
            "detail": "every entry is what it was",
            "count": size,
        },
        {
            "step": "checkpoints",
            "state": "holds",
            "detail": "signed, and prefixes of one another",
            "count": 2,
        },
        {"step": "witnesses", "state": "not checked", "detail": "none outside has co-signed", "count": 0},
        {"step": "stored steps", "state": "holds", "detail": "each is what its record says", "count": 310},
    ]
