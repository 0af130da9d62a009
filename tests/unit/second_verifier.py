"""A verifier of evidence files that shares no line with Tallystick: written from docs/reference/proof-format.md alone.

It has the checks of section 7 but decisions, loops, budgets and readings, which need the engines. A forged file may
end it with any error of reading; ``verify`` makes that a finding of the check that it came from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from second_conduct import Conduct, runs
from second_proof import (
    Key,
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
)  # fmt: skip

HOUR = 3600 * 10**9
READING = (Wrong, KeyError, IndexError, TypeError, ValueError, AttributeError, StopIteration)
CHECKS = (
    "format", "signature", "inclusion", "consistency", "sequence", "openings", "records", "conduct", "versions",
    "charges",
)  # fmt: skip
FIELDS = {
    "header": ["format origin run runs made by redacted"],
    "text": ["digest text"], "price": ["card index size row path"], "entry": ["leaf"],
    "opening": ["commitment salt value"], "withheld": ["commitment why"],
    "payload": ["digest text"], "source": ["digest value"],
    "record": ["log n leaf salt content", "log n leaf withheld", "log n hash replaced_by replaced_in"],
    "charge": ["leaf buckets rates price"], "inclusion": ["size hashes"],
    "consistency": ["size hashes note"], "checkpoint": ["note"], "statement": ["envelope"],
    "trailer": ["lines sha256 note"],
}  # fmt: skip
ORDER = (
    "header", "text", "price", "entry opening withheld", "payload source record", "charge", "inclusion",
    "consistency", "checkpoint", "statement", "trailer",
)  # fmt: skip
RANK = {kind: rank for rank, kinds in enumerate(ORDER) for kind in kinds.split()}
ENTRY = {"actor", "at", "body", "id", "kind", "nth", "run", "seq", "subject", "v"}
PREDICATES = {
    "decision.made": "decision", "approval.answered": "approval", "effect.ended": "outcome", "run.charged": "charge",
}  # fmt: skip


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────


class File:
    """An evidence file, its lines by kind, and the findings about it, each under the name of its check."""

    def __init__(
        self, data: bytes, keys: Iterable[str], held: Sequence[str], witnesses: Iterable[str]
    ) -> None:
        self.findings: dict[str, list[str]] = {name: [] for name in CHECKS}
        self.keys, self.held = [Key(text) for text in keys], held
        self.witnesses = [Key(text) for text in witnesses]
        self.data, self.lines = data, [load(line) for line in data.removesuffix(b"\n").split(b"\n")]
        self.by: dict[str, list[Any]] = defaultdict(list)
        for line in self.lines:
            if not isinstance(line, dict) or line.get("line") not in FIELDS:
                raise Wrong("a line of an unknown kind")
            if not any({"line", *names.split()} == set(line) for names in FIELDS[line["line"]]):
                raise Wrong(f"the fields of a {line['line']}")
            self.by[line["line"]].append(line)
        if any(len(self.by[kind]) != 1 for kind in ("header", "inclusion", "checkpoint", "trailer")):
            raise Wrong("a line that there is one of")
        self.header = self.by["header"][0]
        self.leaves = [line["leaf"] for line in self.by["entry"]]
        self.texts = {line["digest"]: line["text"] for line in self.by["text"]}
        self.opened = {line["commitment"]: line for line in self.by["opening"]}

    def entries(self, *kinds: str, of: str | None = None) -> list[dict[str, Any]]:
        """Entries of version 2, of some kinds; with ``of`` those whose body names that run."""
        found = [leaf for leaf in self.leaves if leaf["kind"] in kinds and leaf.get("v") == 2]
        return [leaf for leaf in found if of is None or leaf["body"]["run"] == of]

    def hold(self, check: str, holds: Any, text: str) -> None:
        if not holds:
            self.findings[check].append(text)


def commitments(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if len(value) == 1 and is_digest(value.get("commitment")):
            yield value["commitment"]
        else:
            for one in value.values():
                yield from commitments(one)
    elif isinstance(value, list):
        for one in value:
            yield from commitments(one)


def is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and not set(value) - set("0123456789abcdef")


def named_texts(leaf: dict[str, Any]) -> list[str]:
    """The texts that an entry names. (The rate card's is not in a file: only the rows that charges name are.)"""
    body = leaf["body"]
    if leaf["kind"] == "policy.loaded":
        return [*(one["text"] for one in body["files"]), *([body["tools"]] if body["tools"] else [])]
    return [body["declaration"]] if leaf["kind"] == "decision.made" and body["declaration"] else []


def check_format(file: File) -> None:
    hold = lambda holds, text: file.hold("format", holds, text)  # noqa: E731
    trailer, kinds = file.by["trailer"][0], [line["line"] for line in file.lines]
    body = file.data[: file.data.rstrip(b"\n").rfind(b"\n") + 1]
    hold(file.data.endswith(b"\n"), "the last line is not ended")
    hold(all(len(line) <= 2**24 for line in file.data.split(b"\n")), "a line is too long")
    hold(
        file.header["format"] == "tallystick.evidence/1" and file.header["run"] in file.header["runs"],
        "header",
    )
    hold(trailer["lines"] == body.count(b"\n") and trailer["sha256"] == digest(body), "trailer")
    hold([RANK[kind] for kind in kinds] == sorted(RANK[kind] for kind in kinds), "the order of lines")
    for name, order in (
        ("entries", [leaf["seq"] for leaf in file.leaves]),
        ("texts", [line["digest"] for line in file.by["text"]]),
        ("prices", [(line["card"], line["index"]) for line in file.by["price"]]),
        ("records", [(line["log"], line["n"]) for line in file.by["record"]]),
    ):
        hold(order == sorted(set(order)), f"the order of {name}")
    for leaf in file.leaves:
        hold(
            set(leaf) == (ENTRY if "v" in leaf else ENTRY - {"v", "nth"} | {"previous"}),
            "the fields of a leaf",
        )
        hold(
            "v" not in leaf or (leaf["v"] == 2 and len(canonical(leaf)) <= 65_535), "a leaf's version or size"
        )
    wanted = {text for leaf in file.entries("policy.loaded", "decision.made") for text in named_texts(leaf)}
    hold(set(file.texts) <= wanted, "a text that no entry names")
    hold(
        {line["index"] for line in file.by["price"]}
        == {line["price"] for line in file.by["charge"]} - {None},
        "price rows are not those that charges name",
    )
    _references(file)
    _others(file)
    due = [leaf["id"] for leaf in file.entries(*PREDICATES) if leaf["body"].get("answer") != "not evaluated"]
    hold(len(due) == len(file.by["statement"]), "statements are not those of the entries")


def _references(file: File) -> None:
    """Openings follow the first entry that needs them, payloads and sources stand before the first record."""
    due: Counter[str] = Counter()
    seen: set[str] = set()
    there: dict[str, set[str]] = {"payload": set(), "source": set()}
    used: dict[str, set[str]] = {"payload": set(), "source": set()}
    for line in file.lines:
        kind = line["line"]
        if kind in ("opening", "withheld"):
            file.hold(
                "format", due.pop(line["commitment"], 0), "an opening that the entry before does not need"
            )
        elif due:
            file.hold("format", False, "a commitment is neither opened nor withheld")
            due.clear()
        if kind == "entry" and line["leaf"].get("v") == 2:
            new = set(commitments(line["leaf"]["body"])) - seen
            due.update(new)
            seen |= new
        elif kind in there:
            file.hold("format", line["digest"] not in there[kind], f"a {kind} twice")
            there[kind].add(line["digest"])
        elif "content" in line:
            used["payload"] |= {piece["payload"] for piece in line["content"] if isinstance(piece, dict)}
            used["source"].add(content(file, line).get("source"))
            file.hold(
                "format", all(used[one] <= there[one] for one in used), "a payload or source is not there"
            )
    file.hold("format", used == there, "a payload or source that nothing needs")


def _others(file: File) -> None:
    """Entries of no run are those that the run depends on, and there are none of another run."""
    decided = [leaf["body"] for leaf in file.entries("decision.made")]
    holds = [leaf["body"] for leaf in file.entries("hold.taken")]
    steps = [line["leaf"]["step"] for line in file.by["record"] if "leaf" in line]
    named = {one.get(key) for one in [*decided, *steps] for key in ("tool", "agent")}
    wanted = {
        "policy.loaded": ("digest", {one["policy_digest"] for one in decided}),
        "rates.loaded": ("card", {leaf["body"]["card"] for leaf in file.entries("run.charged")}),
        "budget.set": ("scope", {"run:*"}.union(*(one["scopes"] for one in holds))),
        "hold.settled": ("hold", {one["hold"] for one in holds}),
        "object.declared": ("name", named), "object.retired": ("name", named),
    }  # fmt: skip
    for leaf in file.leaves:
        if leaf["run"] is not None:
            file.hold("sequence", leaf["run"] in file.header["runs"], f"{leaf['id']}: of another run")
        elif "v" in leaf and leaf["kind"] not in ("key.created", "key.retired", "journal.reopened"):
            key, names = wanted.get(leaf["kind"], ("", set()))
            file.hold("format", leaf["body"].get(key) in names, f"nothing needs {leaf['id']}")


def content(file: File, line: dict[str, Any]) -> dict[str, Any]:
    return load(joined(file, line))  # type: ignore[no-any-return]


def joined(file: File, line: dict[str, Any]) -> bytes:
    payloads = {one["digest"]: one["text"] for one in file.by["payload"]}
    return "".join(
        one if isinstance(one, str) else payloads[one["payload"]] for one in line["content"]
    ).encode()


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
        said = {key: body[key] for key in ("answer", "approval", "binding", "by")} | {"at": at}
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
