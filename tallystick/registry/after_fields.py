"""What a tool's file says of what follows a call: contracts, the idempotency key, the read that settles, the undo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tallystick.model.contract import Follow, OnBroken
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.registry import fields
from tallystick.registry.fields import DeclarationFile

AFTER_KEYS: Final = ("on_broken", "key", "reconcile", "undo")
_RESULT: Final = "result"
_EXAMPLE: Final = '[undo] and below it tool = "cancel_order", arguments = { order_id = "order_id" }'


@dataclass(frozen=True, slots=True)
class AfterFields:
    """The keys of a tool's file that are about what follows a call; empty or None where one is left out."""

    output: Mapping[str, Any] | None = None
    on_broken: str = ""
    key: str = ""
    reconcile: Follow | None = None
    undo: Follow | None = None

    def body(self) -> dict[str, Any]:
        """What they add to the body of the tool as a registry object; ``output`` stands there already."""
        said: dict[str, Any] = {
            "on_broken": self.on_broken, "key": self.key,
            "reconcile": None if self.reconcile is None else self.reconcile.as_json(),
            "undo": None if self.undo is None else self.undo.as_json(),
        }  # fmt: skip
        return {name: value for name, value in said.items() if value}

    def on(self, tool: ToolDeclaration) -> ToolDeclaration:
        """A tool of which this is said."""
        return replace(
            tool, output=self.output, on_broken=self.on_broken, key=self.key, reconcile=self.reconcile,
            undo=self.undo,
        )  # fmt: skip


def after_from(file: DeclarationFile, arguments: Iterable[str]) -> AfterFields:
    """Read the keys of a file. Raises ConfigError with file and line."""
    known = list(arguments)
    key = fields.one_name(file, "key") or ""
    if key and known and key not in known:
        hint = fields.nearest(key, known) or "its arguments: " + ", ".join(known)
        raise file.error("key", f"key names {key!r:.80}, which is no argument", hint)
    return AfterFields(
        fields.free(file, "output"),
        fields.choice(file, "on_broken", list(OnBroken)) or "",
        key,
        _follow(file, "reconcile", known),
        _follow(file, "undo", known),
    )


def after_of(body: Mapping[str, Any]) -> AfterFields:
    """The same out of the body of a registry object. Raises BadInput for one that was not written by ``body``."""
    try:
        output, reconcile, undo = body.get("output"), body.get("reconcile"), body.get("undo")
        return AfterFields(
            None if output is None else dict(output),
            OnBroken(body["on_broken"]).value if body.get("on_broken") else "",
            str(body.get("key", "")),
            None if reconcile is None else Follow.read(reconcile),
            None if undo is None else Follow.read(undo),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"what follows a call of the tool cannot be read: {error!r}") from error


def _follow(file: DeclarationFile, key: str, known: list[str]) -> Follow | None:
    table = fields.free(file, key)
    if table is None:
        return None
    allowed = ("tool", "arguments", "landed", "absent") if key == "reconcile" else ("tool", "arguments")
    for name in table:
        if name not in allowed:
            hint = fields.nearest(name, allowed) or "keys: " + ", ".join(allowed)
            raise file.error(f"{key}.{name}", f"[{key}] has no key {name!r:.80}", hint)
    if not isinstance(table.get("tool"), str) or not fields.is_name(table["tool"]):
        raise file.error(key, f"[{key}] does not name a tool", _EXAMPLE)
    for name in ("arguments", "landed", "absent"):
        if not isinstance(table.get(name, {}), Mapping):
            raise file.error(f"{key}.{name}", f"{name} of [{key}] is a table", _EXAMPLE)
    for name, source in table.get("arguments", {}).items():
        _comes_from(file, f"{key}.arguments.{name}", source, known, results=key == "undo")
    if key == "reconcile" and not table.get("landed"):
        raise file.error(
            key,
            "[reconcile] does not say how it is seen that the effect landed",
            'landed = { state = "refunded" }',
        )
    return Follow.read(table)


def _comes_from(file: DeclarationFile, key: str, source: Any, known: list[str], *, results: bool) -> None:
    if isinstance(source, str) and source:
        head, _, rest = source.partition(".")
        if head == _RESULT and rest and results:
            return
        if head != _RESULT and (not known or source in known):
            return
    hint = fields.nearest(str(source), known) or "its arguments: " + ", ".join(known)
    if results:
        hint += ', or "result.FIELD"'
    raise file.error(key, f"{source!r:.80} is not where a value can come from", hint)
