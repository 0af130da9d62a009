"""References to versions: ``NAME``, ``NAME@ALIAS``, ``NAME@LABEL``, ``NAME@DIGESTPREFIX``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Final

from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.registry import Alias, Version

DIGEST: Final = re.compile(r"^[0-9a-f]{4,64}$")
SHORT: Final = 12  # digits of a digest that stand for a version without a label
_SHOWN: Final = 5


def split_ref(ref: str) -> tuple[str, str | None]:
    """``NAME`` or ``NAME@WHICH``, cut at the last ``@``. Raises BadInput where a side is empty."""
    name, at, which = ref.rpartition("@")
    if not at:
        name, which = ref, ""
    if not name or (at and not which):
        raise BadInput(f"{ref!r} is not NAME or NAME@VERSION", hint="for example refunds@1.4.0")
    return name, which or None


def version_of(
    name: str, versions: Sequence[Version], aliases: Sequence[Alias], which: str | None
) -> Version:
    """One version by alias, label or unambiguous prefix of its digest (at least 4 digits); None gives the newest.

    ``versions`` are those of the object with this name, newest first. A label that reads like the digest of another
    version, as it is shown, names neither. Raises UnknownThing.
    """
    if not versions:
        raise UnknownThing(f"{name} has no version", hint="tally apply declares them", name=name)
    if which is None:
        return versions[0]
    wanted = {alias.digest for alias in aliases if alias.alias == which}
    found = [one for one in versions if one.digest in wanted]
    found = found or [one for one in versions if one.label == which]
    if DIGEST.match(which) and (not found or len(which) >= SHORT):
        found += [one for one in versions if one not in found and one.digest.startswith(which)]
    if len(found) == 1:
        return found[0]
    known = [alias.alias for alias in aliases] + [one.label for one in versions if one.label]
    near = difflib.get_close_matches(which, known, 1, 0.5)
    newest = ", ".join(one.label or one.digest[:SHORT] for one in versions[:_SHOWN])
    hint = f"did you mean {near[0]}?" if near else f"its newest versions: {newest}"
    count = "no version" if not found else f"{len(found)} versions"
    raise UnknownThing(f"{count} of {name} {'are' if found else 'is'} called {which!r}", hint=hint, name=name)
