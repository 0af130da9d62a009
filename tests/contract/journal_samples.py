"""Drafts of every kind that leaves something behind, and a store full of them."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from registry_samples import some_registry

from tallystick.model.canonical import digest_bytes
from tallystick.model.commitment import Content
from tallystick.model.journal import Draft
from tallystick.ports import ControlStore

FAR = "1800000000000000000"


def salted(value: Any, number: int, **more: Any) -> Content:
    return Content(value, number.to_bytes(16, "big"), **more)


def decision(number: int, run: str | None, text: str | None = None, **arguments: Content) -> Draft:
    body = {"decision": f"dec_{number}", "run": run, "tool": "refund", "arguments": arguments, "answer": "allow",
            "declaration": digest_bytes(text.encode()) if text else None}  # fmt: skip
    return Draft("decision.made", f"dec_{number}", body, run=run, actor="refunds", texts=given(text))


def given(*texts: str | None) -> dict[str, str]:
    return {digest_bytes(text.encode()): text for text in texts if text}


def policy(*texts: str, tools: str = "[]") -> Draft:
    files = [{"name": f"p{n}.cedar", "text": digest_bytes(text.encode())} for n, text in enumerate(texts)]
    body = {"state": "enforced", "digest": "d" * 64, "files": files, "tools": digest_bytes(tools.encode()),
            "evaluator": "e", "problem": None}  # fmt: skip
    return Draft("policy.loaded", "d" * 64, body, texts=given(*texts, tools))


def accepted(run: str, first: int, count: int) -> Draft:
    body = {"run": run, "first": first, "count": count, "root": "ab" * 32}
    return Draft("records.accepted", run, body, run=run)


def asked(name: str, run: str, note: Any, number: int) -> list[Draft]:
    """An approval that is asked for, answered with a note and used."""
    body = {"approval": name, "decision": "dec_1", "run": run, "agent": "refunds", "tool": "refund",
            "arguments": {"amount": salted("900.00", number), "to": salted({"iban": f"DE{number}"}, number + 1)},
            "binding": "b" * 64, "group": "finance", "because": None, "expires_ns": FAR}  # fmt: skip
    said = {
        "approval": name,
        "answer": "approved",
        "by": "ann",
        "note": salted(note, number + 2),
        "binding": "b" * 64,
    }
    return [
        Draft("approval.requested", name, body, run=run),
        Draft("approval.answered", name, said, run=run, actor="ann"),
        Draft("approval.consumed", name, {"approval": name, "binding": "b" * 64}, run=run),
    ]


def note_of(control: ControlStore, *names: str) -> tuple[int, str]:
    """A checkpoint of the journal as it is, with a signature line for each name (nobody checks them here)."""
    size, root = control.head()
    lines = "".join(f"— {name} {b64encode(name.encode() * 12).decode()}\n" for name in names or ("log",))
    return size, f"tallystick.test/1\n{size}\n{b64encode(root).decode()}\n\n{lines}"


def fill(control: ControlStore, entries: int) -> None:
    """At least ``entries`` entries of many kinds in several runs, with views, texts, openings and checkpoints."""
    control.append([policy("permit(a);", "forbid(b);")])
    for name in ("agent:refunds", "run:*", "tool:refund"):
        body = {"budget": name, "scope": name, "limit_nano": 10**12, "mode": "hard"}
        control.append([Draft("budget.set", name, body)])
    number = 0
    while control.head()[0] < entries:
        number += 1
        run = f"{number % 7:032x}"
        declared = {
            "type": "tool",
            "name": f"t{number}",
            "digest": "d" * 64,
            "version": None,
            "body": {"n": [1, None]},
        }
        held = {"hold": f"h{number}", "amount_nano": 5 + number, "scopes": ["agent:refunds", f"run:{run}"], "run": run,
                "for": "step", "expires_ns": FAR}  # fmt: skip
        control.append(some_registry(number))
        control.append(
            [
                decision(number, run, f"tool {number % 3}", amount=salted(number, number), big=salted(
                    "x" * 9, number, keep=False, why="too large")),
                *asked(f"apr_{number}", run, f"note {number}", 10 * number),
                Draft("object.declared", f"tool:t{number}", declared),
                Draft("hold.taken", f"h{number}", held, run=run),
                accepted(run, 3 * ((number - 1) // 7), 3),
            ]
        )  # fmt: skip
        if number % 2:
            paid = {"hold": f"h{number}", "spent_nano": 4, "basis": "reported"}
            control.append([Draft("hold.settled", f"h{number}", paid, run=run)])
        if number % 5 == 0:
            stop = {"run": run, "by": "loop", "reason": "x", "detail": {"calls": number}}
            control.append([Draft("run.stopped", run, stop, run=run)])
            control.add_checkpoint(*note_of(control, "log", "witness"))
        if number % 6 == 0:
            control.erase([control.head()[0] - 6])
