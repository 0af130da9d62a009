"""A verifier of evidence files that shares no line with Tallystick: written from docs/reference/proof-format.md alone.

It has the checks of section 7 but decisions, loops, budgets and readings, which need the engines. A forged file may
end it with any error of reading; ``verify`` makes that a finding of the check that it came from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from second_conduct import Conduct, runs
from second_file import CHECKS, PREDICATES, File, check_format, joined, named_texts
from second_proof import (
    Wrong,
    canonical,
    checkpoint,
    digest,
    folded,
    is_prefix,
    leaf_hash,
    load,
    note,
    path_root,
    root,
    signed_payload,
    statement,
)

HOUR = 3600 * 10**9
READING = (Wrong, KeyError, IndexError, TypeError, ValueError, AttributeError, StopIteration)

__all__ = ["CHECKS", "verify"]


def check_signature(file: File) -> None:
    hold = lambda holds, text: file.hold("signature", holds, text)  # noqa: E731
    trailer, origin = file.by["trailer"][0], file.header["origin"]
    text, signed = note(trailer["note"], file.keys)
    hold(text == f"tallystick.evidence/1\n{trailer['sha256']}\n{trailer['lines']}\n", "the trailer's note")
    hold(any(key.type == 1 and key.name == origin for key in signed), "the trailer is not signed")
    name, _, _, signed = checkpoint(file.by["checkpoint"][0]["note"], [*file.keys, *file.witnesses])
    hold(name == origin, "the checkpoint has another origin")
    for key in file.witnesses:
        hold(key in signed, f"{key.name} has not cosigned")
    for leaf in file.entries("approval.answered"):
        body = leaf["body"]
        payload = signed_payload(body["envelope"], file.keys)
        at = load(payload)["predicate"]["at"]
        named = ("answer", "approval", "binding", "by", "person", "via")
        said = {key: body[key] for key in named if key in body} | {"at": at}
        made = canonical(statement("answer", body["approval"], body["binding"], said))
        hold(payload == made, f"{leaf['id']}: another answer was signed")
        hold(int(at) <= int(leaf["at"]) + HOUR, f"{leaf['id']}: signed after it was written")
    due = [leaf for leaf in file.entries(*PREDICATES) if leaf["body"].get("answer") != "not evaluated"]
    for leaf, line in zip(due, file.by["statement"], strict=False):
        made = canonical(statement(PREDICATES[leaf["kind"]], leaf["id"], leaf_hash(leaf).hex(), leaf["body"]))
        payload = signed_payload(line["envelope"], file.keys)
        file.hold("format", payload == made, f"{leaf['id']}: another statement stands in its place")


def check_inclusion(file: File) -> None:
    _, size, top, _ = checkpoint(file.by["checkpoint"][0]["note"], file.keys)
    line = file.by["inclusion"][0]
    hashed = {leaf["seq"] - 1: leaf_hash(leaf) for leaf in file.leaves}
    file.hold("inclusion", line["size"] == size, "another size")
    file.hold("inclusion", folded(hashed, line["size"], line["hashes"]) == top, "another root")


def check_consistency(file: File) -> None:
    origin, size, top, _ = checkpoint(file.by["checkpoint"][0]["note"], file.keys)
    proved = {(origin, size, top), (origin, 0, root([]))}
    for line in file.by["consistency"]:
        name, old, old_top, _ = checkpoint(line["note"], file.keys)
        hashes = [bytes.fromhex(one) for one in line["hashes"]]
        file.hold("consistency", line["size"] == old and name == origin, "another size or origin")
        file.hold("consistency", is_prefix(old, old_top, size, top, hashes), f"{old} is no prefix")
        proved.add((name, old, old_top))
    for text in file.held:
        file.hold(
            "consistency", checkpoint(text, file.keys)[:3] in proved, "no proof from a given checkpoint"
        )


def check_sequence(file: File) -> None:
    counted: Counter[str] = Counter()
    latest = 0
    for leaf in file.leaves:
        if leaf["run"] in file.header["runs"] and "v" in leaf:
            counted[leaf["run"]] += 1
            file.hold("sequence", leaf["nth"] == counted[leaf["run"]], f"{leaf['id']}: nth")
        file.hold("sequence", int(leaf["at"]) >= latest - HOUR, f"{leaf['id']}: times run back")
        latest = int(leaf["at"])


def opens(salt: str, data: bytes, commitment: str) -> bool:
    return len(salt) == 32 and digest(b"\x02" + bytes.fromhex(salt) + data) == commitment


def check_openings(file: File) -> None:
    hold = lambda holds, text: file.hold("openings", holds, text)  # noqa: E731
    for line in file.by["opening"]:
        hold(
            opens(line["salt"], canonical(line["value"]), line["commitment"]),
            f"{line['commitment']} is not opened",
        )
    for line in [*file.by["text"], *file.by["payload"]]:
        hold(digest(line["text"].encode()) == line["digest"], f"another text than {line['digest']}")
    for line in file.by["source"]:
        hold(digest(canonical(line["value"])) == line["digest"], f"another source than {line['digest']}")
    for line in file.by["record"]:
        if "content" in line:
            hold(opens(line["salt"], joined(file, line), line["leaf"]["content"]), f"record {line['n']}")
    for leaf in file.entries("policy.loaded", "decision.made"):
        hold(set(named_texts(leaf)) <= set(file.texts), f"{leaf['id']} names a text that is not there")


def check_records(file: File) -> None:
    hold = lambda holds, text: file.hold("records", holds, text)  # noqa: E731
    logs: dict[str, list[bytes]] = defaultdict(list)
    whole = {(line["log"], line["n"]) for line in file.by["record"] if "leaf" in line}
    for line in file.by["record"]:
        hold(
            line["log"] in file.header["runs"] and line["n"] == len(logs[line["log"]]), "a record is missing"
        )
        logs[line["log"]].append(leaf_hash(line["leaf"]) if "leaf" in line else bytes.fromhex(line["hash"]))
        if line.get("replaced_by") is not None:
            hold((line["replaced_in"] or line["log"], line["replaced_by"]) in whole, "replaced by nothing")
    ends: Counter[str] = Counter()
    for body in (leaf["body"] for leaf in file.entries("records.accepted")):
        part = logs[body["run"]][body["first"] : body["first"] + body["count"]]
        hold(body["first"] == ends[body["run"]], "a gap between segments")
        hold(len(part) == body["count"] and root(part).hex() == body["root"], "another root of a segment")
        ends[body["run"]] += body["count"]
    hold(all(ends[log] == len(rows) for log, rows in logs.items()), "records that no segment has")
    seals = file.entries("run.sealed", of=file.header["run"])
    hold(
        seals and seals[-1]["body"]["records"] == sum(map(len, logs.values())),
        "the seal counts other records",
    )


def check_conduct(file: File) -> None:
    heard = Conduct(lambda holds, text: file.hold("conduct", holds, text), lambda body: _effect(file, body))
    for leaf in file.leaves:
        if leaf.get("v") == 2:
            heard.hear(leaf)


def _effect(file: File, body: dict[str, Any]) -> str | None:
    declaration = _declaration(file, body)
    return declaration["effect"] if declaration else None


def check_versions(file: File) -> None:
    declared: dict[str, set[str]] = defaultdict(set)
    for leaf in file.leaves:
        body = leaf["body"]
        if leaf["kind"] == "object.declared" and leaf.get("v") == 2:
            made = digest(canonical({key: body[key] for key in ("type", "name", "version", "body")}))
            file.hold("versions", body["digest"] == made, f"{leaf['id']}: another digest")
            if body["type"] == "tool":
                declared[body["name"]].add(body["digest"])
        elif leaf["kind"] == "decision.made" and leaf.get("v") == 2 and declared[body["tool"]]:
            named = _declaration(file, body)
            file.hold(
                "versions", named and named["digest"] in declared[body["tool"]], f"{leaf['id']}: undeclared"
            )


def _declaration(file: File, body: dict[str, Any]) -> Any:
    return load(file.texts[body["declaration"]].encode()) if body["declaration"] else None


def check_charges(file: File) -> None:
    hold = lambda holds, text: file.hold("charges", holds, text)  # noqa: E731
    records = [line["leaf"] for line in file.by["record"] if "leaf" in line]
    steps = {(leaf["trace"], leaf["span"]): leaf["step"] for leaf in records}
    priced = [key for key, step in steps.items() if "cost_nano" in step or "cost_gap" in step]
    charges, cards = (
        file.by["charge"],
        {leaf["body"]["card"]: leaf["body"] for leaf in file.entries("rates.loaded")},
    )
    rows = {line["index"]: line["row"] for line in file.by["price"]}
    tools = _tool_prices(file)
    order = [priced.index((one["leaf"]["trace"], one["leaf"]["span"])) for one in charges]
    hold(order == sorted(set(order)), "the order of charges")
    for line in charges:
        leaf = line["leaf"]
        step = steps[leaf["trace"], leaf["span"]]
        hold(
            (step.get("cost_nano"), step.get("cost_gap")) == (leaf["nano"], leaf["gap"]),
            "not its record's cost",
        )
        if leaf["span"] in tools:
            hold(leaf["nano"] == tools[leaf["span"]], "not the declared price of the tool")
        if line["price"] is not None:
            hold(_follows(line, rows[line["price"]], step), f"the charge of {leaf['span']} does not follow")
    last = (file.entries("run.charged", of=file.header["run"]) or [None])[-1]
    hold(last, "nothing says what the run cost")
    if last:
        known = [one["leaf"]["nano"] for one in charges if one["leaf"]["nano"] is not None]
        made = (len(charges), root([leaf_hash(one["leaf"]) for one in charges]).hex(), sum(known))
        body = last["body"]
        hold(made == (body["rows"], body["root"], body["known_nano"]), "rows, root or sum")
        hold(body["unknown"] == len(charges) - len(known), "the count of unknown costs")
        for line in file.by["price"]:
            path, size = [bytes.fromhex(one) for one in line["path"]], line["size"]
            top = path_root(leaf_hash(line["row"]), line["index"], size, path).hex()
            hold(
                top == line["card"] == body["card"] and cards[top]["rows"] == size, "a row is not in the card"
            )


def _tool_prices(file: File) -> dict[str, int]:
    """What the spans of tools that the guard let run cost."""
    prices: dict[str, int] = {}
    for leaf in file.entries("decision.made"):
        declaration = _declaration(file, leaf["body"])
        if runs(leaf["body"]) and declaration and declaration["price_nano"] is not None:
            prices[leaf["body"]["step"]] = declaration["price_nano"]
    return prices


def _follows(line: dict[str, Any], row: dict[str, Any], step: dict[str, Any]) -> bool:
    """Buckets from usage, rates from a row with one price that holds always, and the charge from both."""
    counts, rates, usage = line["buckets"], dict(line["rates"]), step["usage"]
    if len(row["prices"]) == 1 and not set(row["prices"][0]) - {"in", "out", "read", "write"}:
        names = {"in": "fresh", "out": "output", "read": "read", "write": "write"}
        if any(rates[names[key]] != rate for key, rate in row["prices"][0].items()):
            return False
    for name, plain in (("read", "fresh"), ("write", "fresh"), ("reasoning", "output")):
        rates[name] = rates[plain] if rates[name] is None else rates[name]
    pico = rates["call"] + sum(counts[one] * (rates[one] or 0) for one in counts)
    parts = {"read": "cache_read_tokens", "write": "cache_write_tokens", "reasoning": "reasoning_tokens"}
    if any(counts[name] != usage.get(part, 0) for name, part in parts.items()) or min(counts.values()) < 0:
        return False
    given = usage["input_tokens"], usage.get("output_tokens", 0)
    made = counts["fresh"] + counts["read"] + counts["write"], counts["output"] + counts["reasoning"]
    return (
        given == made
        and int(Decimal(pico).scaleb(-3).to_integral_value(ROUND_HALF_EVEN)) == line["leaf"]["nano"]
    )


ALL: tuple[Callable[[File], None], ...] = (
    check_format, check_signature, check_inclusion, check_consistency, check_sequence, check_openings, check_records,
    check_conduct, check_versions, check_charges,
)  # fmt: skip


def verify(
    data: bytes, keys: Iterable[str], held: Sequence[str] = (), witnesses: Iterable[str] = ()
) -> dict[str, list[str]]:
    """The findings of each check that has one.

    ``keys`` and ``witnesses`` are verifier keys of the log and of who must have cosigned; ``held`` are notes of
    earlier checkpoints.
    """
    try:
        file = File(data, keys, held, witnesses)
    except READING as error:
        return {"format": [repr(error)]}
    for check in ALL:
        try:
            check(file)
        except READING as error:
            file.hold(check.__name__.removeprefix("check_"), False, repr(error))
    return {name: found for name, found in file.findings.items() if found}
