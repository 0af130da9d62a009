"""The table of settings as objects, and the reading of one value.

The table is ``keys.toml`` in this package. A value is read by its type; whatever is wrong with it is a
ConfigError that says what to write instead. Secrets are never repeated in an error.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tallystick.model.errors import BadInput, ConfigError
from tallystick.model.money import nano_from_usd

ENV_PREFIX = "TALLYSTICK_"
_ALIAS = re.compile(r"^[a-z][a-z0-9._-]{0,63}$")
NOT_SETTINGS = frozenset(
    {
        "TALLYSTICK_DEBUG",
        "TALLYSTICK_AGENT_TOKEN",
        "TALLYSTICK_SHARED_DATA",
        "TALLYSTICK_NO_SKIPS",
        "TALLYSTICK_BENCH_ENVS",
    }
)


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. ``least`` and ``most`` bound whole numbers, ``choices`` lists what a choice may be, ``item`` says
    what the items of a list are."""

    name: str
    type: str
    doc: str
    default: Any = None
    secret: bool = False
    least: int = 0
    most: int = 2**31
    choices: tuple[str, ...] = ()
    item: str = ""

    @property
    def env(self) -> str:
        """The environment variable of this setting."""
        return ENV_PREFIX + self.name.upper()


@lru_cache(maxsize=1)
def keys() -> Mapping[str, Key]:
    """All settings by name, in the order of the table."""
    table = tomllib.loads(resources.files("tallystick.config").joinpath("keys.toml").read_text("utf-8"))
    return {
        name: Key(name=name, **{**row, "choices": tuple(row.get("choices", ()))})
        for name, row in table.items()
    }


def nearest(name: str, names: Mapping[str, Any] | frozenset[str] | list[str]) -> str | None:
    """The name that was probably meant, or None."""
    near = difflib.get_close_matches(name, list(names), 1, cutoff=0.6)
    return near[0] if near else None


def read_value(key: Key, raw: Any, *, folder: Path, where: Mapping[str, Any]) -> Any:
    """Read one raw value (text from flags and environment, TOML values from files).

    Paths are resolved against ``folder``. ``where`` (origin, file, line) goes into the detail of the
    ConfigError that is raised when the value does not fit.
    """
    try:
        return _READERS[key.type](key, raw, folder)
    except BadInput as error:
        place = _place(where)
        raise ConfigError(
            f"{key.name}{place}: {error.message}", hint=error.hint or key.doc, key=key.name, **where
        ) from error


def _place(where: Mapping[str, Any]) -> str:
    if "file" in where:
        return f" ({where['file']}:{where['line']})" if where.get("line") else f" ({where['file']})"
    return f" ({where['origin']})" if "origin" in where else ""


def _shown(key: Key, raw: Any) -> str:
    return "this value" if key.secret else repr(raw)


def _text(key: Key, raw: Any, _folder: Path) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise BadInput(f"{_shown(key, raw)} is not a text", hint=f'for example {key.name} = "…"')
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in raw):
        raise BadInput("control characters are not allowed here")
    return raw.strip()


def _url(key: Key, raw: Any, _folder: Path) -> str:
    text = _text(key, raw, _folder)
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
    if not fits:
        raise BadInput(
            f"{raw!r} is not an http address", hint=f'for example {key.name} = "http://127.0.0.1:4777"'
        )
    return text.rstrip("/")


def _path(key: Key, raw: Any, folder: Path) -> Path:
    try:
        given = Path(_text(key, raw, folder)).expanduser()
    except RuntimeError as error:
        raise BadInput(f"{raw!r} names a home folder that does not exist") from error
    return given if given.is_absolute() else folder / given


def _existing_folder(key: Key, raw: Any, folder: Path) -> Path:
    path = _path(key, raw, folder)
    if path.exists() and not path.is_dir():
        raise BadInput(f"{path} is a file, not a folder")
    return path


def _whole(key: Key, raw: Any, _folder: Path) -> int:
    text = raw.strip() if isinstance(raw, str) else raw
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 12:
        text = int(text)
    if not isinstance(text, int) or isinstance(text, bool) or not key.least <= text <= key.most:
        raise BadInput(
            f"{raw!r} is not a whole number from {key.least} to {key.most}",
            hint=f"for example {key.name} = {key.default if key.default is not None else key.least}",
        )
    return text


def _usd(key: Key, raw: Any, _folder: Path) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, str | int | Decimal):
        raise BadInput(f"{raw!r} is not an amount of money", hint=f'for example {key.name} = "0.50"')
    amount = raw.strip().removeprefix("$") if isinstance(raw, str) else raw
    if nano_from_usd(amount) < 0:
        raise BadInput("a budget cannot be below zero")
    return Decimal(amount)


def _choice(key: Key, raw: Any, _folder: Path) -> str:
    if raw not in key.choices:
        near = nearest(raw, list(key.choices)) if isinstance(raw, str) else None
        hint = f"did you mean {near}?" if near else "write one of: " + ", ".join(key.choices)
        raise BadInput(f"{raw!r} is not one of {', '.join(key.choices)}", hint=hint)
    return str(raw)


REDACTIONS = ("secrets", "personal", "email", "phone", "card", "iban", "ip", "ssn", "none")
_FIELD_RULE = re.compile(
    r"attr:[^\s=,]+|(?:class|tool):[^\s=,]+=(?:digest|(?:arguments|result)(?:\.[^\s=,+.]+)*"
    r"(?:\+(?:arguments|result)(?:\.[^\s=,+.]+)*)*)"
)


def _list(key: Key, raw: Any, folder: Path) -> tuple[str, ...]:
    """A list from a file, or text with commas from a flag or the environment; every item in its normal form."""
    given = [part for part in raw.split(",") if part.strip()] if isinstance(raw, str) else raw
    if not isinstance(given, list | tuple):
        raise BadInput(f"{_shown(key, raw)} is not a list", hint=f'for example {key.name} = ["…", "…"]')
    read = [_ITEMS[key.item](key, item, folder) for item in given]
    twice = next((item for item in read if read.count(item) > 1), None)
    if twice is not None:
        raise BadInput(f"{twice!r} stands in the list twice")
    return tuple(read)


def _no_login(key: Key, raw: Any, folder: Path) -> str:
    """An address that may be shown to anybody: it holds no user name or password."""
    text = _url(key, raw, folder)
    if "@" in urlsplit(text).netloc:
        raise BadInput("an address with a user name or password in it would be shown to everybody")
    return text


def _export(key: Key, raw: Any, folder: Path) -> str:
    text = _text(key, raw, folder)
    scheme, _, rest = text.partition(":")
    if scheme in ("http", "https"):
        return _no_login(key, text, folder)
    if scheme not in ("file", "git") or not rest:
        raise BadInput(
            f"{raw!r} is no place for checkpoints", hint="file:PATH, git:PATH or an http(s) address"
        )
    return f"{scheme}:{_path(key, rest, folder)}"


def _witness(key: Key, raw: Any, folder: Path) -> str:
    parts = _text(key, raw, folder).split()
    if len(parts) not in (2, 3) or parts[2:] not in ([], ["outside"]):
        raise BadInput(
            f"{raw!r} is no witness",
            hint='write "VERIFIERKEY URL", and outside behind it where somebody else runs the witness',
        )
    from tallystick.proof.keys import COSIGNATURE, VerifierKey  # few processes have witnesses to read

    witness = VerifierKey.parse(parts[0])
    if witness.type != COSIGNATURE:
        raise BadInput(
            f"the key of {witness.name} is not a witness's key",
            hint="a witness prints its key when it starts; the journal's own key is another kind",
        )
    return " ".join([parts[0], _no_login(key, parts[1], folder), *parts[2:]])


def _alias(key: Key, raw: Any, folder: Path) -> str:
    text = _text(key, raw, folder)
    if not _ALIAS.match(text):
        raise BadInput(f"{raw!r} is not an alias", hint="small letters, digits, dots and dashes: production")
    return text


def _retention(key: Key, raw: Any, folder: Path) -> str:
    """A rule that says when runs are deleted, in its normal form."""
    from tallystick.app.keeping.retention import parse_rule

    return parse_rule(_text(key, raw, folder)).text


def _redaction(key: Key, raw: Any, folder: Path) -> str:
    text = _text(key, raw, folder)
    if text not in REDACTIONS:
        near = nearest(text, list(REDACTIONS))
        raise BadInput(
            f"{raw!r} is nothing that can be redacted",
            hint=f"did you mean {near}?" if near else "write some of: " + ", ".join(REDACTIONS),
        )
    return text


def _field_rule(key: Key, raw: Any, folder: Path) -> str:
    text = _text(key, raw, folder)
    if not _FIELD_RULE.fullmatch(text):
        raise BadInput(
            f"{raw!r} is no rule about fields",
            hint="class:customer_pii=arguments.email+result.*, tool:crm.lookup=result.phone, attr:http.request.header.*"
            " or class:payment=digest",
        )
    return text


PACKS = ("money", "personal-data", "external-messages", "code-execution", "delegation")


def _pack(key: Key, raw: Any, folder: Path) -> str:
    text = _text(key, raw, folder)
    if text not in PACKS:
        near = nearest(text, list(PACKS))
        hint = f"did you mean {near}?" if near else "write some of: " + ", ".join(PACKS)
        raise BadInput(f"{raw!r} is no policy that comes with Tallystick", hint=hint)
    return text


def _policy_file(key: Key, raw: Any, folder: Path) -> str:
    text = _text(key, raw, folder)
    if not text.endswith(".cedar") or text.startswith("/") or ".." in text.split("/"):
        raise BadInput(
            f"{raw!r} is no policy file", hint="its name in the policies folder, such as new.cedar"
        )
    return text


def _right(key: Key, raw: Any, folder: Path) -> str:
    from tallystick.model.identity import right

    return right(_text(key, raw, folder))


_ITEMS = {
    "export": _export, "witness": _witness, "alias": _alias, "redaction": _redaction, "field_rule": _field_rule,
    "retention": _retention, "pack": _pack, "policy_file": _policy_file, "right": _right,
}  # fmt: skip
_READERS = {
    "text": _text, "url": _url, "path": _path, "folder": _existing_folder,
    "whole": _whole, "usd": _usd, "choice": _choice, "list": _list,
}  # fmt: skip
