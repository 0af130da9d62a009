"""Where each rule of a Cedar text stands, so that every message can say file and line.

Cedar's parser numbers rules and does not say where they are. This finds their first lines by the only lexical rules
that matter for it: comments run to the end of the line, strings are double-quoted with backslash escapes, and a rule
ends with a semicolon.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.govern.schema import EFFECT_PREFIX
from tallystick.model.guarding import ToolDeclaration

_TOKEN: Final = re.compile(r'//[^\n]*|"(?:[^"\\]|\\.)*"|;|\S', re.S)


@dataclass(frozen=True, slots=True)
class RuleText:
    """One rule as written: the line it starts on (from 1) and its text without what precedes it."""

    line: int
    text: str


def rule_texts(text: str) -> list[RuleText]:
    """The rules of a text in order; the last one may lack its semicolon."""
    found: list[RuleText] = []
    start: int | None = None
    for token in _TOKEN.finditer(text):
        word = token.group()
        if word.startswith("//"):
            continue
        if start is None:
            start = token.start()
        if word == ";":
            found.append(RuleText(text.count("\n", 0, start) + 1, text[start : token.end()]))
            start = None
    if start is not None:
        found.append(RuleText(text.count("\n", 0, start) + 1, text[start:]))
    return found


def can_match(action: Mapping[str, Any], tool: ToolDeclaration) -> bool:
    """Whether a rule's action scope (Cedar's JSON) can match a tool: all, the tool itself, or the group it is in."""
    if action["op"] == "All":
        return True
    if action["op"] == "==":
        return bool(action["entity"]["id"] == tool.name)
    entities = action.get("entities") or [action["entity"]]
    names = {tool.name} if tool.effect is None else {tool.name, EFFECT_PREFIX + tool.effect.value}
    return any(entity["id"] in names for entity in entities)
