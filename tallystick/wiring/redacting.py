"""The fuse box, what is kept of contents: the redactor that the settings ask for."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tallystick.config.settings import Settings, load
from tallystick.model.errors import ConfigError

if TYPE_CHECKING:
    from tallystick.app.redacting import SpanRedactor
    from tallystick.govern.finding import Finder
    from tallystick.govern.personal import Phones
    from tallystick.govern.redaction import Redactor

_PERSONAL = ("email", "phone", "card", "iban", "ip", "ssn")


def settings_of(store: Path) -> Settings:
    """The settings that hold for a store's folder, where nobody gave others."""
    return load({}, os.environ, store.parent)


def redactor(settings: Settings, store: Path) -> SpanRedactor:
    """What takes out of spans what may not be stored. Raises ConfigError where a library is missing."""
    from tallystick.app.redacting import SpanRedactor

    return SpanRedactor(text_redactor(settings.redact, settings.redact_phone_country))


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
