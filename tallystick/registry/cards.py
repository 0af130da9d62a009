"""A2A agent cards: read strictly, kept as claims; written from a declaration. Pure.

Both shapes are read: protocol 1.0 (``supportedInterfaces``) and 0.3 (``url`` and ``protocolVersion`` at the top).
A card says what its author wants to be believed. Nothing in it grants, permits or classifies anything: no tools, no
autonomy, no owner come from it, and its signatures are not checked. What is kept:

- the whole card, as canonical JSON, as a text of the journal: ``body.text`` is its digest;
- in short, in ``body.card``: protocol, name, provider, interfaces, skills (id, name, tags), modes, and whether it is
  signed;
- its description as the purpose, its addresses as links.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.model.canonical import canonical_json, digest_bytes
from tallystick.model.errors import BadInput, TooLarge
from tallystick.model.masking import mask_text
from tallystick.registry.addresses import is_web
from tallystick.registry.card_shapes import CURRENT, OLDER, Trouble, check

LARGEST: Final = 256_000  # bytes of a card
MOST_SKILLS: Final = 200
ORIGIN: Final = "import"
_DEEPEST: Final = 32
_NAME_CUT: Final = 100
_PURPOSE_CUT: Final = 2_000
_UNWORDLY: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class AgentCard:
    """A card that was read. ``text`` is its canonical JSON, ``ignored`` the places that no protocol knows."""

    protocol: str
    plain: Mapping[str, Any]
    text: str
    ignored: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest_bytes(self.text.encode("utf-8"))

    @property
    def agent(self) -> str:
        """The agent's name in the registry, made of the card's name; empty where nothing is left of it."""
        return _UNWORDLY.sub("-", str(self.plain["name"]).lower()).strip("-")[:64].strip("-")

    @property
    def label(self) -> str:
        """The version that the card gives itself."""
        return str(self.plain["version"])

    @property
    def purpose(self) -> str:
        """What the card says the agent is for, cut."""
        return str(self.plain["description"])[:_PURPOSE_CUT]

    def interfaces(self) -> list[dict[str, str]]:
        """Where it can be reached, the preferred one first: ``{"url", "binding", "protocol"}``."""
        if self.protocol != OLDER:
            return [
                {"url": one["url"], "binding": one["protocolBinding"], "protocol": one["protocolVersion"]}
                for one in self.plain["supportedInterfaces"]
            ]
        main = {"url": self.plain["url"], "binding": self.plain.get("preferredTransport", "JSONRPC")}
        more = [
            {"url": one["url"], "binding": one["transport"]}
            for one in self.plain.get("additionalInterfaces", [])
        ]
        found = [main, *(one for one in more if one != main)]
        return [{**one, "protocol": self.plain["protocolVersion"]} for one in found]

    def links(self) -> dict[str, str]:
        """Its http(s) addresses without a user name, by what they lead to."""
        provider = self.plain.get("provider") or {}
        found = {
            "a2a": self.interfaces()[0]["url"],
            "documentation": self.plain.get("documentationUrl"),
            "provider": provider.get("url"),
        }
        return {name: url for name, url in found.items() if isinstance(url, str) and is_web(url)}

    def body(self) -> dict[str, Any]:
        """The body of the agent's version."""
        skills = [
            {"id": one["id"][:_NAME_CUT], "name": one["name"][:_NAME_CUT],
             "tags": [tag[:40] for tag in one["tags"][:10]]}
            for one in self.plain["skills"][:20]
        ]  # fmt: skip
        return {
            "text": self.digest,
            "card": {
                "protocol": self.protocol, "name": self.plain["name"][:_NAME_CUT],
                "provider": str((self.plain.get("provider") or {}).get("organization", ""))[:_NAME_CUT] or None,
                "interfaces": [
                    {key: value[:500] for key, value in one.items()} for one in self.interfaces()[:10]
                ],
                "skills": skills, "skills_in_all": len(self.plain["skills"]),
                "signed": bool(self.plain.get("signatures")),
            },
        }  # fmt: skip


def read_card(document: bytes) -> AgentCard:
    """Read a card. Raises TooLarge, and BadInput naming the first place that is wrong."""
    if len(document) > LARGEST:
        raise TooLarge(f"an agent card has at most {LARGEST:,} bytes, and this one {len(document):,}")
    try:
        plain = json.loads(document.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise BadInput("an agent card is UTF-8 text, and this is not") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"this is not JSON: {str(error)[:200]}", hint="an agent card is one JSON object"
        ) from error
    if not isinstance(plain, dict):
        raise BadInput("an agent card is one JSON object")
    protocol = CURRENT if "supportedInterfaces" in plain else OLDER
    if protocol == OLDER and not {"url", "protocolVersion"} & set(plain):
        raise BadInput(
            "this is no agent card: it has neither supportedInterfaces (1.0) nor url and protocolVersion (0.3)",
            hint="a card is served at /.well-known/agent-card.json",
        )
    try:
        ignored = check(protocol, plain, deepest=_DEEPEST)
    except Trouble as trouble:
        raise BadInput(
            f"the card is wrong at {trouble.path}: {trouble.why}", hint=f"A2A {protocol}"
        ) from None
    if len(plain["skills"]) > MOST_SKILLS:
        raise TooLarge(f"a card has at most {MOST_SKILLS} skills, and this one {len(plain['skills'])}")
    text = canonical_json(plain).decode("utf-8")
    if mask_text(text) != text:
        raise BadInput("the card holds what looks like a credential", hint="cards are public: take it out")
    return AgentCard(protocol, plain, text, ignored)


@dataclass(frozen=True, slots=True)
class Told:
    """What a card is written from: a declaration, and where the agent answers."""

    name: str
    version: str
    purpose: str
    url: str
    binding: str = "JSONRPC"
    tags: Sequence[str] = ()
    owner: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)


def write_card(told: Told, protocol: str = CURRENT) -> dict[str, Any]:
    """The card of a declared agent, which ``read_card`` reads without complaint.

    It has one skill, the agent's purpose: names of tools, models and prompts are nobody's business outside. A provider
    is named where both the owner and a link "provider" are there.
    """
    card: dict[str, Any] = {
        "name": told.name, "description": told.purpose, "version": told.version, "capabilities": {},
        "defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"],
        "skills": [
            {"id": told.name, "name": told.name, "description": told.purpose, "tags": list(told.tags) or ["agent"]}
        ],
    }  # fmt: skip
    if protocol == CURRENT:
        card["supportedInterfaces"] = [
            {"url": told.url, "protocolBinding": told.binding, "protocolVersion": CURRENT}
        ]
    else:
        card |= {"url": told.url, "preferredTransport": told.binding, "protocolVersion": "0.3.0"}
    if "documentation" in told.links:
        card["documentationUrl"] = told.links["documentation"]
    if told.owner and "provider" in told.links:
        card["provider"] = {"organization": told.owner, "url": told.links["provider"]}
    return card


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")
