"""The fuse box, what is kept of contents: the redactor that the settings ask for."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tallystick.config.settings import Settings, load
from tallystick.model.errors import ConfigError, StoreFault
from tallystick.model.masking import mask

if TYPE_CHECKING:
    from tallystick.app.recording.redacting import SpanRedactor
    from tallystick.govern.finding import Finder
    from tallystick.govern.personal import Phones
    from tallystick.govern.redaction import Redactor
    from tallystick.ports import ControlStore
    from tallystick.wiring.stores import Stores

BLOBS = "blobs"  # the folder in a store's folder
_PERSONAL = ("email", "phone", "card", "iban", "ip", "ssn")


def settings_of(store: Path) -> Settings:
    """The settings that hold for a store's folder, where nobody gave others."""
    return load({}, os.environ, store.parent)


def redactor(settings: Settings, stores: Stores, *, blobs: bool = True) -> SpanRedactor:
    """What takes out of spans what may not be stored. Raises ConfigError where a library is missing.

    Without ``blobs`` large binaries stay where they are: in a spool nothing would say that a run needs their bytes.
    """
    from tallystick.adapters.blobs import BlobFolder
    from tallystick.app.recording.blobs import BlobTaker
    from tallystick.app.recording.redacting import Rule, SpanRedactor

    rules: list[Rule] = []
    if settings.redact_fields or settings.payloads == "digest":
        from tallystick.app.recording.withholding import Withholding, keyed, read_rule

        rules.append(
            Withholding(
                [read_rule(one) for one in settings.redact_fields], keyed(digest_key(stores.path)),
                everything=settings.payloads == "digest", classes=DeclaredClasses(stores.control).of,
            )
        )  # fmt: skip
    by = text_redactor(settings.redact, settings.redact_phone_country)
    if not blobs:
        return SpanRedactor(by, rules)
    taker = BlobTaker(BlobFolder(stores.path / BLOBS), by, limit=settings.blob_limit_mb * 1_048_576)
    return SpanRedactor(by, rules, taker)


def cleaner(settings: Settings) -> Callable[[Any], Any]:
    """What takes out of a value what the journal may not keep; the same patterns as for spans."""
    by = text_redactor(settings.redact, settings.redact_phone_country)

    def clean(value: Any) -> Any:
        return mask(by.value(value, Counter()))

    return clean


class DeclaredClasses:
    """Classes of data of declared tools, read again when the registry has changed (asked at most once a second)."""

    def __init__(self, control: ControlStore) -> None:
        self._control = control
        self._asked = float("-inf")
        self._revision = -1
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, tool: str) -> tuple[str, ...]:
        """The classes of a tool and of the data sources that it reaches."""
        now = time.monotonic()
        if now - self._asked >= 1.0:
            self._asked = now
            revision = self._control.registry_revision()
            if revision != self._revision:
                self._known, self._revision = self._read(), revision
        return self._known.get(tool, ())

    def _read(self) -> dict[str, tuple[str, ...]]:
        from tallystick.registry.tool_files import classes_by_source

        objects = self._control.declared()
        by_source = classes_by_source(objects)
        found: dict[str, tuple[str, ...]] = {}
        for one in objects:
            if one.type == "tool":
                classes = list(one.body.get("data", ()))
                for source in one.body.get("sources", ()):
                    classes += by_source.get(source, ())
                found[one.name] = tuple(dict.fromkeys(classes))
        return found


def digest_key(store: Path) -> bytes:
    """The key of a store's digests, made when it is first needed. Raises StoreFault where it cannot be."""
    path = store / "digest.key"
    try:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return _key_in(path)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32))
            file.flush()
            os.fsync(file.fileno())
        return _key_in(path)
    except OSError as error:
        raise StoreFault(f"{path} cannot be used: {error.strerror}", hint="check permissions") from error


def _key_in(path: Path) -> bytes:
    for _ in range(200):  # another process may be about to write it
        key = path.read_bytes()
        if len(key) == 32:
            return key
        time.sleep(0.005)
    raise StoreFault(
        f"{path} is not a key", hint="put a backup of it in its place, or remove it: digests change then"
    )


@cache
def text_redactor(kinds: tuple[str, ...], country: str | None = None) -> Redactor:
    """The redactor of texts for the setting ``redact``. Raises ConfigError where a library is missing."""
    from tallystick.govern.personal import Personal
    from tallystick.govern.redaction import Redactor

    finders: list[Finder] = []
    if "secrets" in kinds:
        finders.append(_secrets())
    wanted = _PERSONAL if "personal" in kinds else tuple(kind for kind in _PERSONAL if kind in kinds)
    if wanted:
        finders.append(Personal(wanted, _phones(country) if "phone" in wanted else None))
    return Redactor(finders)


def check_redaction(settings: Settings) -> None:
    """Whether the setting ``redact`` can be done here. Raises ConfigError where a library is missing."""
    if {"personal", "phone"} & set(settings.redact):
        _phones(settings.redact_phone_country)


@cache
def _secrets() -> Finder:
    from importlib.resources import files

    from tallystick.govern.secrets import Secrets

    return Secrets(msgspec.json.decode(files("tallystick.govern").joinpath("secrets.json").read_bytes()))


def _phones(country: str | None) -> Phones:
    if find_spec("phonenumbers") is None:
        raise ConfigError(
            "telephone numbers are found with the library phonenumbers, which is not installed",
            hint='pip install \'tallystick[privacy]\', or name the kinds without phone: redact = ["secrets", "email"]',
            key="redact",
        )
    import phonenumbers

    region = country.upper() if country is not None else None

    def is_phone(text: str) -> bool:
        plain = "+" + text[2:] if text.startswith("00") else text
        try:
            number = phonenumbers.parse(plain, region)
        except phonenumbers.NumberParseException:
            return False
        return phonenumbers.is_valid_number(number)

    return is_phone
