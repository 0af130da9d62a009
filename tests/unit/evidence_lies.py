"""Lies that are told consistently: everything that a forger with the log's own key can make agree, he made agree.

What is left are contradictions between two parts of the record, and each has a check that reads both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evidence_forgeries import decision, entry, renumbered
from evidence_house import Lines, of_kind

from tallystick.model.canonical import canonical_json
from tallystick.proof.merkle import leaf_hash, root_of
from tallystick.proof.verify.approvals import call_digest

Leaf = dict[str, Any]


def leave_out(lines: Lines, gone: Callable[[Leaf], bool]) -> None:
    """Entries taken out with their openings, and everything else numbered anew."""
    kept: Lines = []
    keep = True
    opened: set[str] = set()
    for line in lines:
        if line["line"] == "entry":
            keep = not gone(line["leaf"])
        elif line["line"] not in ("opening", "withheld"):
            keep = True
        if keep:
            kept.append(line)
    needed = canonical_json([line["leaf"] for line in of_kind(kept, "entry")]).decode()
    for line in kept:
        opened.update([line["commitment"]] if line["line"] == "opening" else [])
    lines[:] = kept
    missing = [
        line for line in of_kind(lines, "opening") if line["commitment"] not in needed
    ]  # fmt: skip
    for line in missing:
        lines.remove(line)
    renumbered(lines, [line["leaf"] for line in of_kind(lines, "entry")])


def reopened(lines: Lines, openings: Lines) -> None:
    """Openings that went with the entry that needed them first stand behind the first one that needs them now."""
    for opening in openings:
        named = opening["commitment"]
        if any(line.get("commitment") == named for line in lines):
            continue
        at = next(
            (
                place for place, line in enumerate(lines)
                if line["line"] == "entry" and named in canonical_json(line["leaf"]).decode()
            ),
            None,
        )  # fmt: skip
        if at is not None:
            lines.insert(at + 1, opening)


def without(lines: Lines, gone: Callable[[Leaf], bool]) -> None:
    """``leave_out``, with every opening still where it is needed."""
    openings = [dict(line) for line in of_kind(lines, "opening")]
    leave_out(lines, gone)
    reopened(lines, openings)


def rerecorded(lines: Lines) -> None:
    """The segment's root made to agree with the records."""
    hashes = [
        leaf_hash(canonical_json(line["leaf"])) if "leaf" in line else bytes.fromhex(line["hash"])
        for line in of_kind(lines, "record")
    ]
    entry(lines, "records.accepted")["body"]["root"] = root_of(hashes).hex()


def recharged(lines: Lines) -> None:
    """Root, rows and sums made to agree with the charges."""
    charges = [line["leaf"] for line in of_kind(lines, "charge")]
    body = entry(lines, "run.charged")["body"]
    body["root"] = root_of(leaf_hash(canonical_json(one)) for one in charges).hex()
    body["rows"] = len(charges)
    body["known_nano"] = sum(one["nano"] or 0 for one in charges)
    body["unknown"] = sum(one["nano"] is None for one in charges)


def let_through(lines: Lines) -> Leaf:
    """The decision that an approval let through."""
    return decision(lines, tool="refund", answer="allow", approved=["finance"])


# ── conduct ─────────────────────────────────────────────────────────────────────────────────────────────────────


def said_to_be_harmless(lines: Lines) -> None:
    """The start of an effect left out, and its end says that the tool only reads."""
    started = entry(lines, "effect.started")["body"]["effect"]
    without(lines, lambda leaf: leaf["kind"] == "effect.started" and leaf["body"]["effect"] == started)
    for line in of_kind(lines, "entry", "effect.ended"):
        if line["leaf"]["body"]["effect"] == started:
            line["leaf"]["body"]["effect_class"] = "read"


def another_tool_ended(lines: Lines) -> None:
    entry(lines, "effect.ended")["body"]["tool"] = "peek"


def approved_by_nobody(lines: Lines) -> None:
    """A decision that counts finance's yes, and nobody in the journal was ever asked."""
    leaf = let_through(lines)
    approval = leaf["body"]["approval"]
    step = leaf["body"]["step"]
    leaf["body"]["approval"] = None
    entry(lines, "effect.started", 1)["body"]["binding"] = None
    without(
        lines,
        lambda leaf: (
            leaf["subject"] == approval
            or (
                leaf["kind"] == "decision.made"
                and leaf["body"]["step"] == step
                and leaf["body"]["answer"] == "hold"
            )
        ),
    )


def more_groups_than_asked(lines: Lines) -> None:
    let_through(lines)["body"]["approved"] = ["board", "finance"]


def answered_withheld(lines: Lines) -> None:
    """A refusal turned around where nobody can make it again: its arguments are withheld."""
    leaf = decision(lines, tool="refund", answer="deny", stage="policy")
    for one in leaf["body"]["arguments"].values():
        hide(lines, one["commitment"])
    leaf["body"]["answer"] = "allow"


def hide(lines: Lines, commitment: str) -> None:
    for place, line in enumerate(lines):
        if line["line"] == "opening" and line["commitment"] == commitment:
            lines[place] = {"line": "withheld", "commitment": commitment, "why": "erased"}


def another_call_of_the_step(lines: Lines) -> None:
    """What was held runs under other commitments, which are withheld: no decision held *that* call."""
    leaf = let_through(lines)["body"]
    approval = leaf["approval"]
    without(lines, lambda one: one["subject"] == approval)
    leaf = let_through(lines)["body"]
    leaf["arguments"] = {name: {"commitment": f"{at:064x}"} for at, name in enumerate(leaf["arguments"])}
    leaf.update(approval=None, approved=[], call=call_digest(leaf))
    at = next(place for place, line in enumerate(lines) if line.get("leaf", {}).get("body") is leaf)
    for one in reversed(leaf["arguments"].values()):
        lines.insert(at + 1, {"line": "withheld", "commitment": one["commitment"], "why": "erased"})
    started = entry(lines, "effect.started", 1)["body"]
    started.update(call=leaf["call"], binding=None)


def ran_twice(lines: Lines) -> None:
    """A second call came back under the decision that let one run."""
    first, second = (entry(lines, "effect.ended", number)["body"] for number in (3, 4))
    assert first["effect_class"] == second["effect_class"] == "read"
    second["decision"] = first["decision"]


def effect_left_out(lines: Lines) -> None:
    """A refund was allowed, and the journal has neither its start nor its end."""
    effect = entry(lines, "effect.started", 1)["body"]["effect"]
    without(lines, lambda leaf: leaf["subject"] == effect)


def nobody_was_asked(lines: Lines) -> None:
    """The second call that was held: question and answer left out, as if it had only been refused."""
    approval = entry(lines, "approval.requested", 1)["body"]["approval"]
    without(lines, lambda leaf: leaf["subject"] == approval)
    decision(lines, answer="deny", stage="approval")["body"]["approval"] = None


def stop_of_another_run(lines: Lines) -> None:
    entry(lines, "run.stopped")["body"]["run"] = "other"


def stop_without_cause(lines: Lines) -> None:
    """A stop by the loop rules, which never stopped anything."""
    entry(lines, "run.stopped")["body"]["detail"]["decision"] = decision(lines, tool="look")["body"][
        "decision"
    ]


def decided_later_than_written(lines: Lines) -> None:
    body = decision(lines, tool="refund", answer="deny", stage="policy")["body"]
    body["at"] = str(int(body["at"]) + 2 * 3_600_000_000_000)


def old_in_the_middle(lines: Lines) -> None:
    """A decision written as if before version 2, where nothing is checked."""
    leaf = decision(lines, tool="refund", answer="deny", stage="policy")
    del leaf["v"], leaf["nth"]
    leaf["previous"] = "0" * 64
    nth = leaf["seq"] - 4
    for line in of_kind(lines, "entry"):
        if line["leaf"]["seq"] > leaf["seq"] and line["leaf"]["run"] is not None:
            line["leaf"]["nth"] -= 1
    assert nth > 0


# ── records against the journal ─────────────────────────────────────────────────────────────────────────────────


def ran_without_a_decision(lines: Lines) -> None:
    """Decision, hold and effect of a refund left out; its record says that it was allowed and landed."""
    effect = entry(lines, "effect.started")["body"]
    made = next(
        line["leaf"]["body"] for line in of_kind(lines, "entry", "decision.made")
        if line["leaf"]["body"]["decision"] == effect["decision"]
    )  # fmt: skip
    gone = {effect["decision"], effect["effect"], made["hold"]}
    without(lines, lambda leaf: leaf["subject"] in gone)
    for line in of_kind(lines, "entry"):
        body = line["leaf"]["body"]
        if line["leaf"]["kind"] in ("decision.made", "effect.ended") and body["loop"]:
            body["loop"]["turn"] -= 2 if body["loop"]["turn"] > 2 else 0


def refusal_left_out(lines: Lines) -> None:
    """The last refusal of the loop rules before the stop is not in the journal."""
    number = decision(lines, tool="look", answer="deny")["body"]["decision"]
    without(lines, lambda leaf: leaf["subject"] == number)
    for line in of_kind(lines, "entry", "decision.made"):
        body = line["leaf"]["body"]
        if body["loop"] and body["loop"]["rung"] == "stopped":
            body["loop"].update(turn=16, repeats=4, rung="refused")


def outcome_is_another(lines: Lines) -> None:
    """The journal says that a refund did not happen, and the record that it landed."""
    body = next(
        line["leaf"]["body"] for line in of_kind(lines, "entry", "effect.ended")
        if line["leaf"]["body"]["tool"] == "refund"
    )  # fmt: skip
    body["outcome"] = "did not happen"


def seal_says_no_denials(lines: Lines) -> None:
    entry(lines, "run.sealed")["body"]["denials"] = 0


def seal_says_fewer_steps(lines: Lines) -> None:
    """A record hidden behind a later one, which takes its place only by name."""
    records = list(of_kind(lines, "record"))
    hidden = records[7]
    hashed = leaf_hash(canonical_json(hidden["leaf"])).hex()
    place = lines.index(hidden)
    lines[place] = {
        "line": "record", "log": hidden["log"], "n": hidden["n"], "hash": hashed, "replaced_by": 12, "replaced_in": None
    }  # fmt: skip


# ── loops ───────────────────────────────────────────────────────────────────────────────────────────────────────


def loops_not_told(lines: Lines) -> None:
    """Nothing of the loop rules is in the journal at all."""
    for line in of_kind(lines, "entry"):
        if "loop" in line["leaf"]["body"] and line["leaf"]["body"].get("stage") != "loop":
            line["leaf"]["body"]["loop"] = None


def loop_print_is_another(lines: Lines) -> None:
    """Each repeated call under a print of its own, so that the loop rules see no repeats."""
    for number, line in enumerate(of_kind(lines, "entry", "decision.made")):
        loop = line["leaf"]["body"]["loop"]
        if loop and loop["rung"] in ("marked", "warned"):
            for other in of_kind(lines, "entry", "effect.ended"):
                told = other["leaf"]["body"]
                if told["decision"] == line["leaf"]["body"]["decision"]:
                    told["loop"]["call"] = f"{number:032x}"
            loop.update(call=f"{number:032x}", rule="", rung="clear", repeats=0)


# ── money ───────────────────────────────────────────────────────────────────────────────────────────────────────


def cost_left_out(lines: Lines) -> None:
    """A model call is not charged; root, rows and sum agree."""
    charged = [line for line in of_kind(lines, "charge") if line["price"] is not None]
    lines.remove(charged[0])
    recharged(lines)


def price_left_out(lines: Lines) -> None:
    """A priced tool's record has no cost, and no charge; its content is withheld."""
    charge = next(line for line in of_kind(lines, "charge") if line["price"] is None)
    lines.remove(charge)
    for line in of_kind(lines, "record"):
        if line["leaf"]["span"] == charge["leaf"]["span"]:
            del line["leaf"]["step"]["cost_nano"], line["salt"], line["content"]
            line["withheld"] = "erased"
    recharged(lines)
    rerecorded(lines)


def hold_of_nobody(lines: Lines) -> None:
    decision(lines, tool="refund", answer="allow", approved=[])["body"]["hold"] = "hld_other"


def hold_too_small(lines: Lines) -> None:
    """A priced tool's hold is smaller than its price."""
    hold = let_through(lines)["body"]["hold"]
    next(
        line["leaf"]["body"] for line in of_kind(lines, "entry", "hold.taken")
        if line["leaf"]["body"]["hold"] == hold
    )["amount_nano"] = 1  # fmt: skip


def landed_and_not_paid(lines: Lines) -> None:
    """A refund landed, and its hold was given back."""
    hold = let_through(lines)["body"]["hold"]
    next(
        line["leaf"]["body"] for line in of_kind(lines, "entry", "hold.settled")
        if line["leaf"]["body"]["hold"] == hold
    ).update(spent_nano=0, basis="released")  # fmt: skip


LIES: list[tuple[Callable[[Lines], None], str]] = [
    (said_to_be_harmless, "conduct"), (another_tool_ended, "conduct"), (approved_by_nobody, "conduct"),
    (more_groups_than_asked, "conduct"), (answered_withheld, "conduct"), (another_call_of_the_step, "conduct"),
    (stop_of_another_run, "conduct"), (stop_without_cause, "conduct"), (decided_later_than_written, "sequence"),
    (old_in_the_middle, "sequence"), (ran_without_a_decision, "conduct"), (refusal_left_out, "conduct"),
    (outcome_is_another, "conduct"), (seal_says_no_denials, "records"), (seal_says_fewer_steps, "records"),
    (loops_not_told, "loops"), (loop_print_is_another, "loops"), (cost_left_out, "charges"),
    (ran_twice, "conduct"), (effect_left_out, "conduct"), (nobody_was_asked, "conduct"), (price_left_out, "charges"),
    (hold_of_nobody, "budgets"), (hold_too_small, "budgets"), (landed_and_not_paid, "budgets"),
]  # fmt: skip
