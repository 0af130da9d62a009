"""Cases: what people expect a policy set to say of a call, written in ``*.test.toml`` beside the policies.

Each ``[[case]]`` is one call and what is expected of it. ``[defaults]`` fills what a case leaves out, ``[tools.NAME]``
declares tools that stand only in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tallystick.model.canonical import canonical_json
from tallystick.model.control import Answer
from tallystick.model.errors import BadInput, ConfigError
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import Facts, Integrity
from tallystick.model.step import Effect

_TOP: Final = ("case", "defaults", "tools")
_CALL: Final = ("agent", "workflow", "tool", "args", "approvals", "labels")
_EXPECTED: Final = ("expect", "because", "rule", "fits")
_LABELS: Final = ("watermark", "authority", "untrusted", "asked", "links", "seen", "leaks", "signs")
_TOOL: Final = ("effect", "data", "authority", "arguments")
_HOLD: Final = re.compile(r"hold\(([^()]{1,200})\)")
_HEADER: Final = re.compile(r"^[ \t]*\[\[\s*case\s*\]\]", re.M)
_MOST: Final = 5_000  # cases of one file


SAID_BY_THE_USER: Final = Facts(Integrity.USER, Integrity.USER, (), asked=True, chain=())


@dataclass(frozen=True, slots=True)
class Case:
    """One call and what is expected of it.

    ``facts`` are the labels of its values: where a test says nothing of them, the user said it all, and asked for it.
    ``group``: who is to be asked, where a hold is expected. ``because`` is the sentence that the model is to read,
    ``rule`` the @id, the place or the file of a rule that must be among those that decide. ``fits`` False: the call is
    expected not to fit the tool's declaration.
    """

    file: str
    line: int
    name: str
    tool: str
    expect: Answer
    agent: str = ""
    workflow: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    approvals: tuple[str, ...] = ()
    facts: Facts = SAID_BY_THE_USER
    group: str | None = None
    because: str | None = None
    rule: str | None = None
    fits: bool = True

    @property
    def label(self) -> str:
        """Where it stands and what it is called."""
        return f"{self.file}:{self.line} {self.name}"


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The cases of one file, and the tools that it declares for itself."""

    name: str
    cases: tuple[Case, ...]
    tools: tuple[ToolDeclaration, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reading:
    """A file while it is read: ``lines`` are those on which its cases begin."""

    name: str
    lines: tuple[int, ...]

    def error(self, message: str, hint: str, line: int = 1) -> ConfigError:
        return ConfigError(f"{self.name}:{line}: {message}", hint=hint, file=self.name, line=line)

    def line(self, nth: int) -> int:
        return self.lines[nth] if nth < len(self.lines) else 1

    def known(self, table: Mapping[str, Any], keys: tuple[str, ...], what: str, line: int = 1) -> None:
        for key in table:
            if key not in keys:
                raise self.error(f"{what} has no key {key!r}", "keys: " + ", ".join(keys), line)


def cases_from(name: str, text: str, table: Mapping[str, Any]) -> CaseFile:
    """The cases of a file. ``table`` is what its ``text`` says as TOML. Raises ConfigError with file and line."""
    reading = _Reading(name, tuple(text.count("\n", 0, hit.start()) + 1 for hit in _HEADER.finditer(text)))
    reading.known(table, _TOP, "a test of policies")
    defaults = _table(reading, table.get("defaults", {}), "[defaults]")
    reading.known(defaults, _CALL, "[defaults]")
    rows = table.get("case", [])
    if not isinstance(rows, list) or not all(isinstance(one, Mapping) for one in rows):
        raise reading.error("the cases are no list of tables", "begin each with [[case]]")
    if len(rows) > _MOST:
        raise reading.error(f"{len(rows)} cases are too many for one file", f"at most {_MOST}")
    tools = _table(reading, table.get("tools", {}), "[tools]")
    declared = tuple(_tool(reading, key, value) for key, value in sorted(tools.items()))
    return CaseFile(name, tuple(_cases(reading, rows, defaults)), declared)


def _cases(reading: _Reading, rows: list[Any], defaults: Mapping[str, Any]) -> Iterator[Case]:
    for nth, row in enumerate(rows):
        line = reading.line(nth)
        reading.known(row, ("name", *_CALL, *_EXPECTED), "a case", line)
        whole = {**defaults, **row}
        arguments = {**_args(reading, defaults, line), **_args(reading, row, line)}
        expect, group = _expected(reading, whole.get("expect"), line)
        yield Case(
            reading.name, line, _text(reading, whole, "name", line) or f"case {nth + 1}",
            _text(reading, whole, "tool", line, needed=True) or "", expect, _text(reading, whole, "agent", line) or "",
            _text(reading, whole, "workflow", line), arguments, _names(reading, whole.get("approvals", []), line),
            _facts(reading, _table(reading, whole.get("labels", {}), "labels", line), line), group,
            _text(reading, whole, "because", line),
            _text(reading, whole, "rule", line), _flag(reading, whole.get("fits", True), line),
        )  # fmt: skip


def _args(reading: _Reading, row: Mapping[str, Any], line: int) -> Mapping[str, Any]:
    found = _table(reading, row.get("args", {}), "args", line)
    try:
        canonical_json(dict(found))
    except (BadInput, RecursionError) as error:
        why = error.message if isinstance(error, BadInput) else "they are nested too deep"
        raise reading.error(
            f"the arguments cannot be written down: {why}", "texts, numbers, lists", line
        ) from error
    return found


def _facts(reading: _Reading, given: Mapping[str, Any], line: int) -> Facts:
    reading.known(given, _LABELS, "labels", line)
    levels = ", ".join(Integrity)
    changes: dict[str, Any] = {}
    for key, value in given.items():
        if key in ("watermark", "authority"):
            if value not in tuple(Integrity):
                raise reading.error(f"{value!r} is no integrity", f"one of: {levels}", line)
            changes[key] = Integrity(value)
        elif key == "asked":
            changes[key] = _flag(reading, value, line, key)
        else:
            changes[key] = _names(reading, value, line, key)
    facts = replace(SAID_BY_THE_USER, **changes)
    if facts.untrusted and "authority" not in given:  # what rests on nobody's word is at best a third party's
        return replace(facts, authority=Integrity.THIRD_PARTY, watermark=Integrity.THIRD_PARTY)
    return facts


def _expected(reading: _Reading, given: Any, line: int) -> tuple[Answer, str | None]:
    hint = 'expect = "allow", "deny", "hold(GROUP)" or "not evaluated"'
    if not isinstance(given, str):
        raise reading.error("this case does not say what is expected", hint, line)
    held = _HOLD.fullmatch(given)
    if held is not None:
        return Answer.HOLD, held.group(1).strip()
    if given not in tuple(Answer):
        raise reading.error(f"{given!r} is no answer of a policy", hint, line)
    return Answer(given), None


def _table(reading: _Reading, given: Any, what: str, line: int = 1) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise reading.error(f"{what} is no table", f"{what} = {{ name = value }}", line)
    return given


def _text(
    reading: _Reading, row: Mapping[str, Any], key: str, line: int, *, needed: bool = False
) -> str | None:
    given = row.get(key)
    if given is None and not needed:
        return None
    if not isinstance(given, str) or (needed and not given):
        raise reading.error(f"{key} is not a text", f'{key} = "…"', line)
    return given


def _names(reading: _Reading, given: Any, line: int, what: str = "approvals") -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise reading.error(f"{what} is no list of texts", f'{what} = ["…"]', line)
    return tuple(given)


def _flag(reading: _Reading, given: Any, line: int, what: str = "fits") -> bool:
    if not isinstance(given, bool):
        raise reading.error(f"{what} is true or false", f"{what} = false", line)
    return given


def _tool(reading: _Reading, name: str, given: Any) -> ToolDeclaration:
    row = _table(reading, given, f"[tools.{name}]")
    reading.known(row, _TOOL, f"[tools.{name}]")
    effect = row.get("effect")
    if effect not in tuple(Effect):
        raise reading.error(f"tool {name} has no effect", "effect = none, read, write or irreversible")
    arguments = _table(reading, row.get("arguments", {}), "arguments")
    if not all(isinstance(kind, str) for kind in arguments.values()):
        raise reading.error(f"an argument of tool {name} has no type", 'arguments = { amount = "decimal" }')
    lists = {key: row.get(key, []) for key in ("data", "authority")}
    for key, value in lists.items():
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise reading.error(f"{key} of tool {name} is no list of texts", f'{key} = ["…"]')
    return ToolDeclaration(
        name, Effect(effect), data=tuple(lists["data"]), authority=tuple(lists["authority"]),
        arguments=dict(arguments),
    )  # fmt: skip
