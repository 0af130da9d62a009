"""Dialects: how each instrumentor spells what happened. Adding one is adding one file with a ``DIALECT`` to
this package.

The list is built by walking the package's own modules once, at import (pkgutil asks the import system, the
same that loads this file; nothing is read while spans are mapped)."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from tallystick.model.span import Span
from tallystick.observe.dialects import canonical
from tallystick.observe.dialects.dialect import Dialect, Reader, compile_reader

PLAIN = Dialect(name="plain")  # a span without any vocabulary we know: kind other, shown as it is
_LIMIT = 4096  # scope names come from strangers: the cache must not grow for ever


def _load() -> tuple[Dialect, ...]:
    found: list[Dialect] = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda item: item.name):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        dialect = getattr(loaded, "DIALECT", None)
        if isinstance(dialect, Dialect):
            found.append(dialect)
    return tuple(found)


DIALECTS: tuple[Dialect, ...] = _load()
READERS: dict[str, Reader] = {d.name: compile_reader(d, canonical.DIALECT) for d in (*DIALECTS, PLAIN)}
CANONICAL: Reader = READERS[canonical.DIALECT.name]
_PLAIN = READERS[PLAIN.name]
_EXACT: dict[str, Reader] = {s: READERS[d.name] for d in DIALECTS for s in d.scopes if not s.endswith("*")}
_BEGINS: tuple[tuple[str, Reader], ...] = tuple(
    sorted(
        ((s[:-1], READERS[d.name]) for d in DIALECTS for s in d.scopes if s.endswith("*")),
        key=lambda item: -len(item[0]),
    )
)
_MARKERS: dict[str, Reader] = {m: READERS[d.name] for d in DIALECTS for m in d.markers}
_RESOURCE: dict[str, Reader] = {m: READERS[d.name] for d in DIALECTS for m in d.resource_markers}
# A span may show marks of several vocabularies: the first by name wins, the canonical one is last of all.
_RANKS: dict[str, int] = {
    d.name: len(DIALECTS) if d is canonical.DIALECT else i for i, d in enumerate(DIALECTS)
}
_by_scope: dict[str, Reader | None] = {}


def reader_for(span: Span) -> Reader:
    """The reader of a span: by scope name, then by the sender's resource, then by the attribute keys it
    uses."""
    source = span.source
    scope = source.scope
    if scope in _by_scope:
        reader = _by_scope[scope]
    else:
        reader = _scope_reader(scope)
        if len(_by_scope) >= _LIMIT:
            _by_scope.clear()
        _by_scope[scope] = reader
    if reader is not None:
        return reader
    if source.resource:
        for marker, known in _RESOURCE.items():
            if marker in source.resource:
                return known
    return _by_marker(span.attributes)


def _scope_reader(scope: str) -> Reader | None:
    exact = _EXACT.get(scope)
    if exact is not None:
        return exact
    for beginning, reader in _BEGINS:
        if scope.startswith(beginning):
            return reader
    return None


def _by_marker(attributes: Any) -> Reader:
    best, best_rank = _PLAIN, len(_RANKS) + 1
    for key in _MARKERS.keys() & attributes.keys():
        reader = _MARKERS[key]
        rank = _RANKS[reader.dialect.name]
        if rank < best_rank:
            best, best_rank = reader, rank
    return best
