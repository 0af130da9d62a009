"""Secrets in texts: the rules of gitleaks, our own shapes, and values that are named like a secret.

The rules are data (``secrets.json``, made by tools/make_secret_rules.py): an expression, words of which one must be in
the text, the least entropy of the secret in bits a character, and what is allowed after all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import log2
from typing import Any, Final

from tallystick.govern.finding import Place, Words, expression, first_look
from tallystick.model.masking import FIRST_LOOK, MARK, shapes

SECRET: Final = "secret"

_NAMES: Final = (
    r"(?:password|passwd|passphrase|client[_-]?secret|api[_-]?key|access[_-]?token|refresh[_-]?token|auth[_-]?token"
    r"|secret[_-]?key|secret[_-]?access[_-]?key|private[_-]?key)"
)
# A name, a sign of assignment, a value: password = "hunter2!", "api_key": "…", \"client_secret\": \"…\".
_NAMED: Final = (
    rf"(?i){_NAMES}[\\]{{0,3}}[\"']?[ \t]{{0,3}}[:=][ \t]{{0,3}}[\\]{{0,3}}[\"']?"
    r"([^\s\"'\\,;&<>(){}\[\]$]{6,256})"
)
# What stands before it is looked at apart: counted letters that may begin anywhere are what a search takes longest for.
_IN_ADDRESS: Final = r"[a-z0-9+.-]://[^\s/:@'\"<>\\]{1,64}:([^\s/@'\"<>\\]{3,128})@"
_FIRST: Final = (
    rf"(?i:{_NAMES}[\\]{{0,3}}[\"']?[ \t]{{0,3}}[:=])|://[^\s/:@'\"<>\\]{{1,64}}:[^\s/@'\"<>\\]{{3,128}}@"
)
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{1,20}\Z")
_LONGEST_SCHEME: Final = 21
_NO_VALUES: Final = frozenset({
    "string", "number", "boolean", "object", "password", "required", "optional", "undefined", "changeme", "redacted",
})  # fmt: skip
_HEADERS: Final = ("authorization", "cookie", "x-api-key", "api-key", "x-auth-token", "proxy-authorization")
_NAMED_LIKE: Final = expression(rf"(?i)(?:^|[._-]){_NAMES}$")


@dataclass(slots=True)
class _Rule:
    """One rule; its expressions are compiled when it is first needed."""

    regex: str
    keywords: tuple[str, ...]
    group: int
    entropy: float
    allow: tuple[str, ...]
    compiled: Any = None
    allowed: list[Any] = field(default_factory=list)

    def ready(self) -> Any:
        if self.compiled is None:
            self.allowed = [expression(one) for one in self.allow]
            self.compiled = expression(self.regex)
        return self.compiled


class Secrets:
    """Finds secrets (``finding.Finder``). ``data`` is the content of ``secrets.json``."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.first = f"{FIRST_LOOK}|{_FIRST}|{data['first']}"
        self._rules = [
            _Rule(one["regex"], tuple(one["keywords"]), one["group"], one["entropy"], tuple(one["allow"]))
            for one in data["rules"]
        ]
        self._allow = [expression(one) for one in data["allow"]]
        self._stopwords = tuple(data["stopwords"])
        self._words = Words(sorted({word for rule in self._rules for word in rule.keywords}))
        self._shaped = first_look(FIRST_LOOK)
        self._named = expression(_NAMED)
        self._address = expression(_IN_ADDRESS)

    def find(self, text: str) -> Iterator[Place]:
        """The secrets in a text."""
        if self._shaped(text) is not None:
            for start, end in shapes(text):
                yield Place(start, end, SECRET)
        if "://" in text:
            for found in self._address.finditer(text):
                colon = found.start() + 1
                if _SCHEME.search(text[max(0, colon - _LONGEST_SCHEME) : colon]):
                    yield from _place(found, 1)
        for found in self._named.finditer(text):
            value = found.group(1)
            if not value.startswith(MARK) and value.lower() not in _NO_VALUES:
                yield from _place(found, 1)
        held = self._words.inside(text)
        for rule in self._rules if held else ():
            if not held.isdisjoint(rule.keywords):
                yield from self._by(rule, text)

    def named(self, name: str) -> str | None:
        """A password, an API key, an authorization header is a secret whatever it is."""
        return SECRET if name.lower().endswith(_HEADERS) or _NAMED_LIKE.search(name) is not None else None

    def _by(self, rule: _Rule, text: str) -> Iterator[Place]:
        for found in rule.ready().finditer(text):
            group = rule.group or next((n for n in range(1, found.re.groups + 1) if found.group(n)), 0)
            secret = found.group(group) or ""
            if not secret or secret.startswith(MARK) or entropy(secret) < rule.entropy:
                continue
            if any(one.search(secret) is not None for one in (*rule.allowed, *self._allow)):
                continue
            if not any(word in secret for word in self._stopwords):
                yield from _place(found, group)


def _place(found: Any, group: int) -> Iterable[Place]:
    start, end = found.span(group)
    return (Place(start, end, SECRET),) if end > start else ()


def entropy(text: str) -> float:
    """Shannon entropy in bits a character."""
    if not text:
        return 0.0
    size = len(text)
    return -sum(n / size * log2(n / size) for n in Counter(text).values())
