"""An evidence file as docs/reference/proof-format.md has it in section 6: its lines, their order and what they need."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from second_proof import (
    Key,
    Wrong,
    canonical,
    digest,
    load,
)

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
        if kind == "entry":
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
