"""Scope: whether the user's own words ask for a tool, so that nothing else can.

A declaration may say by which phrases people ask for its tool (``asks``): a phrase counts when all of its words were
said, in any form and order. Without it the verbs of the tool's name count, with those that people use for the same.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from tallystick.govern.labels.said import Said
from tallystick.govern.labels.stems import stem
from tallystick.model.guarding import ToolDeclaration

_PARTS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_WORD: Final = re.compile(r"\w+")
# Verbs of tool names, each followed by what people say for it. Words that are mostly nouns ask for nothing.
_SAME: Final = (
    "add append include insert put attach extend",
    "adjust change update modify",
    "answer reply respond",
    "append add write put insert",
    "approve accept confirm",
    "archive",
    "book reserve schedule order",
    "buy purchase order",
    "call phone ring dial",
    "cancel drop abort withdraw",
    "change update modify edit adjust set",
    "close end finish",
    "copy duplicate",
    "create make add set write generate draft prepare schedule plan",
    "delete remove erase clear discard trash",
    "deploy release publish ship roll",
    "edit change modify update correct",
    "erase delete remove",
    "execute run perform start launch",
    "forward pass relay",
    "grant give allow",
    "include add",
    "insert add put append",
    "invite add include",
    "launch start run",
    "merge combine join",
    "modify change edit update adjust",
    "move transfer relocate shift",
    "notify inform tell alert",
    "open create",
    "order buy purchase",
    "pay send transfer wire settle refund reimburse",
    "post publish share write",
    "publish post release",
    "purchase buy order",
    "refund reimburse return repay pay back",
    "reimburse refund repay",
    "remove delete erase drop take",
    "rename",
    "reply answer respond write",
    "reschedule move postpone shift change delay",
    "reserve book",
    "revoke remove withdraw",
    "save store keep",
    "schedule plan book arrange set",
    "send write forward reply tell transfer pay wire refund",
    "set change update make turn",
    "share send give",
    "submit send hand",
    "transfer send wire pay move",
    "update change modify edit adjust correct set replace",
    "upload put store add",
    "wire send transfer pay",
    "write create add save put",
)
_VERBS: Final[dict[str, frozenset[str]]] = {
    line.split()[0]: frozenset(stem(one) for one in line.split()) for line in _SAME
}


@lru_cache(maxsize=4096)
def phrases(name: str, asks: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    """What must be said for a tool: one of these sets of stems, all of its words."""
    if asks:
        return tuple(frozenset(stem(word) for word in _WORD.findall(one.casefold())) for one in asks)
    parts = [part.casefold() for part in _PARTS.findall(name)]
    verb = next((part for part in parts if part in _VERBS), parts[0] if parts else "")
    return tuple(frozenset({one}) for one in sorted(_VERBS.get(verb, frozenset({stem(verb)}))) if one)


def asked(said: Said, tool: ToolDeclaration) -> bool:
    """Whether what the user said asks for a tool."""
    stems = said.stems
    return any(wanted and wanted <= stems for wanted in phrases(tool.name, tool.asks))
