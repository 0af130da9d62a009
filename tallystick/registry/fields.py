"""Fields of declarations as people write them, each read with a precise error.

Pure: what a file says comes in as a mapping, with the line of each key beside it. Whatever stands in a declaration ends
in journals, pages and terminals, so names are strict, texts are bounded, and a credential is refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.model.canonical import canonical_json
from tallystick.model.errors import BadInput, ConfigError
from tallystick.model.money import nano_from_usd
from tallystick.model.registry import Card, Lifecycle

CARD_KEYS: Final = ("owner", "purpose", "lifecycle", "links")
ARGUMENT_TYPES: Final = ("string", "long", "decimal", "bool", "list", "record")
LONGEST_BODY: Final = 48_000  # bytes of canonical JSON: a version must fit into one journal entry
_LONGEST_NAME: Final = 128
_LONGEST_LABEL: Final = 64
_LONGEST_TEXT: Final = 4_000
_MOST_ITEMS: Final = 2_000
_MOST_LINKS: Final = 32
# Controls, spaces, quotes and backslashes; then what hides or reorders: soft hyphen, bidi marks, zero-width and tags.
_FORBIDDEN: Final = re.compile(
    '[\x00-\x20\x7f-\xa0"\\\\\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f'
    "\u3000\u3164\ufeff\uffa0\ufff0-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_ADDRESS: Final = re.compile(r"(?:https?://|ssh://|mailto:|git@)[^\s<>\"]{1,2000}")
_PASSWORD: Final = re.compile(r"://[^/@\s:]*:[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class DeclarationFile:
    """What one file says: its name for people, its keys, and the line of each ("arguments.amount" -> 7).

    ``origin`` says whose it is ("apply:PROJECT"; None: nobody's in particular).
    """

    name: str
    table: Mapping[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)
    origin: str | None = None

    def error(self, key: str, message: str, hint: str) -> ConfigError:
        """A mistake at a key, with file and line."""
        line = self.lines.get(key, self.lines.get(key.split(".")[0], 1))
        return ConfigError(f"{self.name}:{line}: {message}", hint=hint, file=self.name, line=line, key=key)


def known_keys(file: DeclarationFile, known: Sequence[str], what: str) -> None:
    """Raises ConfigError for a key that such a file does not have."""
    for key in file.table:
        if key not in known:
            hint = nearest(key, known) or "keys: " + ", ".join(known)
            raise file.error(key, f"{what} has no key {key!r}", hint)


def nearest(word: str, known: Sequence[str]) -> str | None:
    """``did you mean 'x'?`` where something known is near, else None."""
    near = difflib.get_close_matches(word, known, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else None


def is_name(name: str, longest: int = _LONGEST_NAME) -> bool:
    """Whether this can name an object: 1 to ``longest`` characters, none of which is blank, unseen or a quote."""
    return 0 < len(name) <= longest and _FORBIDDEN.search(name) is None


def is_label(label: str) -> bool:
    """Whether this can label a version."""
    return is_name(label, _LONGEST_LABEL)


def is_address(text: str) -> bool:
    """Whether ``address`` would take a text: it is short enough, all of it is seen, and it holds no password."""
    return len(text) <= _LONGEST_TEXT and _UNSEEN.search(text) is None and _PASSWORD.search(text) is None


def is_argument_type(word: str) -> bool:
    """Whether this can be an argument's type ("decimal", "string?")."""
    return word.removesuffix("?") in ARGUMENT_TYPES


def seen_text(text: str) -> str:
    """A text with every character that is not seen replaced by U+FFFD, so that ``text`` would take it."""
    return _UNSEEN.sub("\ufffd", text)


def name_of(file: DeclarationFile) -> str:
    """The object's name. Raises ConfigError where it is missing or none."""
    name = text(file, "name")
    if name is None:
        raise file.error("name", "the name is missing", 'write name = "…"')
    return _named(file, "name", name)


def label_of(file: DeclarationFile) -> str | None:
    """The version's label. Raises ConfigError."""
    label = text(file, "version")
    return None if label is None else _named(file, "version", label, _LONGEST_LABEL)


def one_name(file: DeclarationFile, key: str) -> str | None:
    """The name of something else; None where the key is left out. Raises ConfigError."""
    name = text(file, key)
    return None if name is None else _named(file, key, name)


def text(file: DeclarationFile, key: str, longest: int = _LONGEST_TEXT) -> str | None:
    """A text; None where the key is left out. Raises ConfigError for other types, and for text too long or unseen."""
    value = file.table.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise file.error(key, f"{key} is text, not {value!r:.80}", f'write {key} = "…"')
    if len(value) > longest:
        raise file.error(
            key, f"{key} has {len(value):,} characters", f"at most {longest:,}; link to the rest"
        )
    hidden = _UNSEEN.search(value)
    if hidden is not None and key not in ("name", "version"):
        raise file.error(key, f"{key} holds a character that is not seen: {hidden.group()!a}", "take it out")
    return value


def address(file: DeclarationFile, key: str) -> str | None:
    """A text that says where something is. Raises ConfigError for one that holds a password."""
    value = text(file, key)
    if value is not None and _PASSWORD.search(value):
        raise file.error(
            key, f"{key} holds a password", "leave it out: whoever connects knows it from elsewhere"
        )
    return value


def names(file: DeclarationFile, key: str) -> tuple[str, ...] | None:
    """A list of names, each once; None where the key is left out. Raises ConfigError."""
    if key not in file.table:
        return None
    value = file.table[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise file.error(key, f"{key} is a list of texts, not {value!r:.80}", f'write {key} = ["…"]')
    if len(value) > _MOST_ITEMS:
        raise file.error(key, f"{key} names {len(value):,} things", f"at most {_MOST_ITEMS:,}")
    return tuple(dict.fromkeys(_named(file, key, item) for item in value))


def money(file: DeclarationFile, key: str) -> int | None:
    """An amount in nano-dollars; None where the key is left out. Raises ConfigError."""
    value = file.table.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise file.error(
            key, f"{key} is an amount written as text, not {value!r}", f'write {key} = "{value}"'
        )
    try:
        nano = nano_from_usd(value)
    except BadInput as error:
        raise file.error(
            key, f"{value!r:.80} is not an amount of money", error.hint or 'for example "0.50"'
        ) from error
    if nano < 0:
        raise file.error(key, f"{key} cannot be below zero", 'for example "0.50"')
    return nano


def choice(file: DeclarationFile, key: str, choices: Sequence[str]) -> str | None:
    """One of a few words; None where the key is left out. Raises ConfigError."""
    if key not in file.table:
        return None
    value = file.table[key]
    if value not in choices:
        article = "an" if key[0] in "aeiou" else "a"
        hint = nearest(str(value), choices) or f"{key} = {either(choices)}"
        raise file.error(key, f"{value!r:.80} is not {article} {key}", hint)
    return str(value)


def either(words: Sequence[str]) -> str:
    """``a, b or c``."""
    return ", ".join(words[:-1]) + " or " + words[-1]


def arguments(file: DeclarationFile) -> dict[str, str] | None:
    """``[arguments]``: parameter to type; None where it is left out. Raises ConfigError."""
    table = file.table.get("arguments")
    if table is None:
        return None
    if not isinstance(table, Mapping):
        raise file.error(
            "arguments", "arguments is a table", "write [arguments] and below it one argument a line"
        )
    found: dict[str, str] = {}
    for name, written in table.items():
        key = f"arguments.{name}"
        _named(file, key, str(name))
        if not isinstance(written, str) or not is_argument_type(written):
            hint = nearest(str(written), ARGUMENT_TYPES)
            raise file.error(
                key, f"argument {name} has an unknown type {written!r:.80}",
                hint or f'{either(ARGUMENT_TYPES)}, with "?" when it may be absent',
            )  # fmt: skip
        found[str(name)] = written
    return found


def free(file: DeclarationFile, key: str) -> dict[str, Any] | None:
    """A table of anything that JSON can hold; None where it is left out. Raises ConfigError."""
    value = file.table.get(key)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise file.error(key, f"{key} is a table, not {value!r:.80}", f"write [{key}] and below it its keys")
    try:
        canonical_json(value)
    except BadInput as error:
        raise file.error(
            key, f"{key} holds what JSON cannot: {error.message}", "write dates and times as text"
        ) from error
    return dict(value)


def card(file: DeclarationFile) -> Card:
    """Owner, purpose, lifecycle and links. Raises ConfigError."""
    lifecycle = choice(file, "lifecycle", [one.value for one in Lifecycle])
    owner = text(file, "owner", 256)
    if owner is not None and (not owner.strip() or not owner.isprintable()):
        raise file.error("owner", f"{owner!a:.80} is nobody", 'owner = "payments", on one line')
    return Card(
        owner=owner, purpose=text(file, "purpose"),
        lifecycle=Lifecycle.ACTIVE if lifecycle is None else Lifecycle(lifecycle),
        links=_links(file), origin=file.origin,
    )  # fmt: skip


def fits(file: DeclarationFile, body: Mapping[str, Any]) -> None:
    """Raises ConfigError for a version that one journal entry cannot hold."""
    size = len(canonical_json(body))
    if size > LONGEST_BODY:
        raise file.error(
            "name", f"this declaration has {size:,} bytes", f"at most {LONGEST_BODY:,}; split it"
        )


def _links(file: DeclarationFile) -> dict[str, str]:
    table = file.table.get("links")
    if table is None:
        return {}
    if not isinstance(table, Mapping):
        raise file.error("links", "links is a table", 'write [links] and below it repository = "https://…"')
    if len(table) > _MOST_LINKS:
        raise file.error("links", f"links has {len(table)} entries", f"at most {_MOST_LINKS}")
    for name, written in table.items():
        key = f"links.{name}"
        _named(file, key, str(name), _LONGEST_LABEL)
        if not isinstance(written, str) or not _ADDRESS.fullmatch(written) or _UNSEEN.search(written):
            raise file.error(
                key, f"{written!r:.80} is not an address", "https://…, http://…, ssh://…, git@… or mailto:…"
            )
        if _PASSWORD.search(written):
            raise file.error(key, f"link {name} holds a password", "leave it out")
    return dict(table)


def _named(file: DeclarationFile, key: str, name: str, longest: int = _LONGEST_NAME) -> str:
    if not is_name(name, longest):
        what = "is empty" if not name else f"{name!a:.160} is not a name"
        raise file.error(
            key, f"{key} {what}" if not name else what,
            f"1 to {longest} characters: no spaces, quotes, backslashes, control or unseen characters",
        )  # fmt: skip
    return name
