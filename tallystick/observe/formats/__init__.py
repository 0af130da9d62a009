"""Formats: recorded runs of other tools and data sets, read into spans. Adding one is adding one file with
a ``FORMAT``.

The list is built by walking the package's own modules once, at import, as the dialects are."""

from __future__ import annotations

import importlib
import pkgutil

from tallystick.observe.formats import otlp
from tallystick.observe.formats.recorded import Format


def _load() -> dict[str, Format]:
    found: dict[str, Format] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda item: item.name):
        form = getattr(importlib.import_module(f"{__name__}.{module.name}"), "FORMAT", None)
        if isinstance(form, Format):
            found[form.name] = form
    return found


FORMATS: dict[str, Format] = _load()
NAMES: tuple[str, ...] = (*sorted(FORMATS), otlp.NAME)


def guess(content: bytes) -> str | None:
    """The name of the format that a file's bytes look like, or None."""
    for name, form in FORMATS.items():
        if form.detect(content):
            return name
    return otlp.NAME if otlp.detect(content) else None
