"""A file tools/NAME.toml for a tool that a server offers, for a person to finish. Pure.

What the server says is copied: description, arguments and their types. What it cannot be trusted with is left for the
person: the effect, the classes of data, which arguments have authority. Its hints on effects stand beside as a comment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from tallystick.model.registry import Definition

_TYPES: Final = {
    "string": "string", "integer": "long", "number": "decimal", "boolean": "bool", "array": "list", "object": "record",
}  # fmt: skip
_PLAIN_KEY: Final = re.compile(r"^[A-Za-z0-9_-]+$")
_MOST: Final = 100  # arguments
_DESCRIPTION: Final = 4_000  # characters


def file_name(tool: str) -> str:
    """The name of the file, unlike that of every other tool also where case does not count."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", tool)
    if plain == tool and tool == tool.lower():
        return f"{tool}.toml"
    return f"{plain.lower()}-{sha256(tool.encode()).hexdigest()[:8]}.toml"


def file_text(definition: Definition) -> str:
    """The file's text: TOML that lacks an effect and is refused until a person wrote one."""
    lines = [
        "# A tool of an MCP server, as the server describes it. The description and the arguments are its words.",
        "# What it can do, what it reaches and which arguments decide it are for you to say; then: tally apply",
        f"name = {toml_text(definition.name)}",
        f"server = {toml_text(definition.server or '')}",
        f"description = {toml_text(definition.description[:_DESCRIPTION])}",
        "",
        "# The effect is none, read, write or irreversible." + _hint(definition.annotations),
        '# effect = "…"',
        '# data = ["…"]        # classes of data that it reaches itself',
        '# sources = ["…"]     # data sources that it reaches',
        '# authority = ["…"]   # arguments that decide who, where, which object and how much',
    ]
    arguments, unclear = arguments_of(definition.input)
    if arguments or unclear:
        lines += ["", "[arguments]"]
        lines += [f"{_key(name)} = {toml_text(type_)}" for name, type_ in arguments.items()]
        lines += [
            f'# {_key(name)} = "record"   # its schema has no plain type: say which it is' for name in unclear
        ]
    return "\n".join(lines) + "\n"


def arguments_of(schema: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Arguments with the types that policies know ("?": it may be absent), and those without a plain type."""
    properties = schema.get("properties")
    required = schema.get("required")
    needed = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    found: dict[str, str] = {}
    unclear: list[str] = []
    listed = properties.items() if isinstance(properties, Mapping) else ()
    for name, below in list(listed)[:_MOST]:
        type_, absent = _type(below)
        if type_ is None or not str(name):
            unclear.append(str(name))
        else:
            found[str(name)] = type_ + ("?" if absent or name not in needed else "")
    return found, unclear


def _type(below: Any) -> tuple[str | None, bool]:
    """The type of one property, and whether it may be null."""
    if not isinstance(below, Mapping):
        return None, False
    named = below.get("type")
    choices = below.get("anyOf")
    if isinstance(choices, list) and named is None:
        types = [one.get("type") if isinstance(one, Mapping) else None for one in choices]
    else:
        types = list(named) if isinstance(named, list) else [named]
    real = [one for one in types if one != "null"]
    known = _TYPES.get(real[0]) if len(real) == 1 and isinstance(real[0], str) else None
    return known, len(real) < len(types)


def claimed_effect(annotations: Mapping[str, Any]) -> str | None:
    """The effect that a server's hints amount to, a claim and nothing more; None where it gives none."""
    if annotations.get("readOnlyHint") is True:
        return "read"
    if annotations.get("destructiveHint") is True:
        return "irreversible"
    if annotations.get("readOnlyHint") is False or annotations.get("destructiveHint") is False:
        return "write"
    return None


def _hint(annotations: Mapping[str, Any]) -> str:
    claimed = claimed_effect(annotations)
    return f" The server claims {claimed}; a claim binds nobody." if claimed else " The server does not say."


def _key(name: str) -> str:
    return name if _PLAIN_KEY.match(name) else toml_text(name)


def toml_text(text: str) -> str:
    """A TOML basic string; every control, format or private character is written as an escape."""
    out = []
    for letter in text:
        code = ord(letter)
        if letter in '"\\':
            out.append("\\" + letter)
        elif letter == "\n":
            out.append("\\n")
        elif letter.isprintable() or letter == " ":
            out.append(letter)
        elif 0xD800 <= code <= 0xDFFF:
            out.append("\\uFFFD")  # half a surrogate pair is no character
        else:
            out.append(f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}")
    return '"' + "".join(out) + '"'
