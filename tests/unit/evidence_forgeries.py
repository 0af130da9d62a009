"""Forgeries of an evidence file by somebody who has the log's own key, and the check that finds each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evidence_house import Lines, lines_of, of_kind

from tallystick.model.canonical import canonical_json
from tallystick.model.commitment import commitment
from tallystick.proof.merkle import leaf_hash, root_of


def entry(lines: Lines, kind: str, number: int = 0) -> dict[str, Any]:
    return list(of_kind(lines, "entry", kind))[number]["leaf"]


def decision(lines: Lines, **wanted: Any) -> dict[str, Any]:
    return next(
        line["leaf"] for line in of_kind(lines, "entry", "decision.made")
        if all(line["leaf"]["body"][key] == value for key, value in wanted.items())
    )  # fmt: skip


def drop(lines: Lines, leaf: dict[str, Any]) -> None:
    """Take an entry and its openings out."""
    at = next(place for place, line in enumerate(lines) if line.get("leaf") is leaf)
    del lines[at]
    while lines[at]["line"] in ("opening", "withheld"):
        del lines[at]


def flip_answer(lines: Lines) -> None:
    decision(lines, tool="refund", answer="deny", stage="policy")["body"]["answer"] = "allow"


def other_reason(lines: Lines) -> None:
    decision(lines, tool="refund", answer="allow")["body"]["reasons"] = ["policies/desk.cedar:99"]


def policy_was_another(lines: Lines) -> None:
    text = next(line for line in of_kind(lines, "text") if "permit" in line["text"])
    text["text"] = text["text"].replace("100.00", "900.00")


def other_version(lines: Lines) -> None:
    entry(lines, "object.declared")["body"]["version"] = "9.9"


def drop_policy(lines: Lines) -> None:
    drop(lines, entry(lines, "policy.loaded"))


def other_argument(lines: Lines) -> None:
    next(line for line in of_kind(lines, "opening") if line["value"] == "400.00")["value"] = "4.00"


def committed_argument(lines: Lines) -> None:
    """Another amount, with a commitment that fits it, wherever that commitment stands."""
    opening = next(line for line in of_kind(lines, "opening") if line["value"] == "-1")
    old = opening["commitment"]
    opening["value"] = "1"
    new = commitment(canonical_json("1"), bytes.fromhex(opening["salt"]))
    for place, line in enumerate(lines):
        if line["line"] in ("entry", "opening"):
            text = canonical_json(line).replace(old.encode(), new.encode())
            lines[place] = lines_of(text)[0]


def drop_middle(lines: Lines) -> None:
    drop(lines, entry(lines, "effect.ended", 1))


def drop_last(lines: Lines) -> None:
    drop(lines, entry(lines, "run.charged"))


def drop_seal(lines: Lines) -> None:
    drop(lines, entry(lines, "run.charged"))
    drop(lines, entry(lines, "run.sealed"))


def time_runs_back(lines: Lines) -> None:
    entry(lines, "effect.ended", 3)["at"] = "1"


def start_without_allow(lines: Lines) -> None:
    leaf, refusal = entry(lines, "effect.started"), decision(lines, answer="deny", tool="refund")
    leaf["body"]["decision"], leaf["body"]["call"] = refusal["body"]["decision"], refusal["body"]["call"]


def start_another_call(lines: Lines) -> None:
    entry(lines, "effect.started")["body"]["call"] = "0" * 64


def start_twice(lines: Lines) -> None:
    first, second = (line["leaf"]["body"] for line in of_kind(lines, "entry", "effect.started"))
    second["effect"] = first["effect"]


def end_unstarted(lines: Lines) -> None:
    ended = next(
        line["leaf"]["body"] for line in of_kind(lines, "entry", "effect.ended")
        if line["leaf"]["body"]["effect_class"] == "irreversible"
    )  # fmt: skip
    ended["effect"] = "eff_other"


def end_called_read(lines: Lines) -> None:
    """An irreversible call that says it only read, so that nobody misses its start."""
    end_unstarted(lines)
    next(
        line["leaf"]["body"] for line in of_kind(lines, "entry", "effect.ended")
        if line["leaf"]["body"]["effect"] == "eff_other"
    )["effect_class"] = "read"  # fmt: skip


def end_of_another_tool(lines: Lines) -> None:
    entry(lines, "effect.ended")["body"]["tool"] = "refund"


def bound_without_approval(lines: Lines) -> None:
    entry(lines, "effect.started")["body"]["binding"] = "0" * 64


def refused_under_permissive(lines: Lines) -> None:
    """A call that a loop rule refused under a permissive set, and that ran all the same under another decision."""
    refused = decision(lines, stage="loop")
    ran = next(
        line["leaf"] for line in of_kind(lines, "entry", "decision.made")
        if line["leaf"]["body"]["tool"] == "look" and line["leaf"]["body"]["answer"] == "allow"
        and line["leaf"]["seq"] > decision(lines, tool="look")["seq"]
    )  # fmt: skip
    for key in ("step", "arguments", "call"):
        refused["body"][key] = ran["body"][key]
    for leaf in (refused, ran):
        leaf["body"]["policy_state"] = "permissive"
    places = [place for place, line in enumerate(lines) if line.get("leaf") in (refused, ran)]
    openings = [lines[place + 1] for place in places]
    order = [line["leaf"] for line in of_kind(lines, "entry")]
    order.remove(refused)
    order.insert(order.index(ran), refused)
    lines.remove(openings[1])
    renumbered(lines, order)
    lines.remove(openings[0])
    lines.insert(
        next(place for place, line in enumerate(lines) if line.get("leaf") is refused) + 1, openings[0]
    )


def price_twice(lines: Lines) -> None:
    line = next(of_kind(lines, "price"))
    lines.insert(lines.index(line), dict(line))


def policy_of_nobody(lines: Lines) -> None:
    """A policy set that no decision names stands among the entries."""
    entry(lines, "rates.loaded").update(
        kind="policy.loaded",
        body=dict(entry(lines, "policy.loaded")["body"], digest="0" * 64),
        subject="0" * 64,
    )
    body = entry(lines, "run.charged")["body"]
    body["card"] = None


def approval_unanswered(lines: Lines) -> None:
    entry(lines, "approval.answered")["body"]["approval"] = "apr_other"


def approval_rejected(lines: Lines) -> None:
    entry(lines, "approval.answered")["body"]["answer"] = "rejected"


def approval_for_another(lines: Lines) -> None:
    entry(lines, "approval.consumed")["body"]["binding"] = "0" * 64


def approval_expired(lines: Lines) -> None:
    entry(lines, "approval.requested")["body"]["expires_ns"] = "1"


def approval_not_used(lines: Lines) -> None:
    """The held call runs under a decision that names no approval."""
    decision(lines, tool="refund", answer="allow", approved=["finance"])["body"]["approval"] = None


def ran_after_the_stop(lines: Lines) -> None:
    """The run was stopped before its last effect, and then everything else was renumbered to fit."""
    leaf = entry(lines, "run.stopped")
    first = min(line["leaf"]["seq"] for line in of_kind(lines, "entry", "effect.started"))
    leaf["at"] = "1789999999999999999"
    kinds = [line["leaf"]["kind"] for line in of_kind(lines, "entry")]
    assert kinds.index("run.stopped") > kinds.index("effect.started")
    order = [line["leaf"] for line in of_kind(lines, "entry")]
    order.remove(leaf)
    order.insert(first - 1, leaf)
    renumbered(lines, order)


def renumbered(lines: Lines, order: list[dict[str, Any]]) -> None:
    openings: dict[str, Lines] = {}
    last = ""
    for line in lines:
        if line["line"] == "entry":
            last = line["leaf"]["id"]
            openings[last] = []
        elif line["line"] == "opening":
            openings[last].append(line)
    nth = 0
    block: Lines = []
    for seq, leaf in enumerate(order, 1):
        leaf["seq"] = seq
        if leaf["run"] is not None:
            nth += 1
            leaf["nth"] = nth
        block += [{"line": "entry", "leaf": leaf}, *openings[leaf["id"]]]
    start = next(place for place, line in enumerate(lines) if line["line"] == "entry")
    lines[start : start + len(block)] = block


def loop_not_refused(lines: Lines) -> None:
    leaf = next(
        line["leaf"] for line in of_kind(lines, "entry", "decision.made")
        if (line["leaf"]["body"]["loop"] or {}).get("rung") == "warned"
    )  # fmt: skip
    leaf["body"]["loop"]["rung"] = "clear"


def loop_answer_hidden(lines: Lines) -> None:
    ended = [
        line["leaf"]["body"]
        for line in of_kind(lines, "entry", "effect.ended")
        if line["leaf"]["body"]["loop"]
    ]
    ended[-1]["loop"]["answer"] = "00" * 16


def loop_turn_dropped(lines: Lines) -> None:
    entry(lines, "effect.ended", 4)["body"]["loop"] = None


def hold_too_large(lines: Lines) -> None:
    entry(lines, "hold.taken")["body"]["amount_nano"] = 10**12


def settled_twice(lines: Lines) -> None:
    first, second = (entry(lines, "hold.settled", number)["body"] for number in (0, 1))
    second["hold"] = first["hold"]


def budget_unknown(lines: Lines) -> None:
    entry(lines, "budget.set")["body"]["scope"] = "run:other"


def cheaper_charge(lines: Lines) -> None:
    """A charge, the record's cost and the total, all made to agree; only what was bought does not."""
    charge = next(line for line in of_kind(lines, "charge") if line["price"] is not None)
    charge["leaf"]["nano"] -= 1_000
    _recharge(lines)


def cheaper_tool(lines: Lines) -> None:
    """The same for a tool whose price is declared."""
    charge = next(line for line in of_kind(lines, "charge") if line["price"] is None and line["leaf"]["nano"])
    charge["leaf"]["nano"] -= 1_000
    _recharge(lines)


def total_is_another(lines: Lines) -> None:
    entry(lines, "run.charged")["body"]["known_nano"] -= 1


def rate_is_another(lines: Lines) -> None:
    charge = next(line for line in of_kind(lines, "charge") if line["price"] is not None)
    charge["rates"]["output"] -= 1


def row_is_another(lines: Lines) -> None:
    next(of_kind(lines, "price"))["row"]["prices"][0]["out"] -= 1


def drop_charge(lines: Lines) -> None:
    lines.remove(next(of_kind(lines, "charge")))


def _recharge(lines: Lines) -> None:
    charges = [line["leaf"] for line in of_kind(lines, "charge")]
    body = entry(lines, "run.charged")["body"]
    body["root"] = root_of(leaf_hash(canonical_json(one)) for one in charges).hex()
    body["known_nano"] = sum(one["nano"] for one in charges)


def record_swapped(lines: Lines) -> None:
    one, two = list(of_kind(lines, "record"))[1:3]
    for key in ("leaf", "content", "salt"):
        one[key], two[key] = two[key], one[key]


def record_dropped(lines: Lines) -> None:
    lines.remove(list(of_kind(lines, "record"))[-1])


def record_changed(lines: Lines) -> None:
    next(of_kind(lines, "record"))["leaf"]["started"] = "1"


def record_reads_otherwise(lines: Lines) -> None:
    """The step of a record says another tool, and the segment's root was made to agree."""
    next(line for line in of_kind(lines, "record") if line["leaf"]["step"].get("tool"))["leaf"]["step"][
        "tool"
    ] = "x"
    leaves = [leaf_hash(canonical_json(line["leaf"])) for line in of_kind(lines, "record")]
    entry(lines, "records.accepted")["body"]["root"] = root_of(leaves).hex()


def content_changed(lines: Lines) -> None:
    line = next(line for line in of_kind(lines, "record") if isinstance(line["content"][0], str))
    line["content"][0] = line["content"][0].replace("a", "b", 1)


def seal_counts_fewer(lines: Lines) -> None:
    entry(lines, "run.sealed")["body"]["records"] -= 1


def answer_unsigned(lines: Lines) -> None:
    entry(lines, "approval.answered")["body"]["envelope"] = None


def answered_by_another(lines: Lines) -> None:
    entry(lines, "approval.answered")["body"]["by"] = "eve"


def statement_dropped(lines: Lines) -> None:
    lines.remove(next(of_kind(lines, "statement")))


def stop_not_due(lines: Lines) -> None:
    body = entry(lines, "run.stopped")["body"]
    run = entry(lines, "run.stopped")["run"]
    body["by"] = "budget"
    body["detail"] = {"scope": f"run:{run}", "needed_nano": 1, "limit_nano": 10**9}


FORGERIES: list[tuple[Callable[[Lines], None], str]] = [
    (flip_answer, "decisions"), (other_reason, "decisions"), (policy_was_another, "openings"),
    (drop_policy, "decisions"), (other_argument, "openings"), (committed_argument, "conduct"),
    (other_version, "versions"), (drop_middle, "sequence"), (drop_last, "charges"),
    (drop_seal, "records"), (time_runs_back, "sequence"),
    (start_without_allow, "conduct"), (start_another_call, "conduct"), (start_twice, "conduct"),
    (end_unstarted, "conduct"), (end_called_read, "conduct"), (end_of_another_tool, "conduct"),
    (bound_without_approval, "conduct"), (refused_under_permissive, "conduct"), (price_twice, "format"),
    (policy_of_nobody, "format"), (approval_unanswered, "conduct"), (approval_rejected, "conduct"),
    (approval_for_another, "conduct"), (approval_expired, "conduct"), (approval_not_used, "conduct"),
    (ran_after_the_stop, "conduct"), (loop_not_refused, "loops"), (loop_answer_hidden, "loops"),
    (loop_turn_dropped, "loops"), (hold_too_large, "budgets"), (settled_twice, "budgets"),
    (budget_unknown, "budgets"), (stop_not_due, "budgets"), (cheaper_charge, "charges"), (cheaper_tool, "charges"),
    (total_is_another, "charges"), (rate_is_another, "charges"), (row_is_another, "charges"),
    (drop_charge, "charges"), (record_swapped, "records"), (record_dropped, "records"),
    (record_changed, "records"), (record_reads_otherwise, "readings"), (content_changed, "openings"),
    (seal_counts_fewer, "records"), (answer_unsigned, "signature"), (answered_by_another, "signature"),
]  # fmt: skip
