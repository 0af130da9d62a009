"""Query text as people click it: put a term in, take it out, keep the rest of what was typed. Pure."""

from __future__ import annotations

import re

from tallystick.web.wording import term

_WORD = re.compile(r'-?(?:([a-z_]+(?:-[a-z_]+)*):)?(?:"(?:[^"\\]|\\.)*"|\S)+')


def without(query: str, field: str) -> str:
    """The query with every term of ``field`` taken out."""
    kept = [match.group() for match in _WORD.finditer(query) if match.group(1) != field]
    return " ".join(kept)


def toggled(query: str, field: str, value: str) -> str:
    """The query with ``field:value`` as its only term of that field, or taken out if it stood there."""
    rest = without(query, field)
    if has(query, field, value):
        return rest
    return f"{rest} {term(field, value)}".strip()


def has(query: str, field: str, value: str) -> bool:
    """Whether the query holds exactly the term ``field:value``."""
    wanted = {term(field, value), f'{field}:"{value}"', f"{field}:{value}"}
    return any(match.group() in wanted for match in _WORD.finditer(query))


def holds(query: str, words: str) -> bool:
    """Whether one of the query's terms is written exactly so ("shadow", "missing:owner")."""
    return any(match.group() == words for match in _WORD.finditer(query))


def switched(query: str, words: str) -> str:
    """The query with this term put in, or taken out if it stood there; other terms of its field stay."""
    terms = [match.group() for match in _WORD.finditer(query)]
    kept = [one for one in terms if one != words]
    return " ".join(kept if len(kept) < len(terms) else [*terms, words])
