"""What the registry knows: objects, their versions and aliases, how tools define themselves, and what agents used.

The registry has two halves. *Declared*: objects that somebody wrote down, each version immutable and named by the
digest of its canonical JSON. *Observed*: definitions that tools showed, and uses that recorded runs prove.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tallystick.model.canonical import digest

TYPES: Final = ("agent", "tool", "model", "data", "prompt", "policy", "budget", "suite", "workflow")
DEEPEST_BODY: Final = (
    100  # levels of lists and objects: whoever reads the registry must be able to read every body
)


class Lifecycle(StrEnum):
    """Where an object stands in its life."""

    DRAFT = "draft"
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


class Autonomy(StrEnum):
    """How far an agent acts by itself: it only drafts, acts once somebody approved, or acts."""

    DRAFTS = "drafts"
    ACTS_WITH_APPROVAL = "acts-with-approval"
    ACTS = "acts"


@dataclass(frozen=True, slots=True)
class Card:
    """What people say of an object beside what it does. A changed card makes no new version.

    ``links`` are addresses by what they lead to ("repository", "run-book"). ``origin`` says whose it is to retire:
    "apply:PROJECT", "push", "mcp:SERVER" or "import".
    """

    owner: str | None = None
    purpose: str | None = None
    lifecycle: Lifecycle = Lifecycle.ACTIVE
    links: Mapping[str, str] = field(default_factory=dict)
    origin: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Every field by name, JSON-ready: the ``card`` of an ``object.declared`` entry."""
        return {
            "owner": self.owner, "purpose": self.purpose, "lifecycle": self.lifecycle.value,
            "links": dict(self.links), "origin": self.origin,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Declared:
    """An object as it is declared now: its newest version, and its card.

    ``digest`` names the version, ``version`` is its label ("1.4.0"). ``at`` is when this version became the object's
    newest (or came back from retirement), in nanoseconds since the epoch, ``by`` who declared it; a change of the card
    changes neither.
    """

    type: str
    name: str
    digest: str
    version: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    retired: bool = False
    card: Card = field(default_factory=Card)
    at: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable version of an object; ``label`` is unique among the object's versions. ``seq``: its entry."""

    type: str
    name: str
    digest: str
    label: str | None
    body: Mapping[str, Any]
    seq: int
    at: int
    by: str
    because: str | None


@dataclass(frozen=True, slots=True)
class Alias:
    """A movable name of a version ("production"). Moving it never changes a version."""

    type: str
    name: str
    alias: str
    digest: str
    at: int
    by: str
    because: str | None


def version_digest(type: str, name: str, label: str | None, body: Mapping[str, Any]) -> str:
    """The digest that names a version. Raises BadInput for a body without canonical JSON."""
    return digest({"type": type, "name": name, "version": label, "body": dict(body)})


class Channel(StrEnum):
    """Who showed a definition: the code that calls the tool, an MCP server, or a request to a model."""

    CODE = "code"
    MCP = "mcp"
    TOLD = "told"


@dataclass(frozen=True, slots=True)
class Definition:
    """What a tool says of itself. All of it is pinned: a change of any field is a change of the tool.

    ``input`` and ``output`` are JSON Schemas, or for tools in code ``{parameter: type}``. ``server`` is the identity
    of the server that offers it (a command line or an address), None for code.
    """

    name: str
    description: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] | None = None
    annotations: Mapping[str, Any] = field(default_factory=dict)
    server: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Every field by name, JSON-ready."""
        return {
            "name": self.name, "description": self.description, "input": dict(self.input),
            "output": None if self.output is None else dict(self.output), "annotations": dict(self.annotations),
            "server": self.server,
        }  # fmt: skip

    @property
    def digest(self) -> str:
        """SHA-256 over the RFC 8785 JSON of all fields. Raises BadInput for what has none."""
        return digest(self.as_json())


class Trust(StrEnum):
    """How a shown definition stands."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Shown:
    """A definition that a tool showed, and how it stands.

    ``definition`` is the digest that ``Definition.digest`` gives; its JSON is a text of the journal under that digest.
    ``why``: "first use", "declared", "new", "changed" or, once a person accepted it, their reason ("accepted" without
    one). ``differs`` names the fields that changed against ``against``, the definition that was accepted before. Those
    that were accepted before a person accepted another are quarantined, ``why`` "replaced" and ``against`` that one:
    they do not wait for anybody.
    """

    tool: str
    channel: Channel
    definition: str
    trust: Trust
    why: str
    differs: tuple[str, ...] = ()
    against: str | None = None
    server: str | None = None
    first: int = 0  # when it was first shown, nanoseconds since the epoch
    decided: int | None = None  # when it was accepted
    by: str | None = None  # the person who accepted it; None: nobody, it was its first use or it is declared

    @property
    def waits(self) -> bool:
        """Whether it waits for a person; one that another took the place of does not."""
        return self.trust is Trust.QUARANTINED and self.why != "replaced"


USES: Final = ("tool", "model", "prompt", "data", "delegate", "definition", "version", "evaluation")


CLAIMED_USE: Final = "claimed"  # the detail of such a use


@dataclass(frozen=True, slots=True)
class Use:
    """An agent was seen using something, summed up over runs.

    ``type`` is one of USES. ``name``: the tool, model, class of data, delegate or version label; for a prompt the
    SHA-256 of its text. ``detail`` belongs to the key: for a definition the digest of what the model was told of the
    tool; of other uses but prompts CLAIMED_USE, where only senders that nothing vouches for said so; else empty. Times
    are nanoseconds since the epoch; ``run`` and ``step`` show the newest use.
    """

    agent: str
    type: str
    name: str
    detail: str = ""
    first: int = 0
    last: int = 0
    runs: int = 1
    steps: int = 1
    errors: int = 0
    run: str = ""
    step: str = ""


DIFFERENCES: Final = ("prompt", "tool", "model", "data", "delegate", "definition", "version")


@dataclass(frozen=True, slots=True)
class Difference:
    """Where what was observed is not what is declared.

    ``what`` is one of DIFFERENCES, ``text`` a sentence that names both sides. ``declared`` and ``observed`` are the two
    sides in short (None: there is none). Times are nanoseconds since the epoch; ``run`` and ``step`` show it.
    """

    what: str
    name: str
    declared: str | None
    observed: str | None
    text: str
    first: int = 0
    last: int = 0
    run: str | None = None
    step: str | None = None
