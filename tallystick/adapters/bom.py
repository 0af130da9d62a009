"""A bill of materials as CycloneDX 1.6 JSON, by CycloneDX's own library. Needs the extra ``bom``.

Agents are applications, models are machine learning models, data sources, prompts and policies are data, tools are
services with the classes of data that flow through them. The hash of a component is the digest of its version in the
registry. One registry at one time gives one document, byte for byte: its serial number is made of what it lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

from tallystick.app.registry.bill import Bill, Item
from tallystick.model.canonical import digest
from tallystick.model.errors import BadInput
from tallystick.registry.addresses import is_web

if TYPE_CHECKING:
    from cyclonedx.model import ExternalReference, Property
    from cyclonedx.model.component import Component
    from cyclonedx.model.dependency import Dependency
    from cyclonedx.model.service import Service

INSTALL: Final = "pip install 'tallystick[bom]'"
_SPACE: Final = "tallystick"  # of the names of properties
_FLOWS: Final = {"read": "OUTBOUND", "write": "BI_DIRECTIONAL", "irreversible": "BI_DIRECTIONAL"}
_TYPES: Final = {
    "agent": "APPLICATION", "model": "MACHINE_LEARNING_MODEL", "data": "DATA", "prompt": "DATA", "policy": "DATA",
}  # fmt: skip
_LINKS: Final = {"repository": "VCS", "documentation": "DOCUMENTATION", "run-book": "DOCUMENTATION"}


def render(bill: Bill) -> str:
    """The document, indented, ending with a line end. Raises BadInput where the extra is not installed."""
    try:
        from cyclonedx.model.bom import Bom, BomMetaData
        from cyclonedx.output import make_outputter
        from cyclonedx.schema import OutputFormat, SchemaVersion
    except ImportError as error:
        raise BadInput("a bill of materials needs the CycloneDX library", hint=INSTALL) from error
    from cyclonedx.model.component import Component, ComponentType

    bom = Bom(
        components=[_component(item) for item in bill.items if item.type != "tool"],
        services=[_service(item) for item in bill.items if item.type == "tool"],
        dependencies=_dependencies(bill),
        serial_number=uuid5(NAMESPACE_URL, f"{_SPACE}:bom:{_identity(bill)}"),
        metadata=BomMetaData(
            timestamp=datetime.fromtimestamp(bill.at // 1_000_000_000, UTC),
            tools=_made_by(Component(name="tallystick", type=ComponentType.APPLICATION, version=_version())),
            properties=_properties([("asked", bill.asked)] if bill.asked else []),
        ),
    )
    text: str = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    return text + "\n"


def _component(item: Item) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=item.digest)] if item.digest else []
    classes = [("class", name) for name in item.classes]
    return Component(
        name=item.name, type=ComponentType[_TYPES[item.type]], version=item.version, bom_ref=_ref(item.key),
        description=item.purpose or item.description, hashes=hashes, external_references=_links(item),
        properties=_properties([("type", item.type), *_owner(item), *classes, *item.facts]),
    )  # fmt: skip


def _service(item: Item) -> Service:
    from cyclonedx.model import DataClassification, DataFlow
    from cyclonedx.model.service import Service

    flow = DataFlow[_FLOWS.get(item.effect or "", "UNKNOWN")]
    facts = [("type", item.type), *_owner(item), *item.facts]
    return Service(
        name=item.name, bom_ref=_ref(item.key), version=item.version, description=item.description or item.purpose,
        data=[DataClassification(flow=flow, classification=name) for name in item.classes],
        external_references=_links(item),
        properties=_properties([*facts, *([("digest", item.digest)] if item.digest else [])]),
    )  # fmt: skip


def _dependencies(bill: Bill) -> list[Dependency]:
    from cyclonedx.model.bom_ref import BomRef
    from cyclonedx.model.dependency import Dependency

    below: dict[Any, list[Any]] = {item.key: [] for item in bill.items}
    for one, needed in bill.edges:
        below[one].append(needed)
    return [
        Dependency(BomRef(_ref(key)), [Dependency(BomRef(_ref(needed))) for needed in needs])
        for key, needs in below.items()
    ]


def _links(item: Item) -> list[ExternalReference]:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri

    return [
        ExternalReference(
            type=ExternalReferenceType[_LINKS.get(name, "WEBSITE")], url=XsUri(url), comment=name
        )
        for name, url in item.links
        if is_web(url)
    ]


def _properties(facts: Iterable[tuple[str, str]]) -> list[Property]:
    from cyclonedx.model import Property

    return [Property(name=f"{_SPACE}:{name}", value=value) for name, value in facts]


def _owner(item: Item) -> list[tuple[str, str]]:
    return [("owner", item.owner)] if item.owner else []


def _made_by(tool: Component) -> Any:
    from cyclonedx.model.tool import ToolRepository

    return ToolRepository(components=[tool])


def _version() -> str:
    from tallystick import __version__

    return __version__


def _identity(bill: Bill) -> str:
    rows = [[item.type, item.name, item.digest, sorted(item.facts)] for item in bill.items]
    return digest([bill.asked, rows, [[list(one), list(other)] for one, other in bill.edges]])


def _ref(key: tuple[str, str]) -> str:
    return f"{key[0]}:{key[1]}"
