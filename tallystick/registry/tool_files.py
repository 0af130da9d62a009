"""tools/NAME.toml: what is declared of a tool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.registry import Card, Declared, Lifecycle, version_digest
from tallystick.model.step import Effect
from tallystick.registry import fields
from tallystick.registry.after_fields import AFTER_KEYS, AfterFields, after_from, after_of
from tallystick.registry.fields import CARD_KEYS, DeclarationFile
from tallystick.registry.label_fields import LABEL_KEYS, LabelFields, labels_from, labels_of

TOOL_KEYS: Final = (
    "name", "version", *CARD_KEYS, "effect", "description", "data", "sources", "authority", "price_usd", "recovery",
    "server", "arguments", "input", "output", "annotations", *LABEL_KEYS, *AFTER_KEYS,
)  # fmt: skip
RECOVERIES: Final = ("retry", "idempotent", "reconcile", "operator")
_OPERATOR: Final = "operator"


@dataclass(frozen=True, slots=True)
class ToolFile:
    """What is declared of a tool: what the guard needs, and what people want to know besides.

    ``tool.data`` are the tool's own classes, without those of its ``sources``. ``says`` are the keys of the body that
    the declaration states although they are empty (``data = []``).
    """

    tool: ToolDeclaration
    version: str | None = None
    card: Card = field(default_factory=Card)
    sources: tuple[str, ...] | None = None
    server: str | None = None
    input: Mapping[str, Any] | None = None
    output: Mapping[str, Any] | None = None
    annotations: Mapping[str, Any] | None = None
    says: tuple[str, ...] = ()
    labels: LabelFields = field(default_factory=LabelFields)
    after: AfterFields = field(default_factory=AfterFields)
    file: DeclarationFile | None = field(default=None, compare=False, repr=False)

    def declared(self) -> Declared:
        """The tool as a registry object; its digest is the tool's own."""
        tool = self.tool
        said: dict[str, Any] = {
            "description": tool.description, "data": list(tool.data), "authority": list(tool.authority),
            "arguments": dict(tool.arguments), "recovery": tool.recovery if tool.recovery != _OPERATOR else "",
        }  # fmt: skip
        optional: dict[str, Any] = {
            "sources": None if self.sources is None else list(self.sources), "price_nano_usd": tool.price_nano,
            "server": self.server, "input": _plain(self.input), "output": _plain(self.output),
            "annotations": _plain(self.annotations),
        }  # fmt: skip
        body: dict[str, Any] = {"effect": tool.effect.value if tool.effect else None}
        body |= {key: value for key, value in said.items() if value or key in self.says}
        body |= {key: value for key, value in optional.items() if value is not None}
        body |= self.labels.body() | self.after.body()
        if body.get("recovery") == "":
            body["recovery"] = _OPERATOR
        return Declared(
            "tool", tool.name, version_digest("tool", tool.name, self.version, body), self.version, body,
            retired=self.card.lifecycle is Lifecycle.RETIRED, card=self.card,
        )  # fmt: skip

    def guarded(self, sources: Mapping[str, Sequence[str]]) -> ToolDeclaration:
        """The tool as the guard needs it: its own classes, and those of the data sources that it reaches.

        ``sources``: data source -> classes. Raises ConfigError or BadInput for a source that is not among them: a guard
        that does not know what a tool reaches would judge too mildly.
        """
        return replace(
            self.tool, data=_reached(self.tool.name, self.tool.data, self.sources, sources, self.file)
        )


def tool_from(file: DeclarationFile) -> ToolFile:
    """Read a tool's file. Raises ConfigError with file and line."""
    fields.known_keys(file, TOOL_KEYS, "a tool")
    name = fields.name_of(file)
    arguments = fields.arguments(file)
    effect = fields.choice(file, "effect", [one.value for one in Effect])
    authority = fields.names(file, "authority") or ()
    for argument in authority:
        if arguments and argument not in arguments:
            hint = fields.nearest(argument, list(arguments)) or "its arguments: " + ", ".join(arguments)
            raise file.error(
                "authority", f"authority names {argument!r}, which is no argument of {name}", hint
            )
    if effect is None:
        raise file.error(
            "name", f"tool {name} does not say what effect it has", "effect = " + fields.either(list(Effect))
        )
    labels = labels_from(file, arguments or ())
    after = after_from(file, arguments or ())
    plain = ToolDeclaration(
        name=name, effect=Effect(effect), description=fields.text(file, "description", 16_000) or "",
        data=fields.names(file, "data") or (), authority=authority, arguments=arguments or {},
        price_nano=fields.money(file, "price_usd"),
        recovery=fields.choice(file, "recovery", RECOVERIES) or _OPERATOR,
    )  # fmt: skip
    tool = after.on(labels.on(plain))
    made = ToolFile(
        tool, fields.label_of(file), fields.card(file), sources=fields.names(file, "sources"),
        server=fields.address(file, "server"), input=fields.free(file, "input"), output=fields.free(file, "output"),
        annotations=fields.free(file, "annotations"),
        says=tuple(key for key in ("description", "data", "authority", "arguments", "recovery") if key in file.table),
        labels=labels, after=after, file=file,
    )  # fmt: skip
    body = made.declared()
    fields.fits(file, body.body)
    return replace(made, tool=replace(tool, digest=body.digest))


def tool_of(declared: Declared, sources: Mapping[str, Sequence[str]] | None = None) -> ToolDeclaration:
    """A tool of the registry as the guard needs it, with the classes of its sources (data source -> classes).

    Raises BadInput for a body that is none, and for a source that is not among ``sources``.
    """
    body = declared.body
    try:
        tool = ToolDeclaration(
            name=declared.name,
            effect=Effect(body["effect"]),
            description=body.get("description") or "",
            data=tuple(body.get("data", ())),
            authority=tuple(body.get("authority", ())),
            arguments=dict(body.get("arguments", {})),
            price_nano=body.get("price_nano_usd"),
            recovery=body.get("recovery", _OPERATOR),
            digest=declared.digest,
        )
        tool = after_of(body).on(labels_of(body).on(tool))
        reached = tuple(body.get("sources") or ())
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"the declaration of tool {declared.name} cannot be read: {error!r}") from error
    return replace(tool, data=_reached(tool.name, tool.data, reached, sources or {}, None))


def classes_by_source(objects: Iterable[Declared]) -> dict[str, tuple[str, ...]]:
    """Data source -> classes, of the declared data sources among these objects."""
    return {one.name: tuple(one.body.get("classes", ())) for one in objects if one.type == "data"}


def _reached(
    tool: str, own: Sequence[str], reached: Sequence[str] | None, sources: Mapping[str, Sequence[str]],
    file: DeclarationFile | None,
) -> tuple[str, ...]:  # fmt: skip
    found = list(own)
    for name in reached or ():
        if name not in sources:
            message = f"tool {tool} names data source {name!r}, which nobody declares"
            hint = fields.nearest(name, list(sources)) or f"declare it in data/{name}.toml"
            raise file.error("sources", message, hint) if file else BadInput(message, hint=hint)
        found.extend(sources[name])
    return tuple(dict.fromkeys(found))


def _plain(table: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if table is None else dict(table)
